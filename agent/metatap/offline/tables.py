"""An evaluation as tables for a person and as values for a machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from metatap.offline.bootstrap import LEVEL, ROUNDS, SEED
from metatap.offline.figures import (
    ALIKE,
    BENIGN_NEEDED,
    FLOWS,
    RATE,
    Evaluation,
    FamilyRow,
    Figure,
)
from metatap.offline.labels import BENIGN
from metatap.offline.printable import printable

NONE = "–"

MARKS = {ALIKE: "†", FLOWS: "*"}
"""Marks of intervals that are not the bootstrap's."""

SHOWN = 8
"""Names shown in one line, at most."""


def document(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON can say it, with what its figures rest on."""
    return {
        "rate": RATE,
        "interval": {"level": LEVEL, "unit": "host", "rounds": ROUNDS, "seed": SEED},
        **asdict(evaluation),
    }


def render(evaluation: Evaluation) -> Iterator[RenderableType]:
    """What is printed, from top to bottom."""
    yield _totals(evaluation)
    yield _families(evaluation)
    yield _packs(evaluation)
    for note in notes(evaluation):
        yield Text(note)


def notes(evaluation: Evaluation) -> list[str]:
    """What a reader must know about the figures."""
    who = f"the {evaluation.hosts:,} hosts (id.orig_h within one capture) of the labelled flows"
    found = [f"intervals: {LEVEL:.0%}, bootstrap over {who}, {ROUNDS:,} rounds"]
    kinds = _kinds(evaluation)
    if FLOWS in kinds:
        found.append(
            "*: all flows of the figure are of one host, or no round has a false alert; Wilson's "
            "interval on flows, too narrow if a host's flows are alike"
        )
    if ALIKE in kinds:
        found.append(
            "†: every draw of hosts gives the same; Wilson's interval with as many trials as the "
            "figure has hosts"
        )
    if evaluation.at_highest_benign:
        found.append(
            f"fewer than {BENIGN_NEEDED:,} benign flows: TPR at FPR {RATE:g} is read at the "
            "highest benign score"
        )
    if evaluation.unknown:
        total = sum(evaluation.unknown.values())
        found.append(
            f"left out, neither benign nor malicious: {total:,} flows "
            f"({counted(evaluation.unknown)})"
        )
    if evaluation.partial:
        found.append(f"left out, partial records: {evaluation.partial:,}")
    return found


def counted(counts: dict[str, int]) -> str:
    """Names from logs with their counts, the first ones of many: `scan 12, worm 3`."""
    each = [f"{printable(name)} {count:,}" for name, count in counts.items()]
    if len(each) > SHOWN:
        each[SHOWN:] = [f"{len(each) - SHOWN} more"]
    return ", ".join(each)


def _kinds(evaluation: Evaluation) -> set[str | None]:
    figures = [evaluation.precision, evaluation.f1, evaluation.false_per_10k]
    for row in (*evaluation.families, *([evaluation.total] if evaluation.total else ())):
        figures += [row.recall, row.tpr, row.auprc]
    return {figure.interval for figure in figures}


def _text(figure: Figure, form: str = ".3f") -> str:
    if figure.value is None:
        return NONE
    text = format(figure.value, form)
    if figure.low is None or figure.high is None:
        return text
    mark = MARKS.get(figure.interval or "", "")
    return f"{text} [{figure.low:{form}}, {figure.high:{form}}]{mark}"


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right")
    return table


def _totals(evaluation: Evaluation) -> Table:
    table = _table("Totals", ("figure",), ("value",))
    recall = evaluation.total.recall if evaluation.total else Figure(None)
    table.add_row("flows", f"{evaluation.flows:,}")
    table.add_row("malicious", f"{evaluation.malicious:,}")
    table.add_row("benign", f"{evaluation.benign:,}")
    table.add_row("precision", _text(evaluation.precision))
    table.add_row("recall", _text(recall))
    table.add_row("F1", _text(evaluation.f1))
    table.add_row("false alerts per 10,000 benign flows", _text(evaluation.false_per_10k, ".1f"))
    return table


def _families(evaluation: Evaluation) -> Table:
    table = _table(
        "Threats",
        ("threat",),
        ("flows", "hosts", "recall", f"TPR at FPR {RATE:g}", "AUPRC", "found most by"),
    )
    for row in evaluation.families:
        table.add_row(*_family(row))
    if evaluation.total is not None:
        table.add_section()
        table.add_row(*_family(evaluation.total))
    return table


def _family(row: FamilyRow) -> tuple[str, ...]:
    best = NONE if row.best is None else f"{row.best} ({row.best_flows:,})"
    figures = (_text(row.recall), _text(row.tpr), _text(row.auprc))
    return (printable(row.family), f"{row.flows:,}", f"{row.hosts:,}", *figures, best)


def _packs(evaluation: Evaluation) -> Table:
    table = _table("Packs", ("pack",), ("alerts", "on malicious", "on benign", "on unknown"))
    table.add_column("most on")
    for row in evaluation.packs:
        counts = (row.alerts, row.malicious, row.benign, row.unknown)
        families = ", ".join(
            f"{printable(family)}{' (benign)' if label == BENIGN else ''} {flows:,}"
            for label, family, flows in row.families
        )
        table.add_row(row.pack, *(f"{count:,}" for count in counts), families or NONE)
    return table
