"""Tables and foreign text in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*[]<>|"})


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of one line a row; what is in a cell stays in it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def plain(text: str) -> str:
    """Text on one line, without what Markdown or HTML would read."""
    return " ".join(text.translate(_MARKS).split())


def code(text: str) -> str:
    """Text as code, on one line."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "&#124;").replace("<", "&lt;").split())
