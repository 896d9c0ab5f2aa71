"""Means of several methods on what all of them were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metatap_training.report.results import Results, by_family, mean_known


@dataclass(frozen=True)
class Shared:
    """Methods on the same draws of the same cells.

    Attributes:
        means: Method → mean TPR at FPR 1e-3 over families, each the mean of its cells, each the
            mean of its draws.
        families: Families.
        cells: Cells.
    """

    means: Mapping[str, float]
    families: int
    cells: int


def shared(rows: Results, methods: Sequence[str]) -> Shared | None:
    """The methods that `rows` has, on the draws all of these have; None if there is none."""
    there = [name for name in methods if name in rows.methods]
    if not there:
        return None
    tpr = [rows.matrix(name) for name in there]
    known = ~np.isnan(np.stack(tpr)).any(0)
    cells = np.asarray(known).any(1)
    if not cells.any():
        return None
    family = rows["family"][rows.first[cells]]
    means = {
        name: by_family(family, mean_known(np.where(known, one, np.nan)[cells], 1))
        for name, one in zip(there, tpr, strict=True)
    }
    return Shared(
        {name: float(values.mean()) for name, values in means.items()},
        len(np.unique(family)),
        int(cells.sum()),
    )
