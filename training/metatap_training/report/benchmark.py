"""What a model card states of a benchmark: results → plain data, rounded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metatap_training.report.attacked import CLEAN, attacks_of, read_attacked
from metatap_training.report.ceiling import Ceiling, ceilings
from metatap_training.report.kinds import HOST_NULL, LAB_TECHNIQUE, NULL, TECHNIQUE
from metatap_training.report.methods import OWN, PEERS, SHORTCUTS, VARIANTS
from metatap_training.report.read import read_results
from metatap_training.report.realised import RATE, Realised, realised
from metatap_training.report.results import CELL, Results
from metatap_training.report.shared import shared
from metatap_training.report.verdict import TABLES, Labels, Verdict, bar, judge

LOGISTIC = "logistic regression"
_SAME = (OWN, "metatap (float32)", *VARIANTS)
FACTS = ("command", "date", "digest", "seed", "versions", "folds")
"""What a card repeats of what the results say of themselves."""

Part = dict[str, Any]


def read_benchmark(path: Path) -> Part:
    """The benchmark's part of a card, from a file of results.

    Raises:
        ReportError: The file is refused; see `read.read_results`.
    """
    return benchmark(read_results(path), read_attacked(path))


def benchmark(results: Results, attacked: Results | None) -> Part:
    """The benchmark's part of a card; test cells alone.

    Args:
        results: All rows without attack.
        attacked: See `attacked`.
    """
    test = results.single().only(role="test")
    whole = bar(results)
    return {
        "facts": {key: results.about.facts.get(key, "not said") for key in FACTS},
        "rate": RATE,
        "cells": _cells(test.only(table=(*TABLES, NULL, HOST_NULL, TECHNIQUE, LAB_TECHNIQUE))),
        "families": len(test.only(table=TABLES).values("family")),
        "passed": whole.passed,
        "missing": [list(at) for at in whole.missing],
        "verdicts": [_verdict(results, one) for one in whole.verdicts],
        "labels": {
            labels.value: [_verdict(results, one) for one in bar(results, labels).verdicts]
            for labels in (Labels.FLOW, Labels.WEAK)
        },
        "ceiling": [_ceiling(one) for one in ceilings(results)],
        "null": _rows(test, (NULL, HOST_NULL), (OWN, LOGISTIC, *SHORTCUTS)),
        "technique": _rows(test, (TECHNIQUE, LAB_TECHNIQUE), (OWN, *PEERS, *SHORTCUTS)),
        "variants": [row for row in _rows(test, TABLES, _SAME) if len(row["tpr"]) > 1],
        "background": [_realised(one) for one in realised(results)],
        "attacks": [] if attacked is None else list(_attacks(attacked)),
    }


def _cells(rows: Results) -> int:
    """Cells of whatever K."""
    names = [rows[column] for column in CELL if column != "k"]
    return len(set(zip(*(column.tolist() for column in names), strict=True)))


def _verdict(results: Results, found: Verdict) -> Part:
    plain = judge(results, found.table, found.k, labels=found.labels, peers=(LOGISTIC,))
    own = shared(_of(results, found), (OWN,))
    return {
        "table": found.table,
        "k": found.k,
        "families": found.families,
        "cells": found.cells,
        "draws": found.draws,
        "tpr": _number(1 - found.own_miss),
        "all_draws": None if own is None else _number(own.means[OWN]),
        "peer": found.peer,
        "peer_tpr": _number(1 - found.peer_miss),
        "logistic_tpr": None if plain is None else _number(1 - plain.peer_miss),
        "ratio": _number(found.ratio, 6),
        "interval": [_number(end, 6) for end in found.interval],
        "limit": found.limit,
        "ahead": _number(found.ahead),
        "behind": list(found.behind),
        "faults": list(found.faults),
    }


def _of(results: Results, found: Verdict) -> Results:
    rows = results.single().only(role="test", table=found.table, k=found.k)
    if found.labels is Labels.ALL:
        return rows
    return rows.only(weak=found.labels is Labels.WEAK)


def _rows(test: Results, tables: tuple[str, ...], methods: tuple[str, ...]) -> list[Part]:
    """Means of methods by table and K, on the draws all of them have."""
    rows = []
    for table in tables:
        for k in test.only(table=table).values("k"):
            found = shared(test.only(table=table, k=k), methods)
            if found is not None:
                tpr = {name: _number(value) for name, value in found.means.items()}
                rows.append({"table": table, "k": k, "families": found.families, "tpr": tpr})
    return rows


def _attacks(attacked: Results) -> Iterator[Part]:
    test = attacked.single().only(role="test")
    for table in test.values("table"):
        for k in test.only(table=table).values("k"):
            rows = test.only(table=table, k=k)
            for name in attacks_of(rows):
                found = shared(rows, (CLEAN, name))
                if found is not None and len(found.means) > 1:
                    yield {
                        "table": table,
                        "k": k,
                        "attack": name,
                        "families": found.families,
                        "cells": found.cells,
                        "clean": _number(found.means[CLEAN]),
                        "tpr": _number(found.means[name]),
                    }


def _ceiling(found: Ceiling) -> Part:
    return {
        "table": found.table,
        "k": found.k,
        "peer": found.peer,
        "peer_tpr": _number(1 - found.peer_miss),
        "own_tpr": _number(1 - found.own_miss),
        "tpr": _number(1 - found.miss),
        "ratio": _number(found.ratio),
        "limit": found.limit,
        "lost": [
            {
                "cell": one.name,
                "method": one.method,
                "best": _number(one.best),
                "own": _number(one.own),
            }
            for one in found.lost
        ],
    }


def _realised(found: Realised) -> Part:
    return {
        "network": found.network,
        "families": found.families,
        "rate": round(found.rate, 6),
        "interval": [round(end, 6) for end in found.interval],
        "passed": found.passed,
    }


def _number(value: float, digits: int = 4) -> float | None:
    """Rounded; None for what has no number in JSON."""
    return round(float(value), digits) if math.isfinite(value) else None
