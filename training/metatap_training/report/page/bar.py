"""The section of the bar: its verdicts, and the realised false-positive rates."""

from __future__ import annotations

from dataclasses import replace

from metatap_training.report.methods import PEERS, SHORTCUTS
from metatap_training.report.page.axes import rate
from metatap_training.report.page.model import Block, Section, Table, Value, count, number, text
from metatap_training.report.page.svg import strip
from metatap_training.report.page.words import TITLES
from metatap_training.report.realised import BAND, RATE, Realised
from metatap_training.report.verdict import AHEAD, LIMITS, POSITIVES, Bar, Labels, Verdict

_RULE = (
    "In each table the mean miss rate (1 − TPR at FPR 1e-3) may be at most "
    f"{LIMITS[5]:g} of the best peer's at K = 5 and 10, {LIMITS[1]:g} at K = 1; the upper end of "
    f"the ratio's interval must be below 1; at least {AHEAD:.0%} of cells must be ahead or level; "
    f"and no cell of {POSITIVES} or more positives may be significantly behind (Holm, 5 %). "
    f"Peers: {', '.join((*PEERS, *SHORTCUTS))}. The one the ratio is worst against counts."
)
_APART = {Labels.FLOW: "Cells labelled flow by flow", Labels.WEAK: "Cells with weak labels"}


def bar_section(bars: dict[Labels, Bar]) -> Section:
    """Verdicts over all cells, then by kind of label."""
    shown = bars[Labels.ALL]
    blocks: tuple[Block, ...] = ()
    if shown.verdicts:
        behind = [_behind(verdict) for verdict in shown.verdicts if verdict.behind]
        blocks = (
            Block(text=_RULE, tables=(_table("All test cells", shown),)),
            *behind,
            *(
                Block(_APART[labels], tables=(_table(_APART[labels], found),), folded=True)
                for labels, found in bars.items()
                if labels in _APART and found.verdicts
            ),
        )  # fmt: skip
    return Section("bar", "The bar", "bar", blocks)


def passed(ok: bool) -> Value:
    """A verdict in words, so that colour is not all there is."""
    return text("✓ met", "good") if ok else text("✗ missed", "bad")


def _table(caption: str, found: Bar) -> Table:
    head = ("table", "K", "verdict", "best peer", "own misses", "peer misses", "ratio", "limit",
            "cells", "level or ahead", "behind")  # fmt: skip
    rows = [_row(verdict) for verdict in found.verdicts]
    rows += [
        (text(table), count(k), text("not measured", "faint"),
         *(text("") for _ in head[3:]))
        for table, k in found.missing
    ]  # fmt: skip
    return Table(caption, head, tuple(rows))


def _row(verdict: Verdict) -> tuple[Value, ...]:
    low, high = verdict.interval
    ratio = number(verdict.ratio, ".2f", f"{low:.2f}–{high:.2f}")
    return (
        text(verdict.table),
        count(verdict.k),
        passed(verdict.passed),
        text(verdict.peer),
        number(verdict.own_miss),
        number(verdict.peer_miss),
        _marked(ratio, fails=verdict.ratio > verdict.limit or high >= 1),
        number(verdict.limit, "g"),
        count(verdict.cells),
        _marked(number(verdict.ahead, ".0%"), fails=verdict.ahead < AHEAD),
        _marked(count(len(verdict.behind)), fails=bool(verdict.behind)),
    )


def _marked(value: Value, *, fails: bool) -> Value:
    """What keeps a verdict from passing, marked by a sign and not by colour alone."""
    if not fails:
        return value
    return replace(value, text=f"✗ {value.text}", kind=f"{value.kind} bad")


def _behind(verdict: Verdict) -> Block:
    title = f"Significantly behind: {TITLES[verdict.table]}, K = {verdict.k}"
    rows = tuple((text(name),) for name in verdict.behind)
    table = Table(f"Cells in which {verdict.peer} finds more", ("cell",), rows)
    return Block(title, tables=(table,), folded=True)


def rates_section(found: tuple[Realised, ...]) -> Section:
    """False-positive rates of thresholds set before a query was seen."""
    blocks: tuple[Block, ...] = ()
    axis = rate("realised FPR", 1e-4, 1e-1)
    band = (BAND[0] * RATE, BAND[1] * RATE)
    rows = [
        (
            text(one.network),
            count(one.families),
            number(one.rate, ".5f"),
            text(f"{one.interval[0]:.5f}–{one.interval[1]:.5f}", "num"),
            Value("", one.rate, figure=strip(axis, one.rate, one.interval, band=band)),
            passed(one.passed),
        )
        for one in found
    ]
    if rows:
        head = ("network", "families", "FPR", "95 % interval", "1e-4 … 0.1, log", "verdict")
        caption = "False-positive rate of thresholds set on the background alone, for 1e-3"
        says = (
            f"Over all networks the interval must hold {RATE:g}; no network's may lie outside "
            f"{BAND[0]:g} to {BAND[1]:g} times that (shaded). Tables random, capture, own; all K."
        )
        table = Table(caption, head, tuple(rows), frozenset({0}))
        blocks = (Block(text=says, tables=(table,)),)
    return Section("rates", "Realised false-positive rates", "FPR", blocks)
