"""From uids to a pack file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from metatap.errors import PackError, TeachError
from metatap.flow import FlowBatch, from_rows
from metatap.offline.teach_pick import FloatArray, Picked, pick
from metatap.packs import Pack, Severity, dump_pack, load_pack, parse_pack
from metatap.packs.flows import MAX_FLOWS
from metatap.packs.load import SUFFIXES

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
    if not lesson.uids:
        faults.append("no uid is given: a pack needs 1 to 64 flows")
    for what, uids in (("support flows", lesson.uids), ("counter-examples", lesson.not_like)):
        if len(uids) > MAX_FLOWS:
            faults.append(f"{len(uids)} uids of {what}, at most {MAX_FLOWS}")
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


def make_pack(
    lesson: Lesson, stream: Iterable[tuple[FlowBatch, FloatArray]]
) -> tuple[Pack, Picked]:
    """Read a stream to its end and make the pack of the flows that were asked for.

    Args:
        lesson: Checked by `check_lesson`.
        stream: Batches of n flows with their contexts, float32 [n, C].

    Returns:
        The pack, and what was picked: support flows, then counter-examples.

    Raises:
        TeachError: a uid is not there.
    """
    picked = pick(stream, (*lesson.uids, *lesson.not_like))
    own = np.arange(len(lesson.uids))
    other = np.arange(len(lesson.uids), picked.flows.rows)
    pack = replace(lesson.pack(picked.flows.take(own)), context=picked.context[own])
    if lesson.not_like:
        counter = picked.flows.take(other)
        pack = replace(pack, not_like=counter, not_like_context=picked.context[other])
    return pack, picked


@dataclass(frozen=True, slots=True)
class Draft:
    """A pack in a temporary file.

    Attributes:
        pack: As the agent will read it; its path is the one it will have.
    """

    pack: Pack
    _file: Path

    def keep(self) -> None:
        """Give the file its name, in one step: at no time is there half a file."""
        self._file.replace(self.pack.path)


@contextmanager
def draft_pack(pack: Pack, out: Path) -> Iterator[Draft]:
    """Write a pack to a temporary file, which is removed unless the draft is kept.

    Args:
        pack: The pack.
        out: Name it has once it is kept.

    Raises:
        TeachError: what was made is no valid pack.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(dump_pack(pack))
            file.flush()
            os.fsync(file.fileno())
        try:
            written = load_pack(temporary)
        except PackError as error:
            raise TeachError("\n".join(_without_place(error))) from None
        yield Draft(replace(written, path=out), temporary)
    finally:
        temporary.unlink(missing_ok=True)


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
