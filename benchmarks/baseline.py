"""Ratios of an earlier state, and whether those of now are much worse.

The file is one object: benchmark → what was measured → `ratio`, `bound` (the side that is good) and
`margin`, how many times worse a ratio may be before it counts. Absolute figures are not in it: they
are another machine's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.result import Result, ResultError

PLACE = Path(__file__).with_name("baseline.json")

MARGIN = 1.5
"""How many times worse a ratio may be: beyond what a machine that others use as well does to it."""


@dataclass(frozen=True, slots=True)
class Known:
    """A ratio of the baseline.

    Attributes:
        ratio: Above 0.
        is_high_good: Whether more is better.
        margin: How many times worse it may be, at least 1.
    """

    ratio: float
    is_high_good: bool
    margin: float = MARGIN

    def worse(self, ratio: float) -> float:
        """How many times worse a ratio is; below 1: better."""
        if ratio <= 0:
            return math.inf if self.is_high_good else 0.0
        return self.ratio / ratio if self.is_high_good else ratio / self.ratio


Baseline = dict[str, dict[str, Known]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One ratio held against the baseline.

    Attributes:
        name: Benchmark.
        what: Which row of it.
        known: What it was.
        ratio: What it is, None where it was not measured.
    """

    name: str
    what: str
    known: Known
    ratio: float | None

    @property
    def is_good(self) -> bool:
        """Whether it was measured and is not much worse."""
        return self.ratio is not None and self.known.worse(self.ratio) <= self.known.margin


def read(path: Path = PLACE) -> Baseline:
    """A baseline.

    Raises:
        ResultError: the file is not one; names file and row.
        OSError: it can't be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ResultError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(rows, dict) for rows in found.values()):
        raise ResultError(f"{path}: not an object of objects")
    return {
        name: {what: _known(f"{path}: {name}: {what}", row) for what, row in rows.items()}
        for name, rows in found.items()
    }


def write(results: Mapping[str, Result], path: Path = PLACE) -> None:
    """Take the ratios of results into the baseline.

    What was not measured stays, and so do the margins of rows that were in it.
    """
    before = read(path) if path.exists() else {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if before else {}
    made: dict[str, dict[str, dict[str, Any]]] = {
        name: rows for name, rows in kept.items() if name not in results
    }
    for name, result in sorted(results.items()):
        for row in result.report.rows:
            if row.is_ratio:
                known = before.get(name, {}).get(row.what)
                made.setdefault(name, {})[row.what] = {
                    "ratio": round(row.measured, 4),
                    "bound": row.bound,
                    "margin": MARGIN if known is None else known.margin,
                }
    made = dict(sorted(made.items()))
    path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def compare(baseline: Baseline, results: Mapping[str, Result]) -> list[Verdict]:
    """Each row of the baseline whose benchmark was run, or skipped, held against it."""
    verdicts: list[Verdict] = []
    for name, rows in baseline.items():
        if name not in results:
            continue
        now = {row.what: row.measured for row in results[name].report.rows if row.is_ratio}
        verdicts += [Verdict(name, what, known, now.get(what)) for what, known in rows.items()]
    return verdicts


def told(verdict: Verdict) -> str:
    """A verdict in a line."""
    known = verdict.known
    place = f"{verdict.name}: {verdict.what}"
    if verdict.ratio is None:
        return f"MISSING  {place}: was {known.ratio:.3g}, not measured"
    word = "good   " if verdict.is_good else "WORSE  "
    factor = known.worse(verdict.ratio)
    change = f"{factor:.2f} times worse" if factor > 1 else f"{1 / factor:.2f} times better"
    return f"{word}  {place}: was {known.ratio:.3g}, is {verdict.ratio:.3g}, {change}"


def _known(place: str, row: Any) -> Known:
    if not isinstance(row, dict):
        raise ResultError(f"{place}: not an object")
    ratio, margin = row.get("ratio"), row.get("margin", MARGIN)
    for name, value, least in (("ratio", ratio, 0.0), ("margin", margin, 1.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            raise ResultError(f"{place}: {name}: {value!r}")
    if not ratio:
        raise ResultError(f"{place}: ratio: 0")
    bound = row.get("bound")
    if bound not in {"at least", "at most", "below"}:
        raise ResultError(f"{place}: bound: {bound!r}")
    return Known(float(ratio), bound == "at least", float(margin))
