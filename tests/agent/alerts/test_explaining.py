"""metatap.alerts.explaining."""

from __future__ import annotations

import json

import pytest
from tests.agent.alerts.scored import (
    ALIKE,
    EXPLANATION,
    SCAN,
    SSH,
    Clocks,
    alike,
    detections,
    flow,
    rules,
)

from metatap.alerts import Aggregator, encode_ecs
from metatap.alerts.explaining import Explainer, nearest
from metatap.detector import Detections, Detector, Explanation, Model, RuleSet, shipped_model
from metatap.detector.explain import explain
from metatap.detector.explanation import NOTHING_KNOWN
from metatap.errors import ModelError
from metatap.packs import load_folder
from metatap.runtime.build import shipped_packs


class Slow:
    """Explanations that take 100 ms each, and an aggregator that asks for them."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.aggregator = Aggregator(
            "tap-1",
            self.explain,
            alike,
            clock=self.clocks.clock,
            monotonic=self.clocks.monotonic,
        )
        self._pairs = 0

    def explain(self, _detections: Detections, _row: int, _pack: int) -> Explanation:
        """Take 100 ms."""
        self.clocks.wait(0.1)
        return EXPLANATION

    def explained(self, pairs: int, batches: int = 1) -> int:
        """How many of the alerts of so many new pairs in each of some batches are explained."""
        found = 0
        for _ in range(batches):
            self._pairs += pairs
            rows = [
                flow(f"C{at}", id__orig_h=f"10.0.{at >> 8}.{at & 255}")
                for at in range(self._pairs - pairs, self._pairs)
            ]
            alerts = self.aggregator.add(detections(rows))
            assert len(alerts) == pairs
            assert all(alert.explanation in (EXPLANATION, ALIKE) for alert in alerts)
            found += sum(alert.explanation is EXPLANATION for alert in alerts)
        return found


@pytest.mark.parametrize(("pairs", "batches"), [(100, 1), (1, 100), (7, 14)])
def test_a_burst_is_explained_in_part(pairs: int, batches: int) -> None:
    """Half a second goes into it, by the clock and not by the batch; the rest is counted.

    Every alert says what it is most like.
    """
    slow = Slow()
    assert slow.explained(pairs, batches) == 6
    assert slow.aggregator.unexplained == pairs * batches - 6


def test_a_share_of_the_time_goes_into_explanations() -> None:
    """After a burst, five seconds in a hundred; a quiet hour saves up half a second only."""
    slow = Slow()
    slow.explained(100)
    explained = 0
    for _ in range(50):
        slow.clocks.wait(1)
        explained += slow.explained(20)
    assert 20 <= explained <= 30
    slow.clocks.wait(3600)
    assert slow.explained(100) == 6


def test_one_alert_of_a_pack_is_always_explained() -> None:
    """However busy it is, the first alert of each pack, and one a minute, says why."""
    clocks = Clocks()
    spent = 10.0

    def explain_slowly(_detections: Detections, _row: int, _pack: int) -> Explanation:
        clocks.wait(spent)
        return EXPLANATION

    explainer = Explainer(explain_slowly, alike, clocks.monotonic)
    scored = detections([flow("C1")], [[2.0, 2.0]], rules(SSH, SCAN))
    assert explainer.explain(scored, [(0, 0), (0, 1)]) == dict.fromkeys(
        [(0, 0), (0, 1)], EXPLANATION
    )
    assert explainer.explain(scored, [(0, 0)]) == {(0, 0): ALIKE}
    clocks.wait(60)
    spent = 100.0
    assert explainer.explain(scored, [(0, 1)]) == {(0, 1): EXPLANATION}
    assert explainer.unexplained == 1


def test_what_is_most_alike_is_what_a_whole_explanation_says() -> None:
    """For several flows at once, with the shipped model and packs."""
    packs, _ = load_folder(shipped_packs())
    ruleset = RuleSet.build(Model(shipped_model()), packs, 1e-4)
    flows = ruleset.packs[-1].flows
    scored = Detector(ruleset).detect(flows)
    hits = [(row, pack) for row in range(min(flows.rows, 3)) for pack in range(len(packs))]
    for hit, found in zip(hits, nearest(scored, hits), strict=True):
        whole = explain(scored, *hit)
        assert (found.nearest_index, found.nearest_uid) == (whole.nearest_index, whole.nearest_uid)
        assert found.nearest_distance == pytest.approx(whole.nearest_distance, abs=1e-3)
        assert found.reasons == ()


def test_a_model_that_fails_costs_the_explanation_only() -> None:
    """If a hit can't be explained, its alert comes all the same, and that is counted."""

    def broken(_detections: Detections, _row: int, _pack: int) -> Explanation:
        raise ModelError("out of memory")

    aggregator = Aggregator("tap-1", broken, alike)
    (alert,) = aggregator.add(detections([flow("C1")]))
    assert alert.explanation == NOTHING_KNOWN
    assert aggregator.unexplained == 1
    document = json.loads(encode_ecs(alert))
    assert "nearest" not in document["metatap"]
    assert "example" not in document["message"]
