"""Results of a benchmark as columns: one row is one method on one draw of one cell.

A cell is a held-out family in a network at one K: (table, fold, family, support_network, network,
k). The network `*` stands for all networks of a job pooled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap_training.report.methods import in_order

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

POOLED = "*"
CELL = ("table", "fold", "family", "support_network", "network", "k")
TEXT = ("table", "role", "fold", "family", "group", "support_network", "network", "scope",
        "method", "split")  # fmt: skip
COUNTS = ("k", "draw", "positives", "negatives", "hosts")
SHARES = ("tpr", "tpr_1e4", "tpr_background", "fpr_background", "auprc", "recall_budget",
          "precision_budget", "ece", "tpr_low", "tpr_high")  # fmt: skip


@dataclass(frozen=True)
class About:
    """What the results say of themselves.

    Attributes:
        fpr_grid: [G], false-positive rates of the curves, ascending; may be empty.
        prevalence: Share of positives that precision and AUPRC are stated at; NaN if not said.
        facts: Command, date, versions and the like, as text.
    """

    fpr_grid: tuple[float, ...] = ()
    prevalence: float = float("nan")
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """Rows of a benchmark.

    Attributes:
        columns: By name, [n]: str for TEXT, int64 for COUNTS, float64 for SHARES (NaN = not
            measured) and `seconds`, bool for `weak`.
        curve: float32 [n, G], TPR at each rate of the grid; NaN where not kept.
        about: Grid, prevalence, provenance.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    curve: npt.NDArray[np.float32]
    about: About

    def __len__(self) -> int:
        return len(self.columns["method"])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def take(self, rows: Mask) -> Results:
        """The rows where a bool [n] is true."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, columns=columns, curve=self.curve[rows])

    def only(self, **wanted: object) -> Results:
        """Rows whose columns equal a value or are among a tuple of values: `only(k=5)`."""
        rows = np.ones(len(self), np.bool_)
        for name, value in wanted.items():
            values = value if isinstance(value, tuple) else (value,)
            rows &= np.isin(self.columns[name], values)
        return self.take(rows)

    def single(self) -> Results:
        """Rows of single networks, not pooled ones."""
        return self.take(self["network"] != POOLED)

    def pooled(self) -> Results:
        """Rows of pooled networks."""
        return self.take(self["network"] == POOLED)

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Methods there are, own first."""
        return in_order(str(name) for name in np.unique(self["method"]))

    def values(self, name: str) -> tuple[Any, ...]:
        """Distinct values of a column, ascending."""
        return tuple(np.unique(self.columns[name]).tolist())

    @cached_property
    def _cells(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        code = np.zeros(len(self), np.int64)
        for name in CELL:
            _, part = np.unique(self.columns[name], return_inverse=True)
            _, code = np.unique(code * (part.max(initial=0) + 1) + part, return_inverse=True)
        _, first = np.unique(code, return_index=True)
        return code.astype(np.intp), first.astype(np.intp)

    @property
    def cell(self) -> npt.NDArray[np.intp]:
        """intp [n]: the cell of each row, numbered from 0."""
        return self._cells[0]

    @property
    def first(self) -> npt.NDArray[np.intp]:
        """intp [C]: a row of each cell, from which to read what all its rows share."""
        return self._cells[1]

    def matrix(self, method: str, name: str = "tpr") -> Floats:
        """float64 [C, D]: a column of one method by cell and draw; NaN where not measured."""
        draws = int(self["draw"].max(initial=-1)) + 1
        found = np.full((len(self.first), draws), np.nan)
        rows = self["method"] == method
        found[self.cell[rows], self["draw"][rows]] = self.columns[name][rows]
        return found


def mean_known(values: Floats, axis: int | None = None) -> Floats:
    """Mean of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def by_family(family: npt.NDArray[np.str_], values: Floats, among: Collection[str] = ()) -> Floats:
    """float64 [families]: mean of the known values of each family; families with none are left out.

    Args:
        family: str [C].
        values: float64 [C].
        among: The families asked for, in order; by default all there are, by letter.
    """
    known = ~np.isnan(values)
    names = list(among) or np.unique(family[known]).tolist()
    return np.array([values[known & (family == name)].mean() for name in names])
