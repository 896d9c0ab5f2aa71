"""What one counter-example costs packs of five flows, and which of them are refused.

Packs of flows of the lab's office, held against the branch's recording; where one errs, its first
false alarm becomes a counter-example. `python -m tests.agent.offline.counter_lab FAMILY PACKS`
prints the figures of docs/explain.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from metatap.alerts import Aggregator, Alert, AlertKind, encode_ecs
from metatap.context import Context
from metatap.demo import read_labels
from metatap.detector import Detections, Model, RuleSet, make_ready, shipped_model
from metatap.features import encode
from metatap.flow import FlowBatch, concat
from metatap.offline.pack_cost import cost_of, spared
from metatap.offline.pack_trial import Trial
from metatap.offline.stream import flows, open_sources
from metatap.offline.uids import uid_texts
from metatap.packs import Pack, Severity
from metatap.state.stored import Judgement, Stored, Verdict, row_of, stored_of

ROOT = Path(__file__).parents[3]
LAB = ROOT / "tests" / "data" / "lab"
DATA = ROOT / "agent" / "metatap" / "demo" / "data"

FLOWS = 5
RATE = 1e-4
SEED = 7


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """One recording, its labels and contexts.

    Attributes:
        batch: n flows.
        context: float32 [n, C].
        family: What each flow is.
        hostile: bool [n], it is a threat.
    """

    batch: FlowBatch
    context: npt.NDArray[np.float32]
    family: npt.NDArray[np.str_]
    hostile: npt.NDArray[np.bool_]

    @classmethod
    def read(cls, source: Path, labels: Path) -> Network:
        """A recording or logs and the CSV of their labels."""
        parts = list(flows(open_sources([str(source)]), Context(1 << 18)))
        batch, known = concat([batch for batch, _ in parts]), read_labels(labels)
        found = [known[uid] for uid in uid_texts(batch)]
        return cls(
            batch,
            np.concatenate([context for _, context in parts]),
            np.array([label.family for label in found]),
            np.array([label.label == "malicious" for label in found]),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """One pack that errs, and its first false alarm as counter-example.

    Attributes:
        before: Flows of the threat flagged without it.
        after: The same with it.
        unjudged: It is refused where nothing else is judged.
        true: It is refused where one alert is judged true.
        checked: The same with the recording as a source to check.
    """

    before: int
    after: int
    unjudged: bool
    true: bool
    checked: bool


def outcomes(family: str, packs: int) -> Iterator[Outcome]:
    """Of so many packs of random flows of a family, those that find it and err."""
    model, rng = Model(shipped_model()), np.random.default_rng(SEED)
    office = Network.read(LAB / "office-logs", LAB / "office.labels.csv")
    branch = Network.read(DATA / "branch.mtrec", DATA / "branch.labels.csv")
    own, features = np.flatnonzero(office.family == family), encode(branch.batch, branch.context)
    threat = branch.family == family
    for _ in range(packs):
        rows = np.sort(rng.choice(own, FLOWS, replace=False))
        pack = _pack(office, rows)
        before = make_ready(model, pack, RATE)
        rules = RuleSet.of_ready(model, [before])
        row_of_uid, opened = _opened(rules, features, branch)
        places = [row_of_uid[str(alert.flow["uid"])] for alert in opened]
        true = [alert for alert, at in zip(opened, places, strict=True) if threat[at]]
        false = [at for at in places if not branch.hostile[at]]
        if not (before.is_useful and true and false):
            continue
        index = np.array(false[:1])
        counter = branch.batch.take(index)
        edited = replace(pack, not_like=counter, not_like_context=branch.context[index])
        after = make_ready(model, edited, RATE)
        heads = model.stack([before.head, after.head])
        scores = model.score(model.select(features), heads)[0][:, :2]
        hits = scores >= np.array([before.threshold, after.threshold], np.float32)
        one, other = Trial(), Trial()
        for at, trial in enumerate((one, other)):
            trial.add(branch.batch, scores[:, at], hits[:, at])
        stay = spared([(one, other)])
        false_id = opened[places.index(false[0])].id
        judged = {false_id: Verdict.FALSE}
        both = judged | {true[0].id: Verdict.TRUE}
        refused = [
            bool(cost_of(model, before, after, _stored(opened, known), pairs).refusal())
            for known, pairs in ((judged, ()), (both, ()), (both, stay))
        ]
        flagged, left = hits[threat].sum(axis=0).tolist()
        yield Outcome(flagged, left, *refused)


def _pack(network: Network, rows: npt.NDArray[np.intp]) -> Pack:
    return Pack(
        id="drawn",
        name="Drawn",
        description="",
        author="",
        created=date(2026, 11, 28),
        severity=Severity.LOW,
        attack=(),
        references=(),
        flows=network.batch.take(rows),
        context=network.context[rows],
    )


def _opened(
    rules: RuleSet, features: npt.NDArray[np.float32], network: Network
) -> tuple[dict[str, int], list[Alert]]:
    """Row of each uid, and the alerts an agent raises in one window, with their features."""
    rows = {uid: row for row, uid in enumerate(uid_texts(network.batch))}
    scores = rules.model.score(rules.model.select(features), rules.heads)[0]
    hits, packs = np.nonzero(scores >= rules.thresholds)
    found = Detections(network.batch, rules, features, scores, hits, packs)
    return rows, [
        replace(alert, features=features[rows[str(alert.flow["uid"])]])
        for alert in Aggregator("lab", window=3600.0).add(found)
        if alert.kind is AlertKind.OPENED
    ]


def _stored(opened: Sequence[Alert], judged: dict[str, Verdict]) -> Iterator[Stored]:
    """The alerts as a history gives them."""
    for alert in opened:
        event, *values = row_of(alert, encode_ecs(alert))
        verdict = judged.get(alert.id)
        judgement = None if verdict is None else Judgement(verdict, 1, "")
        yield stored_of((values[0], event, *values[1:]), judgement)


def main(family: str, packs: int) -> None:
    """Print the figures."""
    found = list(outcomes(family, packs))
    for name, some in (
        ("lost", [one for one in found if not one.after]),
        ("not lost", [one for one in found if one.after]),
    ):
        refused = [sum(getattr(one, case) for one in some) for case in ("unjudged", "true")]
        checked = [one for one in some if one.checked]
        half = sum(2 * one.after < one.before for one in checked)
        click.echo(
            f"{family}, {name}: {len(some)} of {len(found)} that err; refused with nothing judged "
            f"{refused[0]}, one judged true {refused[1]}, with a source {len(checked)} "
            f"({half} lose more than half)"
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
