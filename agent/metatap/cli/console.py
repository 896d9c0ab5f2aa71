"""Standard output for people: plain text and tables, whatever a value of the wire contains."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

WIDTH = 100
"""Columns where standard output is no terminal."""

WHOLE = frozenset({"id", "uid", "its uid", "alert", "raised"})
"""Columns that are never wrapped."""


def console(width: int = WIDTH) -> Console:
    """Standard output; so many columns wide where that is no terminal."""
    known = None if sys.stdout.isatty() else width
    return Console(width=known, highlight=False, markup=False, emoji=False)


def table(columns: Sequence[str], right: Sequence[str] = ()) -> Table:
    """An empty table; the columns of `right` are numbers."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        whole = name in WHOLE
        made.add_column(name, justify="right" if name in right else "left", no_wrap=whole)
    return made


def show_table(out: Console, title: str, made: Table) -> None:
    """Print a table under its title, which is not wrapped to the table's width."""
    out.print(title, soft_wrap=True)
    out.print(made)
