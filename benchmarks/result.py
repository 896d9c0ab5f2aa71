"""What a benchmark found: rows of figures beside their targets, and their form in a JSON file.

The file is one object. `benchmark`, `command` and `machine` say what was run where. The first row
stands in the object itself, further ones under `also`; each has `what`, `ratio` or `value`, `unit`,
`target` and `bound` where there is one, `spread` (first and third quartile of the repeats) and
`met`. `info` holds further figures. A benchmark that could not be run has `skipped` instead, the
reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.timing import Spread

Bound = Literal["at least", "at most", "below"]

Info = dict[str, str | int | float]


class ResultError(ValueError):
    """A file of results that is not as it should be; names the file and the field."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        what: What was measured, as the table has it; unique within a benchmark.
        measured: The figure, a median where there were repeats.
        unit: Its unit; "" for a ratio.
        target: What it is held against, None for a figure that is only told.
        bound: Which side of the target is good.
        spread: First and third quartile of the repeats, None where there were none.
    """

    what: str
    measured: float
    unit: str = ""
    target: float | None = None
    bound: Bound = "at least"
    spread: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        what: str,
        spread: Spread,
        unit: str = "",
        target: float | None = None,
        bound: Bound = "at least",
    ) -> Row:
        """A row of repeats."""
        return cls(what, spread.median, unit, target, bound, spread.quartiles)

    @property
    def is_ratio(self) -> bool:
        """A ratio of two times of one run: it can be compared between machines."""
        return not self.unit

    @property
    def met(self) -> bool | None:
        """Whether the target is met, None where there is none."""
        if self.target is None:
            return None
        if self.bound == "at least":
            return self.measured >= self.target
        return (
            self.measured < self.target if self.bound == "below" else self.measured <= self.target
        )

    def document(self) -> dict[str, Any]:
        """The row as JSON has it."""
        made: dict[str, Any] = {"what": self.what, "unit": self.unit}
        made["ratio" if self.is_ratio else "value"] = self.measured
        if self.target is not None:
            made |= {"target": self.target, "bound": self.bound, "met": self.met}
        if self.spread is not None:
            made["spread"] = list(self.spread)
        return made


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found.

    Attributes:
        rows: The figures, the one of the contract first; none if it was skipped.
        info: Further figures, by name.
        skipped: Why it could not be run, "" if it was.
    """

    rows: tuple[Row, ...] = ()
    info: Info = field(default_factory=dict)
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A report with where it came from.

    Attributes:
        name: Name of the benchmark.
        command: What was run, without paths.
        machine: See `machine.machine`.
        report: What it found.
    """

    name: str
    command: str
    machine: dict[str, str]
    report: Report

    def write(self, path: Path) -> None:
        """Write the file; its folder is made."""
        made: dict[str, Any] = {"benchmark": self.name, "command": self.command}
        if self.report.skipped:
            made["skipped"] = self.report.skipped
        for at, row in enumerate(self.report.rows):
            if at:
                made.setdefault("also", []).append(row.document())
            else:
                made |= row.document()
        made |= {"machine": self.machine, "info": self.report.info}
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(made, indent=2, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> Result:
    """A file that `Result.write` wrote.

    Raises:
        ResultError: it is not one; names file and field.
        OSError: it can't be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ResultError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ResultError(f"{path}: not an object")
    name, command = (_field(path, found, key, str) for key in ("benchmark", "command"))
    machine = _field(path, found, "machine", dict)
    rows: tuple[Row, ...] = ()
    if "skipped" not in found:
        also = _field(path, found | {"also": found.get("also", [])}, "also", list)
        rows = tuple(_row(path, item) for item in (found, *also))
    report = Report(rows, found.get("info", {}), str(found.get("skipped", "")))
    return Result(name, command, machine, report)


def read_folder(folder: Path) -> dict[str, Result]:
    """The results in a folder, by benchmark; raises as `read` does."""
    found = (read(path) for path in sorted(folder.glob("*.json")))
    return {result.name: result for result in found}


def _field(path: Path, found: Mapping[str, Any], name: str, kind: type) -> Any:
    value = found.get(name)
    if not isinstance(value, kind):
        raise ResultError(f"{path}: {name}: not of type {kind.__name__}")
    return value


def _row(path: Path, found: Any) -> Row:
    if not isinstance(found, dict):
        raise ResultError(f"{path}: also: not an object")
    unit = _field(path, found, "unit", str)
    measured = _number(path, found, "value" if unit else "ratio")
    target = _number(path, found, "target") if "target" in found else None
    bound = found.get("bound", "at least")
    if bound not in {"at least", "at most", "below"}:
        raise ResultError(f"{path}: bound: {bound!r}")
    spread = None
    if "spread" in found:
        low, high = _pair(path, found["spread"])
        spread = low, high
    return Row(_field(path, found, "what", str), measured, unit, target, bound, spread)


def _number(path: Path, found: Mapping[str, Any], name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ResultError(f"{path}: {name}: not a number")
    return float(value)


def _pair(path: Path, found: Any) -> tuple[float, float]:
    if not isinstance(found, list) or len(found) != 2:
        raise ResultError(f"{path}: spread: not two numbers")
    low, high = (_number(path, {"spread": value}, "spread") for value in found)
    return low, high
