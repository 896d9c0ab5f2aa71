"""From uids, queries and alerts to a pack file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from metatap.errors import PackError, TeachError
from metatap.flow import FlowBatch, from_rows
from metatap.offline.query import Query
from metatap.offline.teach_pick import FloatArray, Matched, Picked, pick
from metatap.offline.teach_sample import NO_EXAMPLES, Examples, Matches, joined, watched
from metatap.offline.uids import uid_texts
from metatap.packs import Pack, Severity, dump_pack, load_pack, parse_pack
from metatap.packs.flows import MAX_FLOWS
from metatap.packs.load import SUFFIXES
from metatap.writing import PartFile

SHOWN = 8
"""Uids named in a message, at most."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a person says of a threat.

    Attributes:
        id: Of the pack, as `name`, `description`, `author`, `created`, `severity`, `attack` and
            `references`.
        uids: Of the support flows.
        not_like: Of the counter-examples.
        where: Picks further support flows from the stream, where there is room.
        not_where: The same of counter-examples.
        alerts: Further support flows, which are not in the stream.
        not_alerts: The same of counter-examples.
        most: Support flows, and counter-examples, at most.
    """

    id: str
    name: str
    description: str
    author: str
    created: date
    severity: Severity
    attack: tuple[str, ...]
    references: tuple[str, ...]
    uids: tuple[str, ...]
    not_like: tuple[str, ...] = ()
    where: Query | None = None
    not_where: Query | None = None
    alerts: Examples = NO_EXAMPLES
    not_alerts: Examples = NO_EXAMPLES
    most: int = MAX_FLOWS

    @property
    def is_from_stream(self) -> bool:
        """Whether flows of a stream are asked for."""
        return bool(self.uids or self.not_like or self.where or self.not_where)

    def pack(self, flows: FlowBatch) -> Pack:
        """The pack with these support flows, without contexts and counter-examples."""
        return Pack(
            id=self.id,
            name=self.name,
            description=self.description,
            author=self.author,
            created=self.created,
            severity=self.severity,
            attack=self.attack,
            references=self.references,
            flows=flows,
        )


def check_lesson(lesson: Lesson) -> None:
    """Check what can be checked before anything is read.

    Raises:
        TeachError: a pack of this can't be written; names every fault.
    """
    faults = _head_faults(lesson)
    if not (lesson.uids or lesson.where or lesson.alerts.flows.rows):
        faults.append("no uid is given, no query and no alert: a pack needs 1 to 64 flows")
    for what, uids, alerts, query in (
        ("support flows", lesson.uids, lesson.alerts, lesson.where),
        ("counter-examples", lesson.not_like, lesson.not_alerts, lesson.not_where),
    ):
        if len(uids) > MAX_FLOWS:
            faults.append(f"{len(uids)} uids of {what}, at most {MAX_FLOWS}")
        elif (named := len(uids) + alerts.flows.rows) > MAX_FLOWS:
            faults.append(f"{named} uids and alerts of {what}, at most {MAX_FLOWS}")
        elif query is not None and named >= lesson.most:
            faults.append(f"{named} {what} are named: no room for those of a query")
    both = [uid for uid in lesson.uids if uid in lesson.not_like]
    if both:
        more = f" and {len(both) - SHOWN} more" if len(both) > SHOWN else ""
        faults.append(
            f"given as support flow and as counter-example: uid {', '.join(both[:SHOWN])}{more}"
        )
    if faults:
        raise TeachError("\n".join(faults))


def check_out(out: Path, *, force: bool) -> None:
    """Check that the pack file can be written.

    Raises:
        TeachError: it exists and may not be replaced, its folder does not, or the agent would not
            read a file of that name.
    """
    if out.suffix not in SUFFIXES or out.name.startswith((".", "#")):
        raise TeachError(f"{out}: the agent reads packs from visible files, *.yaml or *.yml")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise TeachError(f"{out}: not a file in a folder that exists")
    if out.exists() and not force:
        raise TeachError(f"{out}: exists; --force replaces it")


Choose = Callable[[Examples, int], Examples]
"""(flows, number) → at most so many of them."""


def first_ones(flows: Examples, number: int) -> Examples:
    """The first of some flows, in their order."""
    return flows.take(np.arange(min(flows.flows.rows, number)))


def make_pack(
    lesson: Lesson, stream: Iterable[tuple[FlowBatch, FloatArray]], choose: Choose = first_ones
) -> tuple[Pack, Picked]:
    """Read a stream to its end and make the pack of the flows that were asked for.

    Args:
        lesson: Checked by `check_lesson`.
        stream: Batches of n flows with their contexts, float32 [n, C].
        choose: Says which of the flows that a query found are taken, if there are too many.

    Returns:
        The pack, and what was picked: support flows, then counter-examples.

    Raises:
        TeachError: a uid is not there, a query found nothing, or a flow is both.
    """
    support = None if lesson.where is None else Matches(lesson.where)
    counter = None if lesson.not_where is None else Matches(lesson.not_where)
    picked = pick(watched(stream, support, counter), (*lesson.uids, *lesson.not_like))
    named = Examples(picked.flows, picked.context)
    own = named.take(np.arange(len(lesson.uids)))
    other = named.take(np.arange(len(lesson.uids), picked.flows.rows))
    own, matched = _gathered([own, lesson.alerts], support, choose, lesson.most, picked.seen)
    other, not_matched = _gathered(
        [other, lesson.not_alerts], counter, choose, lesson.most, picked.seen
    )
    _check_apart(own.flows, other.flows)
    pack = replace(lesson.pack(own.flows), context=own.context)
    if other.flows.rows:
        pack = replace(pack, not_like=other.flows, not_like_context=other.context)
    every = joined([own, other])
    picked = replace(picked, flows=every.flows, context=every.context)
    return pack, replace(picked, matched=matched, not_matched=not_matched)


def _gathered(
    parts: list[Examples], matches: Matches | None, choose: Choose, most: int, seen: int
) -> tuple[Examples, Matched | None]:
    """Flows named and found, each uid once; of those found as many as there is room for."""
    named = _each_once(joined(parts))
    if matches is None:
        return named, None
    if not matches.found:
        raise TeachError(f"no flow of {seen:,} matches: {matches.query.text}")
    found = _each_once(matches.examples(), frozenset(uid_texts(named.flows)))
    taken = choose(found, max(most - named.flows.rows, 0))
    return joined([named, taken]), Matched(matches.query.text, matches.found, taken.flows.rows)


def _each_once(examples: Examples, without: frozenset[str] = frozenset()) -> Examples:
    """The flows whose uids are not among some others, of several with one uid the first."""
    if not examples.flows.rows:
        return examples
    seen = set(without)
    kept: list[int] = []
    for row, uid in enumerate(uid_texts(examples.flows)):
        if not uid or uid not in seen:
            kept.append(row)
        seen.add(uid)
    return examples.take(np.array(kept, np.intp))


def _check_apart(own: FlowBatch, other: FlowBatch) -> None:
    if not other.rows:
        return
    both = sorted({uid for uid in uid_texts(own) if uid} & set(uid_texts(other)))
    if both:
        more = f" and {len(both) - SHOWN} more" if len(both) > SHOWN else ""
        raise TeachError(
            f"given as support flow and as counter-example: uid {', '.join(both[:SHOWN])}{more}"
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A pack in a temporary file.

    Attributes:
        pack: As the agent will read it; its path is the one it will have.
    """

    pack: Pack
    _file: PartFile

    def keep(self) -> None:
        """Give the file its name, in one step: at no time is there half a file."""
        self._file.end(whole=True)


@contextmanager
def draft_pack(pack: Pack, out: Path, text: str | None = None) -> Iterator[Draft]:
    """Write a pack to a temporary file, which is removed unless the draft is kept.

    Args:
        pack: The pack.
        out: Name it has once it is kept.
        text: The file's text; None: that of `dump_pack`.

    Raises:
        TeachError: what was made is no valid pack.
    """
    file = PartFile(out)
    try:
        file.part.write_text(dump_pack(pack) if text is None else text, encoding="utf-8")
        try:
            written = load_pack(file.part)
        except PackError as error:
            raise TeachError("\n".join(_without_place(error))) from None
        yield Draft(replace(written, path=out), file)
    finally:
        file.end(whole=False)


def _head_faults(lesson: Lesson) -> list[str]:
    texts = {
        "id": lesson.id,
        "name": lesson.name,
        "description": lesson.description,
        "author": lesson.author,
        "attack": "".join(lesson.attack),
        "reference": "".join(lesson.references),
    }
    faults = [f"{name}: is not UTF-8" for name, text in texts.items() if not _is_utf8(text)]
    if faults:
        return faults
    text = dump_pack(lesson.pack(from_rows([{"proto": "tcp"}])))
    try:
        parse_pack(text.encode(), "pack")
    except PackError as error:
        return _without_place(error)
    return []


def _is_utf8(text: str) -> bool:
    """False for bytes of a command line that were no UTF-8: Python keeps them as surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _without_place(error: PackError) -> list[str]:
    """The faults of a file that nobody sees: without its name and lines."""
    return [fault.partition(": ")[2] for fault in error.faults]
