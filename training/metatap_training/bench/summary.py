"""Results in words: mean TPR by table, K and method, and the verdicts of the bar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metatap_training.bench.schema import COUNTS, FIGURES, TEXT
from metatap_training.report.results import About, Results, mean_known
from metatap_training.report.verdict import bar


def results_of(table: pa.Table) -> Results:
    """The rows as `report` reads them, but for those under attack."""
    table = table.filter(pc.equal(table["attack"], ""))
    columns = {name: np.array(table[name].to_pylist(), np.str_) for name in TEXT}
    columns |= {name: np.array(table[name].to_pylist(), np.int64) for name in COUNTS}
    columns |= {
        name: np.array(table[name].to_pylist(), np.float64) for name in (*FIGURES, "seconds")
    }
    columns["weak"] = np.array(table["weak"].to_pylist(), np.bool_)
    return Results(columns, np.zeros((len(table), 0), np.float32), About())


def lines(results: Results) -> Iterator[str]:
    """A line for each role, table, K and method; then the verdicts on test cells."""
    single = results.single()
    for role in single.values("role"):
        for table in single.only(role=role).values("table"):
            for k in single.only(role=role, table=table).values("k"):
                part = single.only(role=role, table=table, k=k)
                yield f"{role} {table} K={k}, {len(part.first)} cells: mean TPR at FPR 1e-3"
                yield "  " + "  ".join(f"{name} {_mean(part, name):.3f}" for name in part.methods)
    judged = bar(results)
    for verdict in judged.verdicts:
        low, high = verdict.interval
        yield (
            f"bar {verdict.table} K={verdict.k}: miss {verdict.own_miss:.3f} against "
            f"{verdict.peer_miss:.3f} ({verdict.peer}), ratio {verdict.ratio:.2f} "
            f"[{low:.2f}, {high:.2f}], ahead or level {verdict.ahead:.0%}: "
            f"{'passed' if verdict.passed else '; '.join(verdict.faults)}"
        )
    for table, k in judged.missing:
        yield f"bar {table} K={k}: not measured"


def _mean(part: Results, method: str) -> float:
    """Mean over cells of the mean over draws."""
    cells = mean_known(part.only(method=method).matrix(method), 1)
    return float(mean_known(cells))
