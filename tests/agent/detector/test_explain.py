"""metatap.detector.explain: what is left out together, and that the weights are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap.context.layout import SCALES
from metatap.detector import Detections, Detector, Model, RuleSet, shipped_model
from metatap.detector.explain import explain, feature_groups, how_unusual, nearest, standing_out
from metatap.detector.rules import LOCAL, REFERENCE
from metatap.features.table import FEATURES, INDEX, NAMES
from metatap.flow import to_row
from metatap.packs import load_folder
from metatap.runtime.shipped import shipped_packs


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    packs, _ = load_folder(shipped_packs())
    return RuleSet.build(Model(shipped_model()), packs, 1e-4)


@pytest.fixture(scope="module")
def scored(rules: RuleSet) -> Detections:
    """The support flows of one pack, scored as traffic."""
    return Detector(rules).detect(rules.packs[-1].flows)


def test_what_stands_for_one_thing_is_one_group() -> None:
    """The flags of a field, and one statistic of a key over seconds, minutes and hours."""
    groups = [{NAMES[column] for column in columns} for columns in feature_groups(NAMES)]
    assert sorted(name for group in groups for name in group) == sorted(NAMES)
    for stem in ("context.host.flows", "context.pair.failed", "context.service.peers"):
        assert {f"{stem}.{scale}" for scale in SCALES} in groups
    assert {"ssl.version.old", "ssl.version.12", "ssl.version.13"} in groups
    assert {"proto.tcp", "proto.udp", "proto.icmp"} in groups
    assert {"context.host.gap"} in groups
    assert {"history.orig.S"} in groups
    assert {"orig_bytes"} in groups


def test_a_weight_is_what_leaving_the_group_out_costs(rules: RuleSet, scored: Detections) -> None:
    """Each reason's weight is the score of the flow less that of the flow without the group."""
    model = rules.model
    pack = len(rules.packs) - 1
    groups = {NAMES[column]: group for group in feature_groups(NAMES) for column in group}
    told = 0
    for row in range(scored.batch.rows):
        flow = model.select(scored.features[row : row + 1])
        explanation = explain(scored, row, pack)
        families = [tuple(groups[reason.feature]) for reason in explanation.reasons]
        assert len(set(families)) == len(families)
        for reason in explanation.reasons:
            without = flow.copy()
            columns = groups[reason.feature]
            without[0, columns] = model.typical[columns]
            here = model.score(flow, rules.heads)[0][0, pack]
            there = model.score(without, rules.heads)[0][0, pack]
            assert reason.moved == pytest.approx(float(here - there), abs=1e-5)
            told += 1
    assert told


def test_the_nearest_example_comes_with_its_values(rules: RuleSet, scored: Detections) -> None:
    """A support flow is most like itself, and its fields are those of the pack's file."""
    pack = len(rules.packs) - 1
    flows = rules.packs[pack].flows
    explanation = explain(scored, 0, pack)
    assert explanation.nearest_flow == to_row(flows, explanation.nearest_index)
    assert nearest(scored, [(0, pack)])[0].nearest_flow == explanation.nearest_flow


def test_how_unusual_is_counted_in_the_background(rules: RuleSet) -> None:
    """The share of the background that scores as high, one by one, equal scores included."""
    meta = rules.model.meta
    ground = meta.background.embedding  # type: ignore[union-attr]
    own = ground @ rules.heads[:-1, 0] + rules.heads[-1, 0]
    ordered = np.sort(own)
    scores = np.array([ordered[-1] + 1, ordered[-1], ordered[-3], ordered[0]], np.float32)
    found = how_unusual(rules, 0, scores)
    counts = [int((own >= score).sum()) for score in scores]
    assert counts[0] == 0
    assert counts[3] == len(own)
    assert [unusual and unusual.at_or_above for unusual in found] == counts
    assert [unusual and unusual.source for unusual in found] == [REFERENCE] * 4
    first, last = found[0], found[3]
    assert first is not None
    assert last is not None
    assert first.one_in == len(own)
    assert first.text.startswith(f"fewer than 1 in {len(own):,} flows of the model's background")
    assert last.one_in == 1
    assert last.text.startswith("about 1 in 1 flows")


def test_a_background_of_another_network_is_not_taken_for_this_one(rules: RuleSet) -> None:
    """Where heads were made on a background that is not at hand, nothing is said."""
    scores = np.zeros(1, np.float32)
    local = replace(rules, threshold_source=LOCAL)
    if getattr(local, "background", None) is None:
        assert how_unusual(local, 0, scores) == [None]


def test_the_column_that_stands_out_is_named() -> None:
    """Of a group's magnitudes the one farthest off by its logarithm; of flags the one that is."""
    counts = [FEATURES[INDEX[f"context.host.flows.{scale}"]] for scale in SCALES]
    usual = np.array([1.0, 30.0, 400.0], np.float32)
    assert standing_out(counts, np.array([40.0, 60.0, 900.0], np.float32), usual) == 0
    assert standing_out(counts, np.array([np.nan, 60.0, 4.0], np.float32), usual) == 2
    flags = [FEATURES[INDEX[name]] for name in ("proto.tcp", "proto.udp")]
    assert standing_out(flags, np.array([0.0, 1.0], np.float32), np.zeros(2, np.float32)) == 1
