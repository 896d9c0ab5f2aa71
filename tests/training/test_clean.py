"""`preprocess`: what the stated rule drops, and the table of groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap_training.bench.folds import FOLDS
from metatap_training.datasets import BENIGN, MALICIOUS, concat
from metatap_training.preprocess import (
    CLIP,
    DUPLICATES_KEPT,
    GroupError,
    clean,
    fit_scaling,
    read_groups,
    spread,
)
from metatap_training.preprocess.groups import require
from tests.training import synthetic
from tests.training.published import published


def test_equal_rows_of_a_capture_and_family_are_capped() -> None:
    """The first eight stay; the same row in another capture, family or label counts on its own."""
    flood = synthetic.block("flood", MALICIOUS, "north", 1, 0)
    many = flood.take(np.zeros(50, np.intp))
    other = replace(many, capture=np.full(50, "north/other"))
    ordinary = synthetic.block("tcp/80", BENIGN, "south", 40, 0)
    cleaned = clean(concat([many, other, ordinary]))
    assert cleaned.dropped == {"duplicate": 2 * (50 - DUPLICATES_KEPT), "like_benign": 0}
    assert len(cleaned.flows) == 2 * DUPLICATES_KEPT + 40


def test_absent_and_zero_are_no_duplicates() -> None:
    """Rows are compared by their bits, so NaN equals NaN and nothing else."""
    row = synthetic.block("tcp/80", BENIGN, "north", 1, 0).take(np.zeros(20, np.intp))
    features = row.features.copy()
    features[:, 0] = np.where(np.arange(20) < 10, np.nan, 0)
    assert clean(replace(row, features=features)).dropped["duplicate"] == 2 * (10 - DUPLICATES_KEPT)


def test_weakly_labelled_flows_that_look_benign_are_dropped() -> None:
    """Only labels given to whole captures are doubted."""
    benign = synthetic.block("tcp/80", BENIGN, "north", 60, 0)
    worm = replace(synthetic.block("worm", MALICIOUS, "north", 30, 0), scope=np.full(30, "capture"))
    chatter = replace(
        synthetic.block("tcp/80", MALICIOUS, "north", 10, 5),
        scope=np.full(10, "capture"),
        family=np.full(10, "worm"),
    )
    cleaned = clean(concat([benign, worm, chatter]))
    left = cleaned.flows.label == MALICIOUS
    assert cleaned.dropped["like_benign"] >= 8
    assert left.sum() >= 29
    trusted = replace(chatter, scope=np.full(10, "flow"))
    assert clean(concat([benign, worm, trusted])).dropped["like_benign"] == 0


def test_a_weak_flow_equal_to_a_benign_one_elsewhere_is_dropped() -> None:
    """Even where its own network has no benign flows."""
    benign = synthetic.block("tcp/80", BENIGN, "south", 30, 0)
    copy = replace(
        benign.take(np.arange(3)),
        label=np.full(3, MALICIOUS, np.int8),
        network=np.full(3, "north"),
        scope=np.full(3, "capture"),
    )
    assert clean(concat([benign, copy])).dropped["like_benign"] == 3


def test_scaled_features_are_bounded_and_absent_ones_stand_at_the_mean() -> None:
    """Whatever a sensor sends, the trunk sees ± CLIP."""
    flows = synthetic.flows()
    scaled = fit_scaling(flows).apply(flows.features)
    assert np.abs(scaled).max() <= CLIP
    assert not scaled[np.isnan(flows.features)].any()
    assert np.abs(scaled.mean(0)).max() < 0.5
    huge = np.full_like(flows.features[:1], 1e19)
    assert np.isfinite(fit_scaling(flows).apply(huge)).all()


def test_spread_caps_each_key() -> None:
    """Small networks give all they have."""
    keys = np.array(["a"] * 9 + ["b"] * 2)
    rows = spread(keys, 4, np.random.default_rng(0))
    assert np.unique(keys[rows], return_counts=True)[1].tolist() == [4, 2]
    assert not len(spread(keys[:0], 4, np.random.default_rng(0)))


def test_every_group_is_held_out_exactly_once() -> None:
    """A group in no fold would never be tested, one in two would be counted twice."""
    held = [group for fold in FOLDS for group in fold.groups]
    assert sorted(held) == sorted(set(held))
    assert set(held) == set(read_groups().values())


def test_relatives_are_in_one_group() -> None:
    """The table knows the other names of a technique."""
    groups = read_groups()
    scans = ("nmap-scan", "portscan", "mirai-scan", "os-fingerprint-scan", "ton-scanning", "recon")
    assert {groups[family] for family in scans} == {"scan"}
    assert {groups[f] for f in ("ton-dos", "ton-ddos", "mirai-ddos")} == {"flood"}


def test_a_family_without_a_group_is_refused() -> None:
    """New data must be placed before it can leak."""
    with pytest.raises(GroupError, match="new-worm"):
        require(read_groups(), {"iodine", "new-worm"})


@pytest.mark.shared
def test_every_family_of_the_labelled_flows_has_a_group() -> None:
    """And the table has no family that is nowhere."""
    flows = published()
    assert set(flows.family[flows.label == MALICIOUS]) == set(read_groups())
