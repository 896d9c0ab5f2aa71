"""What sections are made of: tables, figures and notes, without any HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from markupsafe import Markup

ABSENT = "–"


@dataclass(frozen=True)
class Value:
    """A cell of a table.

    Attributes:
        text: What it says.
        key: What it sorts by; the text if None.
        note: Small print beside it, such as an interval.
        kind: Classes of the style sheet.
        figure: A drawing in place of the text, which then describes it.
    """

    text: str
    key: float | None = None
    note: str = ""
    kind: str = ""
    figure: Markup = field(default_factory=Markup)


@dataclass(frozen=True)
class Table:
    """A table that sorts by a click on its head.

    Attributes:
        caption: What it shows.
        head: Names of columns.
        rows: Values, as many a row as the head has.
        strong: Rows to set apart, by index.
        filters: Columns that get a choice of values; any makes a search field as well.
        name: An id of its own, where it has filters.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    strong: frozenset[int] = frozenset()
    filters: tuple[str, ...] = ()
    name: str = ""

    def choices(self, column: str) -> tuple[str, ...]:
        """Distinct texts of a column, in the order of their keys."""
        at = self.head.index(column)
        found = {row[at].text: row[at].key for row in self.rows}
        return tuple(sorted(found, key=lambda text: (found[text] or 0.0, text)))


@dataclass(frozen=True)
class Chart:
    """A drawing.

    Attributes:
        title: What it shows.
        svg: The drawing.
    """

    title: str
    svg: Markup


@dataclass(frozen=True)
class Block:
    """A part of a section; what is empty is not shown.

    Attributes:
        title: Heading, or summary if folded.
        text: A paragraph.
        tables: Tables.
        charts: Drawings, side by side where there is room.
        legend: (class, name) of the charts' lines.
        folded: Whether it starts closed.
    """

    title: str = ""
    text: str = ""
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """What the navigation names.

    Attributes:
        name: Its id.
        title: Its heading.
        short: Its name in the navigation.
        blocks: Its parts; empty if it was not measured.
    """

    name: str
    title: str
    short: str
    blocks: tuple[Block, ...]


def text(value: str, kind: str = "") -> Value:
    """Words."""
    return Value(value, kind=kind)


def number(value: float, form: str = ".3f", note: str = "") -> Value:
    """A figure, right-aligned; a dash where it was not measured."""
    if math.isnan(value):
        return Value(ABSENT, -math.inf, kind="num absent")
    shown = "∞" if math.isinf(value) else format(value, form).replace("-", "−")
    return Value(shown, value, note, "num")


def count(value: int) -> Value:
    """A whole number."""
    return Value(f"{value:,}", float(value), kind="num")


def span(low: float, high: float, form: str = ".2f") -> str:
    """An interval as small print; empty where it was not measured."""
    return "" if math.isnan(low + high) else f"{low:{form}}–{high:{form}}"
