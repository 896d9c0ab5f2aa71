"""The own learner under attack, beside itself on the same draws without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metatap_training.report.methods import OWN
from metatap_training.report.read import ReportError, from_arrow, read_table
from metatap_training.report.results import Results

CLEAN = "clean"
"""Method of the rows without attack."""

MAX_ATTACKS = 32


def read_attacked(path: Path) -> Results | None:
    """Rows of the own learner whose `method` is the attack, or `CLEAN`; None if none is attacked.

    Raises:
        ReportError: As `read.read_results`; or there are too many attacks.
    """
    return attacked(read_table(path), str(path))


def attacked(table: pa.Table, name: str = "results") -> Results | None:
    """As `read_attacked`, of a table that is called `name` in errors."""
    if not {"attack", "method"} <= set(table.column_names):
        return None
    try:
        attack = pc.fill_null(table["attack"].cast(pa.string()), "")
        own = pc.fill_null(pc.equal(table["method"].cast(pa.string()), OWN), False)  # noqa: FBT003
    except pa.ArrowException as error:
        raise ReportError(f"{name}: column attack or method: not text: {error}") from error
    chosen = attack.filter(own).combine_chunks()
    kinds = [kind for kind in pc.unique(chosen).to_pylist() if kind]
    if not kinds:
        return None
    if len(kinds) > MAX_ATTACKS or CLEAN in kinds:
        raise ReportError(f"{name}: column attack: more than {MAX_ATTACKS} kinds, or `{CLEAN}`")
    method = pc.if_else(pc.equal(chosen, ""), CLEAN, chosen)
    rows = table.filter(own).drop_columns(["attack"])
    return from_arrow(rows.set_column(rows.column_names.index("method"), "method", method), name)


def attacks_of(results: Results) -> tuple[str, ...]:
    """The attacks there are, by letter."""
    return tuple(str(one) for one in np.unique(results["method"]) if one != CLEAN)
