"""metatap.detector.rules, detector and explain: packs on the flows of the lab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.lab.packs import read_all

from metatap.context import Context
from metatap.demo import Labels, read_labels
from metatap.detector import Detections, Detector, Model, RuleSet, explain, shipped_model
from metatap.errors import ModelError
from metatap.features import encode
from metatap.flow import FlowBatch
from metatap.packs import Pack, load_folder
from metatap.runtime.build import shipped_packs

DATA = Path(__file__).parents[2] / "data" / "lab"
RATE = 1e-4


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(shipped_model())


@pytest.fixture(scope="module")
def packs() -> list[Pack]:
    found, faults = load_folder(shipped_packs())
    assert not faults
    return found


@pytest.fixture(scope="module")
def office() -> FlowBatch:
    return read_all(DATA / "office.mtrec")


@pytest.fixture(scope="module")
def labels() -> Labels:
    return read_labels(DATA / "office.labels.csv")


def flagged(detector: Detector, flows: FlowBatch) -> set[tuple[str, str]]:
    """(pack, uid) of every hit."""
    found = set()
    for chunk in flows.chunks(512):
        detections = detector.detect(chunk)
        uids = chunk.strings("uid")
        assert uids is not None
        for row, pack in zip(detections.rows, detections.packs, strict=True):
            uid = (uids.item(int(row)) or b"").decode()
            found.add((detections.rules.packs[pack].id, uid))
    return found


def test_all_starter_packs_are_in_force(model: Model, packs: list[Pack]) -> None:
    """None of the packs that are shipped is refused with the shipped model."""
    rules = RuleSet.build(model, packs, RATE)
    assert not rules.refused
    assert len(rules.packs) >= 4
    assert np.isinf(rules.thresholds[len(rules.packs) :]).all()


def test_packs_find_what_they_were_taught(
    model: Model, packs: list[Pack], office: FlowBatch, labels: Labels
) -> None:
    """In the network it was taught in, each pack flags flows of its own threat most of all."""
    hits = flagged(Detector(RuleSet.build(model, packs, RATE), Context()), office)
    for pack in packs:
        family = pack.id.replace("-", "_")
        own = [uid for name, uid in hits if name == pack.id and labels[uid].family == family]
        whole = sum(label.family == family for label in labels.values())
        assert len(own) >= 0.5 * whole, pack.id


def test_a_useless_pack_is_refused_alone(model: Model, packs: list[Pack]) -> None:
    """A pack whose counter-examples are its own flows is refused; the others are the same."""
    own, context = packs[0].flows, packs[0].context
    useless = replace(packs[0], id="useless", not_like=own, not_like_context=context)
    rules = RuleSet.build(model, [*packs, useless], RATE)
    assert "contradicts itself" in rules.refused["useless"]
    alone = RuleSet.build(model, packs, RATE)
    assert [pack.id for pack in rules.packs] == [pack.id for pack in alone.packs]
    np.testing.assert_array_equal(rules.heads, alone.heads)


def test_a_model_fault_refuses_only_that_pack(
    model: Model, packs: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the model can't adapt to one pack, the others are in force."""
    adapt, calls = Model.adapt, []

    def broken(self: Model, support: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        calls.append(len(support))
        if len(calls) == 1:
            raise ModelError("not finite")
        return adapt(self, support, *rest)

    monkeypatch.setattr(Model, "adapt", broken)
    rules = RuleSet.build(model, packs, RATE)
    assert rules.refused == {packs[0].id: "not finite"}
    assert len(rules.packs) == len(packs) - 1


def test_no_packs_no_hits(model: Model, office: FlowBatch) -> None:
    """Without packs every flow is scored and none is a hit."""
    detector = Detector(RuleSet.build(model, [], RATE))
    assert not flagged(detector, office)
    assert detector.flows.passed == office.rows


def test_swap_takes_effect_with_the_next_batch(
    model: Model, packs: list[Pack], office: FlowBatch
) -> None:
    """Detections name the rules that gave them."""
    one, two = (RuleSet.build(model, packs[:n], RATE) for n in (1, 2))
    detector = Detector(one)
    before = detector.detect(office.take(np.arange(10)))
    detector.swap(two)
    assert before.rules is one
    assert detector.detect(office.take(np.arange(10))).rules is two


def test_explanations_point_at_what_matters(
    model: Model, packs: list[Pack], office: FlowBatch
) -> None:
    """Reasons fall in weight, speak for the threat, and are about what the flow has."""
    rules = RuleSet.build(model, packs, RATE)
    detections = Detector(rules, Context()).detect(office)
    names = [pack.id for pack in rules.packs]
    for name, about in (("dns-tunnel", "dns."), ("ssh-bruteforce", "ssh.")):
        pack = names.index(name)
        hits = detections.rows[detections.packs == pack][:10]
        reasons = [explain(detections, int(row), pack).reasons for row in hits]
        for each in reasons:
            moved = [reason.moved for reason in each]
            assert moved == sorted(moved, reverse=True)
            assert all(weight > 0 for weight in moved)
            assert all(reason.text and reason.value is not None for reason in each)
        assert any(reason.feature.startswith(about) for each in reasons for reason in each)


def test_a_support_flow_is_its_own_nearest(model: Model, packs: list[Pack]) -> None:
    """For a flow that the pack was taught with, the most similar example is that flow."""
    rules = RuleSet.build(model, packs, RATE)
    for index, pack in enumerate(rules.packs):
        features = encode(pack.flows, pack.context)
        scores = model.score(features, rules.heads)[0]
        none = np.zeros(0, np.intp)
        why = explain(Detections(pack.flows, rules, features, scores, none, none), 3, index)
        assert why.nearest_distance == pytest.approx(0.0, abs=1e-3)
