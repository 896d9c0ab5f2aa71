"""The benchmarks, in the order of the table, and the table itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks import machine
from benchmarks.harness import number, target
from benchmarks.result import Result, Row

NAMES: tuple[str, ...] = (
    "whole_path",
    "decode",
    "packs",
    "trees",
    "zeek_overhead",
    "soak",
    "latency",
    "idle",
    "overload",
    "shards",
    "startup",
    "stages",
    "context",
    "model",
    "adaptation",
    "hot_swap",
)
"""All of them; each is a module of this package."""

RATIOS: tuple[str, ...] = (
    "whole_path",
    "decode",
    "packs",
    "trees",
    "context",
    "model",
    "adaptation",
)
"""Those that give ratios within a few minutes: what a later state is compared by."""

BEGIN, END = "<!-- begin: measured -->", "<!-- end: measured -->"
"""Between these lines of a page stands the table."""


def markdown(results: Mapping[str, Result]) -> str:
    """The table of all rows with a target, and the machines below it."""
    lines = ["| what | target | measured | quartiles | command |", "|---|---|---|---|---|"]
    found = [results[name] for name in NAMES if name in results]
    for result in found:
        if result.report.skipped:
            lines.append(
                f"| {result.name} | | skipped: {result.report.skipped} | | {_code(result)} |"
            )
        lines += [_line(row, result) for row in result.report.rows if row.target is not None]
    lines += ["", *_machines(found)]
    return "\n".join(lines) + "\n"


def put(page: Path, table: str) -> None:
    """Put the table into a page, between its two marks.

    Raises:
        ValueError: the page has not both marks, in their order.
        OSError: it can't be read or written.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: no lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")


def _line(row: Row, result: Result) -> str:
    shown = f"{number(row.measured)} {row.unit}".rstrip()
    if not row.met:
        shown = f"**{shown}**"
    spread = "" if row.spread is None else " … ".join(number(value) for value in row.spread)
    return f"| {row.what} | {target(row)} | {shown} | {spread} | {_code(result)} |"


def _code(result: Result) -> str:
    return f"`{result.command}`"


def _machines(found: Iterable[Result]) -> list[str]:
    """The machine or machines, with what was measured on each; load is of the time before."""
    by_line: dict[str, list[str]] = {}
    for result in found:
        known = {name: value for name, value in result.machine.items() if name != "load"}
        by_line.setdefault(machine.line(known), []).append(result.name)
    if len(by_line) == 1:
        return [f"Measured on: {line}." for line in by_line]
    return [f"Measured on: {line}: {', '.join(names)}." for line, names in by_line.items()]
