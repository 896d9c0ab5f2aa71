"""Sections of drawings: over K, DET, precision and recall, calibration."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from metatap_training.report.methods import CONTENDERS, ORDER, OWN
from metatap_training.report.page.axes import probit, share, steps
from metatap_training.report.page.estimate import estimate, mean_curve
from metatap_training.report.page.extras import Calibration
from metatap_training.report.page.model import Block, Chart, Section
from metatap_training.report.page.modes import chosen_k
from metatap_training.report.page.svg import Plot
from metatap_training.report.page.words import TITLES
from metatap_training.report.results import Results

Draw = Callable[[Results, str], Chart]

DRAWN = (*reversed(CONTENDERS), OWN)
"""The own learner last, so on top."""


def style(method: str) -> str:
    """Class of a method's line."""
    if method == OWN:
        return "s-own"
    return f"s-{ORDER.index(method) % 8}" if method in ORDER else "s-peer"


def _legend(rows: Results) -> tuple[tuple[str, str], ...]:
    return tuple((style(name), name) for name in reversed(DRAWN) if name in rows.methods)


def learning(results: Results) -> Section:
    """TPR over K, a plot a table."""
    rows = results.only(role="test", table=tuple(TITLES)).single()
    charts = [_learning(rows.only(table=table), table) for table in TITLES
              if table in rows["table"]]  # fmt: skip
    says = "Mean TPR at FPR 1e-3 over families; the bars are 95 % intervals of the own learner."
    block = Block(text=says, charts=tuple(charts), legend=_legend(rows))
    return Section("learning", "Learning curves", "over K", (block,) if charts else ())


def _learning(rows: Results, table: str) -> Chart:
    ks = tuple(int(k) for k in rows.values("k"))
    title = f"{TITLES[table]}: TPR over K"
    plot = Plot(title, steps("K, flows of support", ks), share("TPR at FPR 1e-3"))
    for name in DRAWN:
        found = [estimate(rows.only(k=k), name) for k in ks]
        means = [one.mean for one in found]
        plot.line(ks, means, style(name), name)
        plot.dots(ks, means, style(name))
        if name == OWN:
            for k, one in zip(ks, found, strict=True):
                plot.range(k, one.low, one.high, "s-own thin")
    return Chart(TITLES[table], plot.svg())


def tradeoffs(results: Results) -> tuple[Section, Section]:
    """DET and precision-recall curves, a plot a table, of pooled networks where kept."""
    rows = results.only(role="test", table=tuple(TITLES))
    rows = (
        rows.take(np.asarray(~np.isnan(rows.curve).all(1)))
        if rows.about.fpr_grid
        else rows.only(k=())
    )
    det: list[Block] = []
    precise: list[Block] = []
    if len(rows):
        first = chosen_k(rows)
        for k in sorted(rows.values("k"), key=lambda k: (k != first, k)):
            at_k = rows.only(k=k)
            det.append(_block(at_k, k, _det, folded=k != first))
            if not math.isnan(rows.about.prevalence):
                precise.append(_block(at_k, k, _precision, folded=k != first))
    stated = rows.about.prevalence
    name = "" if math.isnan(stated) else f" at a prevalence of {100 * stated:g} %"
    return (
        Section("det", "DET curves", "DET", tuple(det)),
        Section("pr", f"Precision and recall{name}", "PR", tuple(precise)),
    )


def _block(rows: Results, k: int, draw: Draw, *, folded: bool) -> Block:
    charts = []
    for table in TITLES:
        here = rows.only(table=table)
        if len(here):
            pooled = here.pooled()
            charts.append(draw(pooled if len(pooled) else here, table))
    return Block(f"K = {k}", charts=tuple(charts), legend=_legend(rows), folded=folded)


def _det(rows: Results, table: str) -> Chart:
    x = probit("false-positive rate", 1e-4, 0.5, 1e-4, 1e-3, 0.01, 0.1, 0.3)
    y = probit("miss rate", 0.002, 0.998, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
    plot = Plot(f"{TITLES[table]}: miss rate over false-positive rate, normal deviates", x, y)
    plot.upright(1e-3)
    shown = np.array(rows.about.fpr_grid) <= x.high
    grid = np.array(rows.about.fpr_grid)[shown].tolist()
    for name in DRAWN:
        plot.line(grid, (1 - mean_curve(rows, name))[shown].tolist(), style(name), name)
    return Chart(TITLES[table], plot.svg())


def _precision(rows: Results, table: str) -> Chart:
    plot = Plot(f"{TITLES[table]}: precision over recall", share("recall"), share("precision"))
    grid, stated = np.array(rows.about.fpr_grid), rows.about.prevalence
    for name in DRAWN:
        recall = mean_curve(rows, name)
        found = stated * recall
        precision = found / np.maximum(found + (1 - stated) * grid, 1e-30)
        plot.line(recall.tolist(), precision.tolist(), style(name), name)
    return Chart(TITLES[table], plot.svg())


def calibration(found: tuple[Calibration, ...]) -> Section:
    """Stated chances against what happened, a plot a method."""
    charts = []
    for one in found:
        title = f"{one.method}: observed share over mean score"
        plot = Plot(title, share("mean score"), share("observed share"))
        plot.diagonal()
        plot.line(one.score, one.share, style(one.method), one.method)
        plot.dots(one.score, one.share, style(one.method))
        charts.append(Chart(one.method, plot.svg()))
    says = "Flows by score in bins; on the dashed line a score is the share of positives."
    return Section("calibration", "Calibration", "calibration",
                   (Block(text=says, charts=tuple(charts)),) if charts else ())  # fmt: skip
