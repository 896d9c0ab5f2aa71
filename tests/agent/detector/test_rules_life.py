"""The life of a pack: what it is quarantined for, what is remembered, thresholds replaced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.agent.detector.networks import Network, read_network

from metatap.detector import Model, RuleSet, make_ready, shipped_model
from metatap.detector.cache import ReadyCache, background_id
from metatap.detector.judge import least_distance, weakness
from metatap.detector.life import RECENT_LEAST, RECENT_LIMIT
from metatap.errors import ModelError
from metatap.packs import Fault, Pack, PackState, PackStatus, load_folder
from metatap.runtime.build import shipped_packs

RATE = 1e-4


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(shipped_model())


@pytest.fixture(scope="module")
def packs() -> list[Pack]:
    return load_folder(shipped_packs())[0]


@pytest.fixture(scope="module")
def office() -> Network:
    return read_network("office.mtrec", "office.labels.csv")


class Counted:
    """A model's adaptations, counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        adapt = Model.adapt

        def counted(model: Model, *inputs: np.ndarray) -> np.ndarray:
            self.calls += 1
            return adapt(model, *inputs)

        monkeypatch.setattr(Model, "adapt", counted)


def test_what_did_not_change_is_not_adapted_again(
    model: Model, packs: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second build costs no adaptation, one more pack only its own, and gives the same."""
    plain = RuleSet.build(model, packs, RATE)
    cache = ReadyCache()
    RuleSet.build(model, packs[1:], RATE, cache=cache)
    counted = Counted(monkeypatch)
    rules = RuleSet.build(model, packs, RATE, cache=cache)
    assert counted.calls == 1 + min(packs[0].flows.rows, 8)
    again = RuleSet.build(model, packs, RATE, cache=cache)
    assert counted.calls == 1 + min(packs[0].flows.rows, 8)
    for other in (rules, again):
        np.testing.assert_array_equal(other.heads, plain.heads)
        np.testing.assert_array_equal(other.thresholds, plain.thresholds)
        assert other.states == plain.states
        for one, two in zip(other.support, plain.support, strict=True):
            np.testing.assert_array_equal(one, two)


def test_what_a_head_is_made_of_makes_it_new(
    model: Model, packs: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another background, rate or content of the pack is adapted anew; a moved file is not."""
    cache = ReadyCache()
    RuleSet.build(model, packs[:1], RATE, cache=cache)
    ground = model.meta.background.embedding
    counted = Counted(monkeypatch)
    moved = replace(packs[0], path=packs[0].path.with_name("moved.yaml"))
    rules = RuleSet.build(model, [moved], RATE, cache=cache)
    assert counted.calls == 0
    assert rules.packs[0].path.name == "moved.yaml"
    RuleSet.build(model, packs[:1], RATE, ground[:-1], cache=cache)
    RuleSet.build(model, packs[:1], 2 * RATE, cache=cache)
    RuleSet.build(model, [replace(packs[0], sha256="f" * 64)], RATE, cache=cache)
    assert counted.calls == 3 * 9
    RuleSet.build(model, [replace(packs[0], sha256="")], RATE, cache=cache)
    RuleSet.build(model, [replace(packs[0], sha256="")], RATE, cache=cache)
    assert counted.calls == 5 * 9
    assert background_id(ground) != background_id(ground[::-1])


def test_the_cache_is_bounded(model: Model, packs: list[Pack]) -> None:
    """What was longest not used is forgotten, never more is held than the limit."""
    cache = ReadyCache(limit=make_ready(model, packs[0], RATE).size + 2000)
    for _ in range(2):
        rules = RuleSet.build(model, packs, RATE, cache=cache)
        assert len(rules.packs) == len(packs)
        assert 0 < cache.size <= make_ready(model, packs[0], RATE).size + 2000


def test_a_head_that_can_t_be_made_is_remembered(
    model: Model, packs: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack of which the model makes no finite head is in quarantine, and not tried again."""
    calls = 0

    def broken(*_: object) -> np.ndarray:
        nonlocal calls
        calls += 1
        raise ModelError("the adapted head is not finite")

    monkeypatch.setattr(Model, "adapt", broken)
    cache = ReadyCache()
    for _ in range(2):
        status = RuleSet.build(model, packs[:1], RATE, cache=cache).states[0]
        assert status.state is PackState.QUARANTINED
        assert (status.fault, status.reason) == (Fault.HEAD, "the adapted head is not finite")
    assert calls == 1


def test_the_shadow(model: Model, packs: list[Pack], office: Network) -> None:
    """A new pack that flags too much of what was seen lately is quarantined.

    One that is in force already stays so when an attack fills what was seen lately.
    """
    scan = next(pack for pack in packs if pack.id == "port-scan")
    quiet = model.embed(office.features[office.benign])
    attack = model.embed(office.features[office.of("port_scan")])
    status = RuleSet.build(model, [scan], RATE, recent=attack).states[0]
    assert status.state is PackState.QUARANTINED
    assert status.fault is Fault.RECENT
    assert status.fired is not None
    assert status.fired > 0.9
    cache = ReadyCache()
    for recent in (quiet, attack):
        rules = RuleSet.build(model, [scan], RATE, recent=recent, cache=cache)
        assert [pack.id for pack in rules.packs] == ["port-scan"]
    fired = rules.states[0].fired
    assert fired is not None
    assert fired > RECENT_LIMIT
    changed = replace(scan, sha256="e" * 64)
    assert not RuleSet.build(model, [changed], RATE, recent=attack, cache=cache).packs


def test_few_flows_quarantine_nothing(model: Model, packs: list[Pack], office: Network) -> None:
    """Of a handful of flows no share can be told; the limit may be given."""
    scan = next(pack for pack in packs if pack.id == "port-scan")
    attack = model.embed(office.features[office.of("port_scan")])
    few = RuleSet.build(model, [scan], RATE, recent=attack[: RECENT_LEAST - 1])
    assert few.states[0].state is PackState.ACTIVE
    assert few.states[0].fired
    assert RuleSet.build(model, [scan], RATE, recent=attack, limit=1.0).packs
    none = RuleSet.build(model, [scan], RATE, recent=attack[:0]).states[0]
    assert (none.state, none.fired) == (PackState.ACTIVE, None)
    with pytest.raises(ValueError, match="recent"):
        RuleSet.build(model, [scan], RATE, recent=attack[:, :-1])


def test_thresholds_are_replaced(model: Model, packs: list[Pack]) -> None:
    """Other thresholds, the same heads; padding stays infinite, states follow."""
    rules = RuleSet.build(model, packs, RATE)
    wanted = np.full_like(rules.thresholds, 0.25)
    wanted[0] = np.inf
    other = rules.with_thresholds(wanted, "budget")
    count = len(packs)
    np.testing.assert_array_equal(other.thresholds[:count], wanted[:count])
    assert np.isinf(other.thresholds[count:]).all()
    assert other.heads is rules.heads
    assert (rules.threshold_source, other.threshold_source) == ("reference", "budget")
    assert [status.threshold for status in other.states[1:]] == [0.25] * (count - 1)
    for bad in (wanted[:-1], np.full_like(wanted, np.nan), np.full_like(wanted, -np.inf)):
        with pytest.raises(ValueError, match="thresholds"):
            rules.with_thresholds(bad, "budget")


def test_states_hold_every_pack_that_was_seen(model: Model, packs: list[Pack]) -> None:
    """What was not taken when it was read stands beside what is in force."""
    out = PackStatus("bad", packs[0].path, "", PackState.QUARANTINED, "broken", Fault.FILE)
    rules = RuleSet.build(model, packs, RATE, quarantined=[out])
    assert rules.states[0] is out
    assert {status.id for status in rules.states[1:]} == {pack.id for pack in packs}
    assert "bad" not in rules.refused
    assert rules.states[1].as_json()["state"] == "active"


def test_only_news_is_logged(model: Model, packs: list[Pack]) -> None:
    """With a cache, a quarantine that lasts is said once, and again after it had ended."""
    useless = replace(packs[0], not_like=packs[0].flows, not_like_context=packs[0].context)
    cache = ReadyCache()
    with capture_logs() as logs:
        for pack in (useless, useless, packs[0], useless):
            given = replace(pack, sha256="") if pack is useless else pack
            RuleSet.build(model, [given], RATE, cache=cache)
    events = [(log["event"], log.get("fault")) for log in logs if log["log_level"] == "warning"]
    assert events == 2 * [("pack_quarantined", "contradiction")]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"apart": 0.005}, Fault.CONTRADICTION),
        ({"held_out": [0.1, 0.2, 0.9, 0.1]}, Fault.SUPPORT),
        ({"held_out": [0.1, 0.2, 0.9, 0.1], "own": [0.2, 0.2, 0.9, 0.1]}, Fault.BACKGROUND),
        ({"held_out": [0.1, 0.1, 0.1, 0.1], "counter": [0.6]}, Fault.CONTRADICTION),
        ({"ground": [0.5] * 50 + [0.0] * 50}, Fault.BACKGROUND),
        ({"ground": [0.5] * 1 + [0.0] * 99}, None),
    ],
)
def test_each_weakness_has_its_name(change: dict[str, object], fault: Fault | None) -> None:
    """The reason is what keeps the pack's own flows from being recognised."""
    given: dict[str, object] = {
        "held_out": [0.9, 0.8, 0.7, 0.2],
        "own": [0.9, 0.9, 0.9, 0.9],
        "counter": [0.1],
        "ground": [0.0] * 100,
        "apart": np.inf,
    }
    arrays = {name: np.array(value, np.float32) for name, value in (given | change).items()}
    apart = float(arrays.pop("apart"))
    found = weakness(threshold=0.5, rate=1e-4, apart=apart, **arrays)
    assert (None if found is None else found[0]) is fault


def test_distances_are_in_spreads_of_the_background() -> None:
    """A model with another scale gives the same distance."""
    rng = np.random.default_rng(0)
    ground = rng.normal(size=(1000, 4)).astype(np.float32)
    one, other = ground[:2], ground[:2] + np.float32(0.5)
    near = least_distance(one, other, ground)
    assert near == pytest.approx(least_distance(9 * one, 9 * other, 9 * ground), rel=1e-5)
    assert near == pytest.approx(0.5, abs=0.05)
    assert least_distance(one, ground[:0], ground) == np.inf


def test_local_flows_join_the_background(
    model: Model, packs: list[Pack], office: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads are others with them, are remembered, and alerts are measured by them."""
    local = model.embed(office.features[office.benign])[:1000]
    plain = RuleSet.build(model, packs, RATE)
    cache = ReadyCache()
    rules = RuleSet.build(model, packs, RATE, cache=cache, local=local)
    assert [pack.id for pack in rules.packs] == [pack.id for pack in plain.packs]
    assert not np.allclose(rules.heads[:, : len(packs)], plain.heads[:, : len(packs)], atol=1e-3)
    assert rules.threshold_source == "local"
    assert rules.background is local
    counted = Counted(monkeypatch)
    again = RuleSet.build(model, packs, RATE, cache=cache, local=local.copy())
    assert counted.calls == 0
    np.testing.assert_array_equal(again.heads, rules.heads)
    RuleSet.build(model, packs[:1], RATE, cache=cache, local=local[:-1])
    assert counted.calls == 2 + min(packs[0].flows.rows, 8)


def test_local_flows_take_no_pack_out_of_force(
    model: Model, packs: list[Pack], office: Network
) -> None:
    """A network full of an attack makes its pack unfit there; it is made without those flows."""
    scan = next(pack for pack in packs if pack.id == "port-scan")
    attack = model.embed(office.features[office.of("port_scan")])
    local = np.concatenate([attack] * (1 + 2000 // len(attack)))
    assert not make_ready(model, scan, RATE, local=local).is_useful
    rules = RuleSet.build(model, [scan], RATE, cache=ReadyCache(), local=local)
    plain = RuleSet.build(model, [scan], RATE)
    assert rules.states[0].state is PackState.ACTIVE
    np.testing.assert_array_equal(rules.heads, plain.heads)
    np.testing.assert_array_equal(rules.thresholds, plain.thresholds)
