"""The counter-examples of `metatap feedback`: what they cost a pack, and writing them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from metatap.cli import say
from metatap.cli.console import console, show_table, table
from metatap.cli.model import learner
from metatap.cli.packs.scoring import score_sources
from metatap.detector import RuleSet, make_ready
from metatap.errors import PackError, TeachError
from metatap.features import encode
from metatap.offline.pack_cost import MOST, Cost, cost_of, spared
from metatap.offline.pack_edit import Edited, add_not_like, read_pack_file
from metatap.offline.pack_trial import Trial
from metatap.offline.past import examples_of
from metatap.offline.printable import printable
from metatap.offline.teach import draft_pack
from metatap.offline.teach_sample import Examples
from metatap.packs import Pack, load_folder
from metatap.packs.signature import signature_path
from metatap.runtime.settings import Config
from metatap.runtime.shipped import shipped_packs
from metatap.state.history import AlertHistory
from metatap.state.history_read import Judged, Wanted
from metatap.state.stored import Stored

_KINDS = {
    Judged.TRUE: "raises of alerts judged true",
    Judged.FALSE: "raises of alerts judged false",
    Judged.NONE: "raises of alerts not judged",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A pack with more counter-examples, not written yet.

    Attributes:
        pack: The pack as it is.
        edited: With the flows of the alerts.
        examples: These flows.
        out: The file it goes to.
    """

    pack: Pack
    edited: Edited
    examples: Examples
    out: Path

    @property
    def is_one(self) -> bool:
        """Whether it is one counter-example."""
        return self.examples.flows.rows == 1


def plan(config: Config, alerts: Sequence[Stored], into: Path | None) -> Change:
    """The pack of some alerts with their flows as counter-examples.

    Args:
        config: Says where the packs are.
        alerts: One or more, of one pack.
        into: Folder the pack is copied to; a copy that is there is changed. None: it is changed
            where it is.

    Raises:
        PackError: there is no such pack, or it can't be read.
        TeachError: it can't take the flows; says why.
    """
    source = _pack_path(config, alerts[0].pack)
    out = source if into is None else into / source.name
    if into is not None and not into.is_dir():
        raise TeachError(f"{into}: no such folder")
    if out.exists():
        source = out
    pack, text = read_pack_file(source)
    if pack.id != alerts[0].pack:
        raise TeachError(f"{source}: is pack {pack.id}, the alert is of pack {alerts[0].pack}")
    if any(alert.pack_sha256 != pack.sha256 for alert in alerts):
        say(f"{source}: has changed since the alert")
    examples = examples_of(alerts)
    return Change(pack, add_not_like(pack, text, examples), examples, out)


def weigh(config: Config, change: Change, history: AlertHistory, texts: Sequence[str]) -> Cost:
    """What a change costs, by the alerts of the past and by stored sources; prints it.

    Args:
        config: Says which model and which rate.
        change: The change.
        history: Alerts of the past.
        texts: Sources to score with the pack before and after.

    Raises:
        MetatapError: the model, the history or a source is unusable.
    """
    model, rate = learner(config), config.detector.false_positive_rate
    before, after = (make_ready(model, pack, rate) for pack in (change.pack, change.edited.pack))
    rules = RuleSet.of_ready(model, [before, after])
    trials = [_trial(rules, text, config) for text in texts]
    past = history.newest(Wanted(pack=change.pack.id))
    cost = cost_of(model, before, after, islice(past, MOST), spared(trials))
    _show(change, cost, [*zip(texts, trials, strict=True)])
    left_out = past.unreadable + cost.unscored
    if left_out:
        say(
            f"{left_out:,} alerts of the past are not among these: their rows are damaged, or of "
            "another version of this agent"
        )
    features = model.select(encode(change.examples.flows, change.examples.context))
    score = float(model.score(features, model.stack([after.head]))[0][:, 0].max())
    what = "its flow scores" if change.is_one else "their flows score at most"
    where = "under" if score < after.threshold else "still over"
    _print(f"{what} {score:.2f} then, {where} the threshold {after.threshold:.2f}")
    if not cost.refusal():
        for warning in cost.warnings():
            say(warning)
    return cost


def remedies(change: Change, alerts: Sequence[Stored], texts: Sequence[str]) -> list[str]:
    """What may help where counter-examples cost too much.

    Args:
        change: The change.
        alerts: The alerts it is of.
        texts: Sources that were scored.
    """
    pack, ids = change.pack.id, " ".join(alert.id[:8] for alert in alerts[:3])
    found = [
        f"more false alarms in one command: metatap feedback {ids} ID … --verdict false",
        f"verdicts on the others: metatap alerts --pack {pack} --verdict none",
        f"a rule instead: metatap suppress {alerts[0].id[:8]} --reason …",
    ]
    if not texts:
        source = "--check SOURCE, a recording or logs of that time"
        found.insert(1, f"{source}: whether most flows that came after are still flagged")
    return found


def check_writable(path: Path) -> None:
    """Check that a pack may be changed where it is.

    Raises:
        TeachError: it came with the agent, or its file can't be written.
    """
    is_shipped = path.resolve().parent == shipped_packs().resolve()
    if is_shipped or not os.access(path.parent, os.W_OK):
        why = "comes with the agent" if is_shipped else "its folder can't be written"
        raise TeachError(
            f"{path}: {why}, so it is not changed; --into FOLDER copies it into a folder of yours "
            "(the agent's `packs`) and changes the copy"
        )


def write(change: Change) -> None:
    """Write the changed pack, in one step, and say what became of comments and signature.

    Raises:
        TeachError: it can't be written as a pack.
    """
    with draft_pack(change.edited.pack, change.out, change.edited.text) as draft:
        draft.keep()
    out, counters = change.out, change.edited.pack.not_like
    counter = 0 if counters is None else counters.rows
    _print(f"{out}: {counter} counter-example{'' if counter == 1 else 's'}")
    if not change.edited.is_kept:
        say(f"{out}: written anew, without the comments it had")
    if signature_path(out).exists() or signature_path(change.pack.path).exists():
        say(f"{out}: a signature of it holds no more; `metatap packs sign` makes a new one")


def _pack_path(config: Config, pack_id: str) -> Path:
    """The file of a pack.

    Raises:
        PackError: it is not in the folder.
    """
    folder = config.packs or shipped_packs()
    found, errors = load_folder(folder)
    for pack in found:
        if pack.id == pack_id:
            return pack.path
    raise PackError(f"{folder}: has no pack {pack_id}", *(str(error) for error in errors))


def _trial(rules: RuleSet, text: str, config: Config) -> tuple[Trial, Trial]:
    """What two packs flag of one source."""
    one, other = score_sources(rules, [text], config)[0]
    return one, other


def _show(change: Change, cost: Cost, trials: Sequence[tuple[str, tuple[Trial, Trial]]]) -> None:
    what = "the counter-example" if change.is_one else "the counter-examples"
    made = table((f"pack {change.pack.id}", "before", "after"), ("before", "after"))
    for cells in _rows(cost, trials):
        made.add_row(*(printable(cell) for cell in cells))
    show_table(console(), f"What {what} would change, on the model's own background", made)


def _rows(
    cost: Cost, trials: Sequence[tuple[str, tuple[Trial, Trial]]]
) -> Iterator[tuple[str, str, str]]:
    one, other = cost.before, cost.after
    yield "threshold", f"{one.threshold:.2f}", f"{other.threshold:.2f}"
    own = len(one.support)
    yield (
        "recognises of its own flows, held out",
        f"{one.recognised} of {own}",
        f"{other.recognised} of {own}",
    )
    for kind, name in _KINDS.items():
        found = cost.raised[kind]
        if found.known:
            of = f"of {found.known:,}"
            yield name, f"{found.before:,} {of}", f"{found.after:,} {of}"
    for text, (first, second) in trials:
        of = f"of {first.flows:,}"
        yield f"flags on {text}", f"{first.hits:,} {of}", f"{second.hits:,} {of}"


def _print(text: str) -> None:
    console().print(printable(text), soft_wrap=True)
