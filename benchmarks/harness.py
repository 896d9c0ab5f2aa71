"""The frame of every benchmark: command line, one core, what is printed, the JSON file.

A benchmark is a module with two functions: one that adds its options to a parser, one that measures
and returns a `Report`. At its end stands `run(NAME, __doc__, options, measure)`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.result import Report, Result, Row
from metatap.runtime.logs import configure_logs

Options = argparse.Namespace


def no_options(_parser: argparse.ArgumentParser) -> None:
    """For a benchmark without options."""


def run(
    name: str,
    doc: str | None,
    options: Callable[[argparse.ArgumentParser], None],
    measure: Callable[[Options], Report],
    argv: Sequence[str] | None = None,
) -> Result:
    """Measure as the command line says, on the first core; print, and write the file.

    Args:
        name: Name of the module.
        doc: Its docstring, for `--help`.
        options: Adds what the module can be told.
        measure: Measures.
        argv: Arguments, None: those of the process.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to it")
    options(parser)
    given = parser.parse_args(argv)
    known = machine.machine()
    configure_logs("error", "text")
    with machine.pinned(0):
        report = measure(given)
    command = _command(name, list(sys.argv[1:] if argv is None else argv))
    result = Result(name, command, known, report)
    sys.stdout.write(text(result))
    if given.json is not None:
        result.write(given.json)
    return result


def text(result: Result) -> str:
    """The figures for a person."""
    report = result.report
    lines = [f"{result.name}: {machine.line(result.machine)}"]
    if report.skipped:
        lines.append(f"  skipped: {report.skipped}")
    lines += [f"  {row.what:58} {_measured(row)}" for row in report.rows]
    lines += [f"    {name:56} {_plain(value)}" for name, value in report.info.items()]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """A figure with three digits that count, thousands parted; whole ones as they are."""
    if value == round(value):
        return f"{value:,.0f}"
    if value and abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def target(row: Row) -> str:
    """The target as a table has it; "" where there is none."""
    if row.target is None:
        return ""
    sign = {"at least": "≥", "at most": "≤", "below": "<"}[row.bound]
    return f"{sign} {row.target:,.10g} {row.unit}".rstrip()


def _measured(row: Row) -> str:
    shown = f"{number(row.measured)} {row.unit}".rstrip()
    if row.spread is not None:
        shown += f"  ({number(row.spread[0])} … {number(row.spread[1])})"
    if row.target is not None:
        shown += f"  {target(row)}: {'met' if row.met else 'MISSED'}"
    return shown


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)


def _command(name: str, argv: list[str]) -> str:
    """What was typed, without the file that was written and without other paths."""
    kept: list[str] = []
    skip = False
    for word in argv:
        if skip or word.startswith("--json="):
            skip = False
        elif word == "--json":
            skip = True
        else:
            kept.append("FILE" if "/" in word else word)
    return " ".join((f"python -m benchmarks.{name}", *kept))
