"""FlowBatch: finished connections as columns, from the wire to the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metatap.errors import FlowError
from metatap.flow.columns import Column, Numeric, Strings, concat_numeric, concat_strings
from metatap.flow.schema import BY_NAME, COLUMNS, DTYPES, Kind


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch came from, for messages and counters.

    Attributes:
        source: Kind of the source, e.g. `zeek+zmq`.
        node: Zeek node or file name.
        batch: Number of the batch within (node, boot, shard), or of the file's chunk.
        capture: Name of the capture the flows are from, where a source holds several; context
            starts anew with each.
    """

    source: str = ""
    node: str = ""
    batch: int = 0
    capture: str = ""


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """A batch of flows, one column per schema entry.

    A column that no flow of the batch has is not in `columns`: it is absent as a whole. Arrays may
    be views of the received message and must not be written to.

    Attributes:
        rows: Number of flows, n ≥ 0.
        columns: Schema name → `Numeric` or `Strings` of n rows.
        origin: Where the batch came from.

    Raises:
        FlowError: a column is not in the schema, or its form, dtype or length is wrong.
    """

    rows: int
    columns: Mapping[str, Column]
    origin: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            spec = BY_NAME.get(name)
            if spec is None:
                raise FlowError(f"{name}: not a column of the schema")
            if len(column) != self.rows:
                raise FlowError(f"{name}: {len(column)} rows in a batch of {self.rows}")
            if (spec.kind is Kind.STRING) is not isinstance(column, Strings):
                raise FlowError(f"{name}: {type(column).__name__} can't hold a {spec.kind}")
            if isinstance(column, Numeric) and column.values.dtype != DTYPES[spec.kind]:
                raise FlowError(f"{name}: dtype {column.values.dtype}, not {DTYPES[spec.kind]}")
            if column.valid is not None and len(column.valid) != self.rows:
                raise FlowError(f"{name}: mask of {len(column.valid)} rows")

    def __len__(self) -> int:
        return self.rows

    def numeric(self, name: str) -> Numeric | None:
        """A fixed-width column, None where no flow has it."""
        column = self.columns.get(name)
        return column if isinstance(column, Numeric) else None

    def strings(self, name: str) -> Strings | None:
        """A string column, None where no flow has it."""
        column = self.columns.get(name)
        return column if isinstance(column, Strings) else None

    def partial_rows(self) -> npt.NDArray[np.bool_]:
        """bool [n], flows that are interim records of a connection that has not ended."""
        column = self.numeric("partial")
        if column is None:
            return np.zeros(self.rows, np.bool_)
        return np.asarray(column.mask() & (column.values != 0))

    def take(self, index: npt.NDArray[np.intp]) -> FlowBatch:
        """The flows at `index` (intp [m]), in that order."""
        return FlowBatch(
            len(index), {name: col.take(index) for name, col in self.columns.items()}, self.origin
        )

    def chunks(self, rows: int) -> Iterator[FlowBatch]:
        """The batch in parts of at most `rows` flows."""
        if self.rows <= rows:
            yield self
            return
        for start in range(0, self.rows, rows):
            yield self.take(np.arange(start, min(start + rows, self.rows)))


def concat(batches: Sequence[FlowBatch]) -> FlowBatch:
    """One batch from several, in order; a column absent in some is masked there."""
    if len(batches) == 1:
        return batches[0]
    names = [spec.name for spec in COLUMNS if any(spec.name in b.columns for b in batches)]
    columns: dict[str, Column] = {}
    for name in names:
        parts = [b.columns[name] if name in b.columns else _absent(name, b.rows) for b in batches]
        if BY_NAME[name].kind is Kind.STRING:
            columns[name] = concat_strings([p for p in parts if isinstance(p, Strings)])
        else:
            columns[name] = concat_numeric([p for p in parts if isinstance(p, Numeric)])
    origin = batches[0].origin if batches else Origin()
    return FlowBatch(sum(b.rows for b in batches), columns, origin)


def _absent(name: str, rows: int) -> Column:
    kind = BY_NAME[name].kind
    none = np.zeros(rows, np.bool_)
    if kind is Kind.STRING:
        return Strings(np.zeros(rows + 1, np.int64), np.zeros(0, np.uint8), none)
    shape = (rows, 16) if kind is Kind.ADDR else (rows,)
    return Numeric(np.zeros(shape, DTYPES[kind]), none)
