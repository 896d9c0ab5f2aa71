"""How far a reading has come, on a terminal; nothing where standard error is none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
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


class Meter:
    """A line on standard error: a bar and the time left, or a spinner where no size is known."""

    def __init__(self, what: str, sources: Sequence[Source]) -> None:
        """Show nothing yet.

        Args:
            what: Word for what is done.
            sources: What is read; those that know their size have `bytes_total` and `bytes_read`.
        """
        self._sources = sources
        self._flows = 0
        total = self._sum("bytes_total")
        columns: list[ProgressColumn] = [TextColumn(what)]
        if total:
            columns += [BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
        else:
            columns += [SpinnerColumn(), TimeElapsedColumn()]
        columns.append(TextColumn("{task.fields[flows]:,} flows"))
        self._progress = Progress(
            *columns,
            console=Console(stderr=True),
            transient=True,
            disable=not (sys.stderr and sys.stderr.isatty()),
        )
        self._task = self._progress.add_task(what, total=total or None, flows=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(self, flows: int) -> None:
        """So many flows more were read."""
        self._flows += flows
        if not self._progress.disable:
            read = self._sum("bytes_read")
            self._progress.update(self._task, completed=read, flows=self._flows)

    def _sum(self, name: str) -> int:
        return sum(int(getattr(source, name, 0)) for source in self._sources)
