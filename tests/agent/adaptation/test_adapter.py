"""The adapter: what a runtime sees of the adaptation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap.adaptation import BUDGET, Adapter, NoticeKind
from metatap.adaptation.clock import DAY, HOUR, MAX_GAP, MINUTE, SECOND, TrafficClock
from metatap.adaptation.raised import Raised
from metatap.adaptation.unknown import has_unknown
from metatap.context import Context
from metatap.detector import Detections, Detector, Model, RuleSet, shipped_model
from metatap.errors import StateError
from metatap.features import WIDTH
from metatap.flow import FlowBatch, Numeric
from metatap.packs import load_folder
from metatap.runtime.shipped import shipped_packs
from tests.agent.alerts.scored import detections, flow
from tests.agent.detector.networks import Network, read_network

BEGIN = 1_800_000_000 * SECOND


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet.build(Model(shipped_model()), load_folder(shipped_packs())[0], 1e-4)


@pytest.fixture(scope="module")
def office() -> Network:
    return read_network("office-logs", "office.labels.csv")


@pytest.fixture(scope="module")
def scored(rules: RuleSet, office: Network) -> Detections:
    """The office's benign flows, scored."""
    detector = Detector(rules, Context())
    return detector.detect(office.flows.take(np.flatnonzero(office.benign)))


def at(found: Detections, rows: np.ndarray, time: int, hosts: int = 0) -> Detections:
    """Some of the flows at another time, by so many originators if it is said."""
    batch = found.batch.take(rows)
    columns = dict(batch.columns)
    count = len(rows)
    columns["ts"] = Numeric(np.full(count, time, np.int64))
    columns["duration"] = Numeric(np.zeros(count, np.int64))
    if hosts:
        address = np.zeros((count, 16), np.uint8)
        address[:, 12:14] = (np.arange(count) % hosts).astype(">u2").view(np.uint8).reshape(-1, 2)
        columns["id.orig_h"] = Numeric(address)
    return replace(
        found,
        batch=FlowBatch(count, columns, batch.origin),
        features=found.features[rows],
        scores=found.scores[rows],
        embedding=found.embedding[rows],
        rows=np.zeros(0, np.intp),
        packs=np.zeros(0, np.intp),
    )


def show(
    adapter: Adapter,
    found: Detections,
    hours: float,
    *,
    begin: int = BEGIN,
    seed: int = 0,
    hosts: int = 200,
) -> int:
    """Show 20 random flows a minute for some hours; when that ended."""
    rng = np.random.default_rng(seed)
    now = begin
    for minute in range(int(hours * 60)):
        now = begin + minute * MINUTE
        rows = rng.integers(found.batch.rows, size=20)
        adapter.refresh(found.rules)
        adapter.observe(adapter.score(at(found, rows, now, hosts)), now)
    return now


def test_a_background_comes_when_enough_was_seen(rules: RuleSet, scored: Detections) -> None:
    """A day and 512 flows; then in the space of any model, the same flows until much is new."""
    model = rules.model
    assert isinstance(model, Model)
    adapter = Adapter(1024, seed=0)
    assert adapter.background(model) is None
    assert adapter.recent(model).shape == (0, model.depth)
    end = show(adapter, scored, 0.2)
    assert adapter.recent(model).shape == (240, model.depth)
    end = show(adapter, scored, 23, begin=end, seed=1)
    assert adapter.background(model) is None
    assert not adapter.has_changed()
    end = show(adapter, scored, 1, begin=end, seed=2)
    assert adapter.has_changed()
    background = adapter.background(model)
    assert background is not None
    assert 512 <= len(background) <= 1024
    np.testing.assert_array_equal(adapter.recent(model), background)
    assert not adapter.has_changed()
    end = show(adapter, scored, 70, begin=end, seed=3)
    assert not adapter.has_changed()
    show(adapter, scored, 3, begin=end, seed=4)
    assert adapter.has_changed()
    later = adapter.background(model)
    assert later is not None
    assert not np.array_equal(later, background)


def test_nothing_is_kept_where_nothing_is_asked_for(rules: RuleSet, scored: Detections) -> None:
    """Without background and budget there are no flows and no thresholds, and rules stay."""
    adapter = Adapter(0, seed=0)
    show(adapter, scored, 0.5)
    assert adapter.background(rules.model) is None
    assert not len(adapter.recent(rules.model))
    assert adapter.thresholds(rules) is None
    assert adapter.extend(rules) is rules
    assert not adapter.has_changed()
    adapter.load(adapter.save())


def test_the_budget_moves_the_thresholds_and_comes_at_its_time(
    rules: RuleSet, scored: Detections
) -> None:
    """Own thresholds at first; after two days a larger budget lowers them; every ten minutes."""
    adapter = Adapter(1024, alerts_per_day=50.0, seed=0)
    assert adapter.thresholds(rules) is None
    end = show(adapter, scored, 0.5)
    first = adapter.thresholds(rules)
    assert first is not None
    np.testing.assert_array_equal(first, rules.thresholds)
    assert adapter.thresholds(rules) is None
    in_force = rules.with_thresholds(first, BUDGET)
    end = show(adapter, replace(scored, rules=in_force), 48, begin=end, seed=1)
    later = adapter.thresholds(in_force)
    assert later is not None
    assert (later[:4] < rules.thresholds[:4]).all()
    assert np.isinf(later[4:]).all()
    assert in_force.with_thresholds(later, BUDGET).threshold_source == "budget"
    end = show(adapter, replace(scored, rules=in_force), 0.1, begin=end, seed=2)
    assert adapter.thresholds(in_force) is None
    show(adapter, replace(scored, rules=in_force), 0.2, begin=end, seed=3)
    assert adapter.thresholds(in_force) is not None
    status = adapter.status()
    assert 5 < status["alerts_a_day"]["expected"] <= 1.5 * 50
    assert status["traffic_days"] == pytest.approx(2, abs=0.1)


def test_other_heads_go_on_with_what_was_seen(rules: RuleSet, scored: Detections) -> None:
    """The same packs adapted anew keep their tail in the new scores; thresholds come at once."""
    adapter = Adapter(1024, alerts_per_day=50.0, seed=0)
    end = show(adapter, scored, 48)
    before = adapter.thresholds(rules)
    assert before is not None
    model = rules.model
    assert isinstance(model, Model)
    doubled = rules.heads * np.float32(2.0)
    other = replace(rules, heads=doubled, thresholds=rules.thresholds * np.float32(2.0))
    scores, _ = model.score(model.select(scored.features), doubled)
    assert adapter.thresholds(other) is None
    show(adapter, replace(scored, rules=other, scores=scores), 0.1, begin=end, seed=1)
    after = adapter.thresholds(other)
    assert after is not None
    np.testing.assert_allclose(after[:4], 2 * before[:4], atol=0.15)


def test_a_restart_goes_on_where_it_was(rules: RuleSet, scored: Detections) -> None:
    """Background, tail and clock are those of before; heads made anew of the same files fit."""
    adapter = Adapter(1024, alerts_per_day=50.0, seed=0)
    end = show(adapter, scored, 30)
    expected = adapter.thresholds(rules)
    kept = adapter.save()
    other = Adapter(1024, alerts_per_day=50.0, seed=1)
    other.load(kept)
    np.testing.assert_array_equal(other.recent(rules.model), adapter.recent(rules.model))
    assert other.status()["traffic_days"] == adapter.status()["traffic_days"]
    assert other.status()["drift"] == adapter.status()["drift"] == "watching"
    anew = replace(rules, heads=rules.heads.copy())
    show(other, replace(scored, rules=anew), 1 / 60, begin=end + DAY, seed=1)
    found = other.thresholds(anew)
    assert found is not None
    assert expected is not None
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_what_is_no_state_is_refused_and_nothing_of_it_taken(
    rules: RuleSet, scored: Detections
) -> None:
    """Damage anywhere leaves the adapter as it was."""
    adapter = Adapter(512, alerts_per_day=5.0, seed=0)
    show(adapter, scored, 0.5)
    kept = adapter.save()
    before = adapter.recent(rules.model)
    for content in (b"", kept[:-1], kept[:200] + b"\0" + kept[201:], kept + b"\0"):
        with pytest.raises(StateError):
            adapter.load(content)
    np.testing.assert_array_equal(adapter.recent(rules.model), before)
    assert adapter.status()["traffic_days"] > 0


def test_a_drift_is_told_once_with_what_moved(rules: RuleSet, scored: Detections) -> None:
    """After a day and a half the plant's flows come instead: one notice, and a new background."""
    plant = read_network("plant-logs", "plant.labels.csv")
    detector = Detector(rules, Context())
    other = detector.detect(plant.flows.take(np.flatnonzero(plant.benign)))
    adapter = Adapter(1024, alerts_per_day=10.0, seed=0)
    end = show(adapter, scored, 36)
    assert not adapter.notices()
    assert adapter.background(rules.model) is not None
    assert not adapter.has_changed()
    show(adapter, other, 1.2, begin=end, seed=1)
    notices = adapter.notices()
    assert [notice.kind for notice in notices] == [NoticeKind.DRIFT]
    assert notices[0].moved
    assert 30 <= notices[0].seconds / 60 <= 65
    assert notices[0].moved[0].name in notices[0].text
    assert adapter.has_changed()
    assert not adapter.notices()


def test_a_pack_that_the_budget_silences_is_told(rules: RuleSet, scored: Detections) -> None:
    """Where benign flows score as high as the pack's own for days, one notice names the pack."""
    high = replace(scored, scores=scored.scores.copy())
    high.scores[:, 1] = 0.9 + 0.1 * np.random.default_rng(0).random(scored.batch.rows)
    adapter = Adapter(0, alerts_per_day=4.0, seed=0)
    show(adapter, high, 5)
    assert adapter.thresholds(rules) is not None
    notices = adapter.notices()
    assert [(notice.kind, notice.pack) for notice in notices] == [
        (NoticeKind.BUDGET, "http-beacon")
    ]
    assert "http-beacon" in notices[0].text
    assert not adapter.notices()


def test_the_pack_unknown_gets_a_shape_and_a_threshold(
    rules: RuleSet, scored: Detections, office: Network
) -> None:
    """Silent until a day was seen; then its threshold follows its own budget, others stay."""
    adapter = Adapter(1024, unknown_per_day=5.0, seed=0)
    extended = adapter.extend(rules)
    assert has_unknown(extended)
    assert adapter.extend(extended) is extended
    column = len(extended.packs) - 1
    quiet = replace(scored, rules=extended)
    end = show(adapter, quiet, 2)
    found = adapter.thresholds(extended)
    assert found is None or np.isinf(found[column])
    show(adapter, quiet, 40, begin=end, seed=1)
    thresholds = adapter.thresholds(extended)
    assert thresholds is not None
    assert 0 < thresholds[column] < np.inf
    np.testing.assert_array_equal(thresholds[:column], rules.thresholds[:column])
    in_force = extended.with_thresholds(thresholds, BUDGET)
    benign = adapter.score(replace(scored, rules=in_force))
    assert (benign.packs == column).sum() < 0.01 * scored.batch.rows
    threat = Detector(in_force, Context()).detect(office.flows.take(office.of("ssh_bruteforce")))
    distance = adapter.score(threat).scores[:, column]
    assert np.median(distance) > np.quantile(benign.scores[:, column], 0.9)


def test_absent_times_and_hosts_break_nothing(rules: RuleSet) -> None:
    """Flows with neither `ts` nor addresses are counted by the agent's clock, as of one host."""
    rows = [flow("C1"), flow("C2")]
    for row in rows:
        for name in ("ts", "id.orig_h", "id.resp_h"):
            del row[name]
    found = detections(rows, [[0.5], [0.5]], rules)
    wide = replace(found, features=np.zeros((2, WIDTH), np.float32))
    adapter = Adapter(16, alerts_per_day=5.0, seed=0)
    for minute in range(20):
        adapter.observe(wide, BEGIN + minute * MINUTE)
    assert adapter.status()["background"]["hosts"] == 1
    assert adapter.status()["traffic_days"] == pytest.approx(19 / 1440, abs=1e-3)


def test_traffic_time_leaves_gaps_out() -> None:
    """A week off, a clock set back and one flow from the future do not age what is known."""
    clock = TrafficClock()
    clock.advance(np.array([BEGIN]))
    assert clock.advance(np.array([BEGIN + MINUTE])) == MINUTE
    assert clock.advance(np.array([BEGIN + 7 * DAY])) == MINUTE + MAX_GAP
    assert clock.advance(np.array([BEGIN])) == MINUTE + MAX_GAP
    assert clock.advance(np.array([BEGIN + MINUTE])) == 2 * MINUTE + MAX_GAP
    late = np.array([BEGIN + 2 * MINUTE, BEGIN + 2 * MINUTE, 2**62])
    assert clock.advance(late) == 3 * MINUTE + MAX_GAP


def test_realised_is_of_the_last_day() -> None:
    """Alerts of the last 24 hours of traffic; at the start, of what was seen."""
    raised = Raised()
    assert raised.rate(0) == 0.0
    for hour in range(72):
        raised.add(1 if hour < 48 else 3, hour * HOUR)
        if hour == 5:
            assert raised.rate(6 * HOUR) == pytest.approx(24)
    assert raised.rate(71 * HOUR) == pytest.approx(72)


def test_realised_counts_the_quiet_before_the_first_alert() -> None:
    """One alert after twenty hours is little more than one a day; so after a restart."""
    raised = Raised()
    raised.watch(0)
    raised.add(1, 20 * HOUR)
    assert raised.rate(20 * HOUR) == pytest.approx(1.2)
    again = Raised(100 * HOUR)
    again.add(1, 110 * HOUR)
    assert again.rate(110 * HOUR) == pytest.approx(2.4)


def test_new_rules_have_the_budget_before_their_first_batch(
    rules: RuleSet, scored: Detections
) -> None:
    """`extend` is enough: no batch of theirs is judged by the packs' own thresholds."""
    adapter = Adapter(1024, alerts_per_day=50.0, seed=0)
    show(adapter, scored, 48)
    before = adapter.thresholds(rules)
    assert before is not None
    fresh = adapter.extend(replace(rules, heads=rules.heads.copy()))
    after = adapter.thresholds(fresh)
    assert after is not None
    np.testing.assert_allclose(after[:4], before[:4], atol=1e-6)
    assert (after[:4] < rules.thresholds[:4]).all()


def test_unchanged_heads_keep_their_tail_without_any_background(
    rules: RuleSet, scored: Detections
) -> None:
    """No flows are at hand to fit a map to, and none is needed."""
    adapter = Adapter(0, alerts_per_day=50.0, seed=0)
    show(adapter, scored, 48)
    before = adapter.thresholds(rules)
    assert before is not None
    fresh = adapter.extend(replace(rules, heads=rules.heads.copy()))
    after = adapter.thresholds(fresh)
    assert after is not None
    np.testing.assert_array_equal(after, before)
    again = Adapter(0, alerts_per_day=50.0, seed=0)
    again.load(adapter.save())
    restarted = again.thresholds(again.extend(rules))
    assert restarted is not None
    np.testing.assert_array_equal(restarted, before)


def test_unknown_goes_on_after_a_restart(rules: RuleSet, scored: Detections) -> None:
    """Its scores are distances, before the restart and after it."""
    adapter = Adapter(1024, 0.2, 50.0, 10.0, seed=0)
    extended = adapter.extend(rules)
    show(adapter, replace(scored, rules=extended), 48)
    before = adapter.thresholds(extended)
    assert before is not None
    own = len(extended.packs) - 1
    assert np.isfinite(before[own])
    again = Adapter(1024, 0.2, 50.0, 10.0, seed=0)
    again.load(adapter.save())
    restarted = again.thresholds(again.extend(rules))
    assert restarted is not None
    assert restarted[own] == pytest.approx(before[own], rel=0.2)


def test_a_batch_of_a_model_that_was_not_adopted_stays_as_it_is(
    rules: RuleSet, scored: Detections
) -> None:
    """Its embeddings are of another space, of another width perhaps."""
    adapter = Adapter(1024, 0.2, 0.0, 10.0, seed=0)
    extended = adapter.extend(rules)
    show(adapter, replace(scored, rules=extended), 2)
    other = replace(extended, model=Model(shipped_model()))
    strange = replace(scored, rules=other, embedding=scored.embedding[:, :50])
    assert adapter.score(strange) is strange


def test_prepared_rules_come_with_the_budget(rules: RuleSet, scored: Detections) -> None:
    """What `prepare` gives is what `extend` alone would have given, and is gone on with."""
    adapter = Adapter(1024, 0.2, 50.0, 10.0, seed=0)
    extended = adapter.extend(rules)
    end = show(adapter, replace(scored, rules=extended), 48)
    adapter.thresholds(extended)
    kept = adapter.save()
    model = rules.model
    assert isinstance(model, Model)
    other = replace(rules, heads=rules.heads * np.float32(2.0), thresholds=2 * rules.thresholds)
    found = []
    for is_prepared in (False, True):
        adapter = Adapter(1024, 0.2, 50.0, 10.0, seed=0)
        adapter.load(kept)
        adapter.extend(rules)
        ready = adapter.prepare(other) if is_prepared else other
        assert (ready.threshold_source == BUDGET) is is_prepared
        ready = adapter.extend(ready)
        thresholds = ready.thresholds if is_prepared else adapter.thresholds(ready)
        assert thresholds is not None
        found.append(thresholds)
        assert adapter.thresholds(ready) is None
        scores, embedding = model.score(model.select(scored.features), ready.heads)
        seen = replace(scored, rules=ready, scores=scores, embedding=embedding)
        show(adapter, seen, 0.2, begin=end, seed=1)
        assert adapter.thresholds(ready) is not None
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)


def test_a_drift_between_prepare_and_extend_counts(rules: RuleSet, scored: Detections) -> None:
    """What was forgotten stays forgotten: own thresholds are in force again for an hour."""
    adapter = Adapter(1024, alerts_per_day=50.0, seed=0)
    end = show(adapter, scored, 48)
    other = replace(rules, heads=rules.heads.copy())
    ready = adapter.prepare(other)
    assert (ready.thresholds[:4] < rules.thresholds[:4]).all()
    adapter._budgeting.forget(adapter._clock.now, adapter._clock.now)  # as a drift does
    adapter.extend(ready)
    show(adapter, replace(scored, rules=ready), 0.1, begin=end, seed=1)
    thresholds = adapter.thresholds(ready)
    assert thresholds is not None
    np.testing.assert_array_equal(thresholds[:4], rules.thresholds[:4])
