"""Sections by family and by cell."""

from __future__ import annotations

import math

import numpy as np

from metatap_training.report.methods import CONTENDERS, OWN, PEERS, SHORTCUTS
from metatap_training.report.page.axes import share
from metatap_training.report.page.estimate import cell_means
from metatap_training.report.page.model import Block, Section, Table, Value, count, number, text
from metatap_training.report.page.modes import chosen_k
from metatap_training.report.page.svg import strip
from metatap_training.report.page.words import TITLES
from metatap_training.report.results import Results, mean_known


def families(results: Results) -> Section:
    """Own learner with interval and best peer, a row a family."""
    blocks: list[Block] = []
    for table, title in TITLES.items():
        rows = results.only(role="test", table=table).single()
        if len(rows) and OWN in rows.methods:
            k = chosen_k(rows)
            caption = (
                f"{title}, K = {k}: ● {OWN} with 95 % interval over hosts (first draw), "
                "◆ best peer of that family"
            )
            made = _families(rows.only(k=k), caption)
            blocks.append(Block(title, tables=(made,), folded=bool(blocks)))
    return Section("families", "By family", "families", tuple(blocks))


def _families(rows: Results, caption: str) -> Table:
    axis, lines = share("TPR"), []
    peers = [name for name in CONTENDERS if name in rows.methods]
    for family in rows.values("family"):
        here = rows.only(family=family)
        own = float(mean_known(cell_means(here, OWN)))
        ends = [float(mean_known(here.only(method=OWN)[end])) for end in ("tpr_low", "tpr_high")]
        found = {name: float(mean_known(cell_means(here, name))) for name in peers}
        found = {name: value for name, value in found.items() if not math.isnan(value)}
        best = max(found, key=lambda name: found[name], default="")
        other = found.get(best, math.nan)
        note = "" if math.isnan(sum(ends)) else f"{ends[0]:.2f}–{ends[1]:.2f}"
        drawn = strip(axis, own, (ends[0], ends[1]), other=other)
        lines.append(
            (text(family), text(str(here["group"][0])), Value("", own, figure=drawn),
             number(own, ".3f", note), number(other), text(best), number(own - other, "+.3f"),
             text("weak" if here["weak"].any() else "flow"))
        )  # fmt: skip
    head = ("family", "group", "0 … 1", OWN, "best peer", "which", "difference", "labels")
    return Table(caption, head, tuple(sorted(lines, key=lambda line: -(line[3].key or 0.0))))


def cells(results: Results) -> Section:
    """Every cell at every K, searchable."""
    shown = [name for name in (OWN, *PEERS, *SHORTCUTS) if name in results.methods]
    rows = results.single().only(method=tuple(shown))
    if not len(rows):
        return Section("cells", "Every cell", "cells", ())
    means = np.stack([cell_means(rows, name) for name in shown], axis=1)
    lines = tuple(
        (
            *(text(str(rows[name][row])) for name in ("table", "role")),
            count(int(rows["k"][row])),
            *(text(str(rows[name][row])) for name in ("family", "support_network", "network")),
            text("weak" if rows["weak"][row] else str(rows["scope"][row])),
            text(str(rows["split"][row])),
            count(int(rows["positives"][row])),
            *(number(float(value)) for value in means[at]),
        )
        for at, row in enumerate(rows.first)
    )
    head = ("table", "role", "K", "family", "support from", "queries from", "labels", "split",
            "positives", *shown)  # fmt: skip
    caption = "Mean TPR at FPR 1e-3 over draws, every cell and K"
    made = Table(caption, head, lines, filters=("table", "role", "K", "labels"), name="cell-table")
    return Section("cells", "Every cell", "cells", (Block(tables=(made,)),))
