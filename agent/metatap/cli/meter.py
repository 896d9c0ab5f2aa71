"""How far a work has come, on a terminal; nothing where standard error is none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from metatap.sources import Source


class _Line:
    """A line on standard error: a bar and the time left, or a spinner where no size is known."""

    def __init__(self, what: str, total: int, *more: ProgressColumn) -> None:
        columns: list[ProgressColumn] = [TextColumn(what)]
        if total:
            columns += [BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
        else:
            columns += [SpinnerColumn(), TimeElapsedColumn()]
        self._progress = Progress(
            *columns,
            *more,
            console=Console(stderr=True),
            transient=True,
            disable=not (sys.stderr and sys.stderr.isatty()),
        )
        self._task = self._progress.add_task(what, total=total or None, flows=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class Rounds(_Line):
    """How many of so many equal steps are done."""

    def advance(self) -> None:
        """One more was done."""
        self._progress.advance(self._task)


class Meter(_Line):
    """How far sources were read, and how many flows that gave."""

    def __init__(self, what: str, sources: Sequence[Source]) -> None:
        """Show nothing yet.

        Args:
            what: Word for what is done.
            sources: What is read, if anything is; those that know their size have `bytes_total`
                and `bytes_read`.
        """
        self._sources = sources
        self._flows = 0
        flows = [TextColumn("{task.fields[flows]:,} flows")] if sources else []
        super().__init__(what, self._sum("bytes_total"), *flows)

    def advance(self, flows: int) -> None:
        """So many flows more were read."""
        self._flows += flows
        if not self._progress.disable:
            read = self._sum("bytes_read")
            self._progress.update(self._task, completed=read, flows=self._flows)

    def _sum(self, name: str) -> int:
        return sum(int(getattr(source, name, 0)) for source in self._sources)
