"""The section of the attacks: what is found of a threat that knows of the detector."""

from __future__ import annotations

import numpy as np

from metatap.offline.metrics import bootstrap_mean
from metatap_training.report.attacked import CLEAN, attacks_of
from metatap_training.report.page.model import (
    Block,
    Section,
    Table,
    Value,
    count,
    number,
    span,
    text,
)
from metatap_training.report.page.words import TITLES
from metatap_training.report.paired import common
from metatap_training.report.results import Floats, Results, by_family

_SAYS = {
    "padded": "bytes and packets × 1 to 4",
    "slowed": "duration and gaps × 1 to 10",
    "split": "one of 2 to 4 flows that share the work",
    "poisoned": "one flow of the support is benign",
}
_RULE = (
    "TPR at FPR 1e-3 of the recipe with and without each attack, on the same cells and draws; "
    "means over families, 95 % interval over families. Change is attacked less clean."
)
_HEAD = ("attack", "K", "cells", "clean", "attacked", "change", "what it does")


def attacks(found: Results | None) -> Section:
    """TPR with and without each attack, by table and K.

    Args:
        found: As `attacked.read_attacked` has it; None if nothing was attacked.
    """
    tables = () if found is None else tuple(_table(found, name) for name in TITLES)
    shown = tuple(table for table in tables if table.rows)
    blocks = (Block(text=_RULE, tables=shown),) if shown else ()
    return Section("attacks", "Under attack", "attacks", blocks)


def _table(found: Results, name: str) -> Table:
    test = found.only(role="test", table=name).single()
    rows = []
    for attack in attacks_of(test):
        for k in test.only(method=attack).values("k"):
            rows += _row(test.only(k=k, method=(attack, CLEAN)), attack, k)
    return Table(f"{TITLES[name]}: TPR at FPR 1e-3", _HEAD, tuple(rows))


def _row(test: Results, attack: str, k: int) -> list[tuple[Value, ...]]:
    pair = common(test, attack, CLEAN)
    if not len(pair.rows):
        return []
    family = test["family"][pair.rows]
    says = text(_SAYS.get(attack, ""))
    means = (_mean(by_family(family, part)) for part in (pair.peer, pair.own))
    change = _mean(by_family(family, pair.own - pair.peer), "+.3f")
    return [(text(attack), count(k), count(len(pair.rows)), *means, change, says)]


def _mean(values: Floats, form: str = ".3f") -> Value:
    ends = bootstrap_mean(values) if len(values) > 1 else (np.nan, np.nan)
    form_of_ends = "+.3f" if form.startswith("+") else ".2f"
    return number(float(values.mean()), form, span(*ends, form_of_ends).replace("-", "−"))
