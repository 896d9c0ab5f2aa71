"""A section a mode: methods by K, beside them the null packs; labels, networks, worst cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from metatap_training.report.kinds import null_of
from metatap_training.report.methods import CONTENDERS, ORDER, OWN, VARIANTS
from metatap_training.report.page.estimate import cell_means, estimate
from metatap_training.report.page.model import (
    Block,
    Section,
    Table,
    Value,
    count,
    number,
    text,
)
from metatap_training.report.page.words import SAYS, TITLES
from metatap_training.report.results import Results

MAIN = (OWN, *VARIANTS, *CONTENDERS)

_FIGURES = {
    "tpr_background": ("TPR, background threshold", ".3f"),
    "fpr_background": ("its FPR", ".5f"),
    "auprc": ("AUPRC", ".3f"),
    "recall_budget": ("recall at budget", ".3f"),
    "precision_budget": ("precision at budget", ".3f"),
    "ece": ("ECE", ".3f"),
    "seconds": ("seconds", ".3f"),
}


def chosen_k(rows: Results) -> int:
    """5 if it was measured, else the greatest K there is."""
    found = rows.values("k")
    return 5 if 5 in found else int(found[-1])


def mode(results: Results, table: str) -> Section:
    """The section of a table of the benchmark."""
    rows = results.only(table=table, role="test")
    blocks: tuple[Block, ...] = ()
    if len(rows):
        null = results.only(table=null_of(table), role="test").single()
        single = rows.single()
        k = chosen_k(rows)
        blocks = (
            Block(text=SAYS[table], tables=(by_method(single, null, "TPR at FPR 1e-3, by K"),)),
            Block(f"More figures at K = {k}", tables=(_figures(rows, k),), folded=True),
            Block("Weak labels apart", tables=(_labels(single),), folded=True),
            Block(f"By network, K = {k}", tables=(_networks(single.only(k=k)),), folded=True),
            Block(f"Worst cell, K = {k}", tables=(_worst(single.only(k=k)),), folded=True),
        )
    return Section(table, TITLES[table], table, blocks)


def validation(results: Results) -> Block:
    """The cells settings were chosen on."""
    rows = results.only(role="validation").single()
    tables = [
        by_method(part, rows.only(table=null_of(table)), f"{title}: TPR at FPR 1e-3, by K")
        for table, title in TITLES.items()
        if len(part := rows.only(table=table))
    ]
    says = "Settings of all methods were chosen on these cells; they count for nothing else."
    return Block("Validation cells", says if tables else "", tuple(tables), folded=True)


def by_method(rows: Results, null: Results, caption: str, names: Sequence[str] = ()) -> Table:
    """Methods by K: TPR with interval, and what the null packs give."""
    ks = rows.values("k")
    methods = [name for name in names if name in rows.methods] or _main(rows)
    lines = []
    for name in methods:
        line = [text(name), count(estimate(rows, name).families)]
        for k in ks:
            line.append(estimate(rows.only(k=k), name).value())
            line.append(_faint(number(estimate(null.only(k=k), name).mean)))
        lines.append(tuple(line))
    heads = [head for k in ks for head in (f"K = {k}", f"null {k}")]
    return Table(caption, ("method", "families", *heads), tuple(lines), _own(methods))


def _main(rows: Results) -> list[str]:
    """Methods of the main tables, and any the report does not know."""
    return [name for name in rows.methods if name in MAIN or name not in ORDER]


def _faint(value: Value) -> Value:
    return Value(value.text, value.key, value.note, f"{value.kind} faint")


def _own(methods: Sequence[str]) -> frozenset[int]:
    return frozenset(at for at, name in enumerate(methods) if name == OWN)


def _figures(rows: Results, k: int) -> Table:
    single, pooled = rows.only(k=k).single(), rows.only(k=k).pooled()
    methods = _main(single)
    lines = [
        (
            text(name),
            number(estimate(pooled, name, "tpr_1e4").mean),
            *(number(estimate(single, name, field).mean, form)
              for field, (_, form) in _FIGURES.items()),
        )
        for name in methods
    ]  # fmt: skip
    heads = (head for head, _ in _FIGURES.values())
    stated = rows.about.prevalence
    at = (
        "" if math.isnan(stated) else f"; AUPRC and precision at a prevalence of {100 * stated:g} %"
    )
    caption = f"Means over families{at}"
    return Table(caption, ("method", "TPR at 1e-4, pooled", *heads), tuple(lines), _own(methods))


def _labels(rows: Results) -> Table:
    ks, methods = rows.values("k"), _main(rows)
    parts = {"flow": rows.only(weak=False), "weak": rows.only(weak=True)}
    lines = [
        (text(name), *(estimate(part.only(k=k), name).value() for part in parts.values()
                       for k in ks))
        for name in methods
    ]  # fmt: skip
    heads = (f"{kind}, K = {k}" for kind in parts for k in ks)
    sizes = {
        kind: len(np.unique(part["family"])) if len(part) else 0 for kind, part in parts.items()
    }
    caption = (
        f"TPR at FPR 1e-3: {sizes['flow']} families with cells labelled flow by flow, "
        f"{sizes['weak']} with weak labels"
    )
    return Table(caption, ("method", *heads), tuple(lines), _own(methods))


def _networks(rows: Results) -> Table:
    methods = _main(rows)
    lines = []
    for network in rows.values("network"):
        here = rows.only(network=network)
        families = len(here.values("family"))
        means = (number(estimate(here, name).mean) for name in methods)
        lines.append((text(network), count(families), *means))
    return Table(
        "Mean TPR at FPR 1e-3 by the network of the queries",
        ("network", "families", *methods),
        tuple(lines),
    )


def _worst(rows: Results) -> Table:
    methods = _main(rows)
    lines = []
    for name in methods:
        means = cell_means(rows, name)
        row = int(rows.first[int(np.nanargmin(means))])
        where = f"{rows['support_network'][row]} → {rows['network'][row]}"
        lines.append(
            (text(name), number(float(np.nanmin(means))), text(str(rows["family"][row])),
             text(where), count(int(rows["positives"][row])))
        )  # fmt: skip
    head = ("method", "TPR", "family", "networks", "positives")
    return Table("The cell each method finds least in", head, tuple(lines), _own(methods))
