"""metatap.offline.pack_cost: what a change of a pack takes away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.agent.alerts.page import example_alert
from tests.agent.offline.counter_lab import outcomes

from metatap.alerts import encode_ecs
from metatap.detector import Model, Ready, make_ready, shipped_model
from metatap.features import encode
from metatap.offline.pack_cost import Cost, Raised, cost_of, pair_of, spared
from metatap.offline.pack_trial import Pair, Trial
from metatap.packs import Fault, load_pack
from metatap.runtime.shipped import shipped_packs
from metatap.state.history_read import Judged
from metatap.state.stored import Judgement, Stored, Verdict, row_of, stored_of


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(shipped_model())


@pytest.fixture(scope="module")
def ready(model: Model) -> Ready:
    return make_ready(model, load_pack(shipped_packs() / "ssh-bruteforce.yaml"), 1e-4)


def stored(ready: Ready, verdicts: list[Verdict | None]) -> Iterator[Stored]:
    """Alerts whose flows are those of a pack, in order, as often as it takes."""
    every = encode(ready.pack.flows, ready.pack.context)
    for at, verdict in enumerate(verdicts):
        alert = replace(example_alert(), id=f"{at:032x}", features=every[at % len(every)])
        row = row_of(alert, encode_ecs(alert))
        columns = (alert.id, *row[:1], *row[2:])
        judgement = None if verdict is None else Judgement(verdict, 1, "")
        yield stored_of(columns, judgement)


def test_alerts_are_scored_before_and_after(model: Model, ready: Ready) -> None:
    """Counted by what people made of them; of those judged true the lost ones are named."""
    verdicts = [None, Verdict.TRUE, Verdict.FALSE, None] * 300
    own = model.score(ready.examples, model.stack([ready.head]))[0][:, 0]
    middle = replace(ready, threshold=float(np.median(own)))
    cost = cost_of(model, ready, middle, stored(ready, verdicts))
    hits = [own >= ready.threshold, own >= middle.threshold]
    raised = np.array([[hit[at % len(own)] for at in range(1200)] for hit in hits])
    for kind, places in ((Judged.NONE, [0, 3]), (Judged.TRUE, [1]), (Judged.FALSE, [2])):
        mine = raised[:, np.isin(np.arange(1200) % 4, places)]
        assert cost.raised[kind] == Raised(mine.shape[1], *mine.sum(axis=1).tolist())
    true = np.arange(1200) % 4 == 1
    lost = np.flatnonzero(true & raised[0] & ~raised[1])
    assert 0 < len(lost) < 300
    assert cost.lost == tuple(f"{at:032x}" for at in lost)
    assert f"alerts judged true: {len(lost)} of " in cost.refusal()
    assert cost.refusal().endswith(" …")


def test_alerts_without_features_are_counted_apart(model: Model, ready: Ready) -> None:
    """Those of an agent with other features; they are no reason for anything."""
    some = [replace(one, features=None) for one in stored(ready, [None] * 7)]
    cost = cost_of(model, ready, ready, some)
    assert (cost.unscored, cost.raised[Judged.NONE]) == (7, Raised())
    assert cost.refusal() == ""


@pytest.mark.parametrize(
    ("none", "true", "stay", "refusal", "warned"),
    [
        (Raised(9, 5, 0), Raised(), 0, "alerts that nobody judged: all 5 would go", 1),
        (Raised(9, 1, 0), Raised(), 0, "alerts that nobody judged: the only one would go", 1),
        (Raised(9, 5, 1), Raised(), 0, "", 0),
        (Raised(9, 5, 0), Raised(), 1, "", 0),
        (Raised(9, 5, 0), Raised(1, 1, 1), 0, "", 1),
        (Raised(9, 5, 0), Raised(1, 1, 0), 0, "", 1),
        (Raised(9, 5, 0), Raised(1, 0, 0), 0, "alerts that nobody judged: all 5 would go", 1),
        (Raised(9, 0, 0), Raised(), 0, "", 0),
    ],
)
def test_when_all_that_nobody_judged_goes(
    *, ready: Ready, none: Raised, true: Raised, stay: int, refusal: str, warned: int
) -> None:
    """It is refused unless an alert judged true, or the pair of one, stays: then it is a warning.

    An alert judged true that is raised no more and not among the lost ones is one whose pair stays.
    """
    raised = {Judged.NONE: none, Judged.TRUE: true, Judged.FALSE: Raised(1, 1, 0)}
    cost = Cost(ready, ready, raised, spared=stay)
    assert cost.refusal().startswith(refusal)
    assert bool(cost.refusal()) == bool(refusal)
    assert len([*cost.warnings()]) == warned


def test_a_pair_of_which_half_the_flows_stay_is_spared(model: Model, ready: Ready) -> None:
    """Its alert is lost by its first flow alone; a source that holds the others tells."""
    high = replace(ready, threshold=1e9)
    flow = example_alert().flow
    for left, stays in ((5, True), (4, False), (0, False)):
        before, after = (Trial(pairs={pair_of(flow): Pair(*pair_of(flow), n)}) for n in (10, left))
        pairs = spared([(before, after if left else Trial())])
        assert (pair_of(flow) in pairs) == stays
        cost = cost_of(model, ready, high, stored(ready, [Verdict.TRUE, None]), pairs)
        assert (len(cost.lost), cost.spared) == ((0, 1) if stays else (1, 0))
        assert (cost.refusal() == "") == stays


def test_more_false_alarms_are_a_warning(ready: Ready) -> None:
    """A threshold may fall by a counter-example."""
    raised = dict.fromkeys(Judged, Raised()) | {Judged.FALSE: Raised(9, 2, 5)}
    assert [*Cost(ready, ready, raised).warnings()] == [
        "alerts judged false: 3 more would be raised"
    ]


def test_an_unfit_pack_is_refused(ready: Ready) -> None:
    """As the agent would, in its words."""
    bad = replace(ready, fault=Fault.SUPPORT, reason="recognises 1 of its own 8 flows")
    cost = Cost(ready, bad, dict.fromkeys(Judged, Raised()))
    assert cost.refusal().startswith("the pack recognises 1 of its own 8 flows")


@pytest.mark.parametrize(("family", "packs"), [("http_beacon", 30), ("ssh_bruteforce", 15)])
def test_packs_that_would_lose_the_threat_are_refused(family: str, packs: int) -> None:
    """All of them; with a source to check, no other but what loses more than half of its flows."""
    found = list(outcomes(family, packs))
    assert found
    lost = [one for one in found if not one.after]
    assert bool(lost) == (family == "http_beacon")
    assert all(one.unjudged and one.true and one.checked for one in lost)
    assert all(2 * one.after < one.before for one in found if one.checked)
    assert any(one.true and not one.checked for one in found)
