"""Sections of ablations, single-draw peers, the embedding and the founding article's networks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from metatap_training.report.kinds import null_of
from metatap_training.report.methods import ABLATIONS, OWN, PEERS, SINGLE, VARIANTS
from metatap_training.report.page.axes import fitted
from metatap_training.report.page.extras import Embedding, Founding
from metatap_training.report.page.model import (
    Block,
    Chart,
    Section,
    Table,
    Value,
    count,
    number,
    text,
)
from metatap_training.report.page.modes import by_method
from metatap_training.report.page.svg import Plot
from metatap_training.report.page.words import TITLES
from metatap_training.report.results import Results

_NAMED = 8
"""Families of the map that get a colour of their own."""


def ablations(results: Results) -> Section:
    """The recipe with parts taken out, on the draws all of them have."""
    return _apart(
        results, Section("ablations", "Ablations", "ablations", ()),
        (*VARIANTS, *ABLATIONS), ABLATIONS,
        "The recipe with a part taken out or swapped, on the same draws.",
    )  # fmt: skip


def single_draw(results: Results) -> Section:
    """Peers measured on draw 0 alone."""
    return _apart(
        results, Section("single", "More peers, one draw", "more peers", ()),
        (*PEERS, *SINGLE), SINGLE,
        "Slower or weaker peers, and all others beside them, on draw 0 alone.",
    )  # fmt: skip


def _apart(
    results: Results, empty: Section, beside: tuple[str, ...], asked: tuple[str, ...], says: str
) -> Section:
    rows = results.only(role="test").single()
    found = rows.only(method=asked)
    if not len(found):
        return empty
    rows = rows.only(draw=found.values("draw"), method=(OWN, *beside))
    tables = tuple(
        by_method(
            rows.only(table=table),
            rows.only(table=null_of(table)),
            f"{what}: TPR at FPR 1e-3, by K",
            (OWN, *beside),
        )
        for table, what in TITLES.items()
        if table in found["table"]
    )
    return replace(empty, blocks=(Block(text=says, tables=tables),))


def embedding(found: Embedding | None) -> Section:
    """The map: benign flows in grey, the largest families by colour and shape."""
    title = "Map of the embedding"
    if found is None:
        return Section("map", title, "map", ())
    sizes = Counter(name for name in found.label if name != "benign")
    named = [name for name, _ in sizes.most_common(_NAMED)]
    parts = {"benign": "p-benign", "other families": "p-other"}
    parts |= {name: f"p-{at}" for at, name in enumerate(named)}
    x, y = found.x, found.y
    plot = Plot(
        f"Two dimensions of the embedding of {len(x)} flows, by family",
        fitted("", float(x.min()), float(x.max())),
        fitted("", float(y.min()), float(y.max())),
    )
    kind = [name if name in parts else "other families" for name in found.label]
    for at, (name, style) in enumerate(parts.items()):
        rows = [row for row, value in enumerate(kind) if value == name]
        plot.dots(x[rows].tolist(), y[rows].tolist(), style, max(at - 1, 0))
    legend = tuple((style, name) for name, style in parts.items() if name in kind)
    says = f"{len(x):,} of {found.total:,} flows; only nearness means anything, axes do not."
    chart = Chart("Flows by family", plot.svg())
    return Section("map", title, "map", (Block(text=says, charts=(chart,), legend=legend),))


def founding(found: tuple[Founding, ...]) -> Section:
    """Accuracy, precision, recall and confusion of the founding article's networks."""
    blocks = tuple(
        Block(
            one.model,
            f"Accuracy {one.accuracy:.3f} over {one.test_sequences:,} test sequences of named "
            f"families, trained on {one.train_sequences:,}.",
            (_classes(one), _confusion(one)),
        )
        for one in found
    )
    return Section("founding", "The founding article's networks", "founding", blocks)


def _classes(one: Founding) -> Table:
    rows = []
    for name, precision, recall, truth in zip(
        one.classes, one.precision, one.recall, one.confusion, strict=True
    ):
        known = [float("nan") if value is None else value for value in (precision, recall)]
        rows.append((text(name), *(number(value) for value in known), count(sum(truth))))
    caption = f"{one.model}: by class"
    return Table(caption, ("class", "precision", "recall", "sequences"), tuple(rows))


def _confusion(one: Founding) -> Table:
    rows = []
    for name, row in zip(one.classes, one.confusion, strict=True):
        total = max(sum(row), 1)
        heat = (Value(str(n), float(n), kind=f"num h{round(10 * n / total)}") for n in row)
        rows.append((text(name), *heat))
    caption = f"{one.model}: confusion matrix, truth by row, answer by column"
    return Table(caption, ("truth", *one.classes), tuple(rows))
