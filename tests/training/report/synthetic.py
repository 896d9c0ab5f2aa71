"""Made-up results of a benchmark: invented families whose names say so, scores from a formula."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from metatap_training.report.methods import ABLATIONS, ORDER, OWN, SINGLE

GRID = tuple(float(rate) for rate in np.round(np.logspace(-4, 0, 25), 9))
PREVALENCE = 0.01
FAMILIES = tuple(f"made-up-{name}" for name in ("worm", "tunnel", "beacon", "flood", "scan", "rat"))
NETWORKS = ("invented-north", "invented-south")
TABLES = ("random", "capture", "own", "technique", "null")
HARD = {name: 2.2 - 0.16 * at for at, name in enumerate(ORDER)}
"""How far a method's scores of positives lie above those of negatives, in deviations."""
HARD |= {OWN: 3.6, "metatap (all data)": 3.7, "metatap (open licences)": 3.3, "MAML": 2.4}


def row(**fields: object) -> dict[str, Any]:
    """A row with all columns; those not given have plain values."""
    plain: dict[str, Any] = {
        "table": "random", "role": "test", "fold": "fold-1", "family": FAMILIES[0],
        "group": "made-up", "support_network": "invented-west", "network": NETWORKS[0],
        "scope": "flow", "weak": False, "k": 5, "draw": 0, "method": OWN, "split": "time",
        "positives": 200, "negatives": 8000, "hosts": 20, "tpr": 0.5, "tpr_1e4": None,
        "tpr_background": 0.5, "fpr_background": 1e-3, "auprc": 0.5, "recall_budget": 0.5,
        "precision_budget": 0.5, "ece": 0.05, "tpr_low": None, "tpr_high": None, "curve": None,
        "seconds": 0.01,
    }  # fmt: skip
    return plain | fields


def table(rows: list[dict[str, Any]], **metadata: str) -> pa.Table:
    """Rows as an Arrow table with the metadata of a benchmark's file."""
    texts = {
        "fpr_grid": json.dumps(GRID),
        "prevalence": str(PREVALENCE),
        "command": "a test's generator: every number here is made up",
        "date": "2026-01-01",
    } | metadata
    kinds = {"curve": pa.list_(pa.float32())}
    kinds |= {name: pa.float64() for name in ("tpr_1e4", "tpr_low", "tpr_high")}
    columns = {name: pa.array([entry[name] for entry in rows], kinds.get(name)) for name in rows[0]}
    return pa.table(columns).replace_schema_metadata(texts)


def rows(families: Mapping[str, bool] | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """Every method in every table at every K.

    Args:
        families: By name, whether its labels are weak.
        seed: Of the scores.
    """
    weak = families or {name: at % 3 == 2 for at, name in enumerate(FAMILIES)}
    rng = np.random.default_rng(seed)
    return [
        entry
        for name in TABLES
        for at, family in enumerate(weak)
        for entry in _family(name, at, family, weak[family], rng)
    ]


def _family(
    name: str, at: int, family: str, weak: bool, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    for k in (1, 5, 10):
        for method in ORDER:
            single = method in SINGLE
            draws = 1 if single or method in ABLATIONS else 3
            for draw in range(draws):
                for network in (*NETWORKS, "*"):
                    shift = HARD[method] * (0.55 + 0.15 * np.log(k)) + 0.3 * np.sin(at)
                    shift += rng.normal(0, 0.1) + {"own": -0.2, "null": -1.2}.get(name, 0.0)
                    cell = {"table": name, "family": family, "weak": weak, "network": network}
                    cell |= {"scope": "capture" if weak else "flow", "k": k, "draw": draw}
                    yield cell_row(cell | {"method": method}, float(shift), rng)


def cell_row(cell: dict[str, Any], shift: float, rng: np.random.Generator) -> dict[str, Any]:
    """A row measured on normal scores whose positives lie `shift` deviations up."""
    first, pooled = cell["draw"] == 0, cell["network"] == "*"
    negative = np.sort(rng.normal(0, 1, 4000))
    positive = rng.normal(shift + 0.8, 1.2, 300)
    cut = negative[(-(np.array(GRID) * 4000).astype(int) - 1).clip(-4000)]
    curve = (positive[:, None] > cut).mean(0)
    curve[-1] = 1.0
    tpr = float(np.interp(1e-3, GRID, curve))
    return row(
        **cell, positives=300, negatives=4000,
        tpr=tpr, tpr_background=tpr * 0.97, fpr_background=1e-3 * float(rng.lognormal(0, 0.3)),
        tpr_1e4=float(curve[0]) if pooled else None,
        auprc=min(1.0, tpr * 0.9 + 0.05), recall_budget=min(1.0, tpr + 0.1),
        precision_budget=0.6 * tpr, ece=0.2 * (1 - tpr),
        tpr_low=max(0.0, tpr - 0.06) if first else None,
        tpr_high=min(1.0, tpr + 0.05) if first else None,
        curve=curve.tolist() if first else None, seconds=float(0.01 + 0.05 * rng.random()),
    )  # fmt: skip
