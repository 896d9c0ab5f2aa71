"""Scores as Parquet; needs pyarrow, the extra `metatap[lake]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from metatap.detector import RuleSet
from metatap.errors import MetatapError
from metatap.offline.scoring import ScoredBatch
from metatap.offline.uids import uid_column
from metatap.offline.writers import COLUMNS
from metatap.writing import PartFile

GROUP_ROWS = 1 << 17
"""Rows of a row group, at least (the last one excepted); so many are held back."""


def _pyarrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional dependency
        import pyarrow.parquet  # noqa: PLC0415 - makes pa.parquet
    except ImportError:
        raise MetatapError("Parquet needs pyarrow: pip install 'metatap[lake]'") from None
    return pa


class ParquetFile:
    """A Parquet file being written in row groups; a context manager."""

    def __init__(self, path: Path, columns: Sequence[str], types: Sequence[str]) -> None:
        """Open nothing yet.

        Args:
            path: The file.
            columns: Names of the columns.
            types: Their types, as pyarrow's aliases; `word` for a dictionary of strings.

        Raises:
            MetatapError: pyarrow is not installed.
        """
        self._pa = pa = _pyarrow()
        self._path = path
        words = pa.dictionary(pa.int32(), pa.string())
        kinds = [words if name == "word" else pa.type_for_alias(name) for name in types]
        self._schema = pa.schema(list(zip(columns, kinds, strict=True)))
        self._held: list[Any] = []
        self._held_rows = 0
        self._part: PartFile
        self._file: Any

    def __enter__(self) -> Self:
        self._part = PartFile(self._path)
        self._file = self._pa.parquet.ParquetWriter(str(self._part.part), self._schema)
        return self

    def add(self, arrays: Sequence[Any]) -> None:
        """Write rows, one array a column."""
        batch = self._pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._held.append(batch)
        self._held_rows += batch.num_rows
        if self._held_rows >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(
            self._pa.Table.from_batches(self._held, self._schema), row_group_size=2 * GROUP_ROWS
        )
        self._held, self._held_rows = [], 0

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        whole = False
        try:
            if kind is None and self._held:
                self._flush()
            self._file.close()
            whole = kind is None
        finally:
            self._part.end(whole=whole)


class ParquetWriter(ParquetFile):
    """Scores as Parquet, exactly as they are.

    uid is large_string, pack dictionary, score and threshold float32, alert uint8.
    """

    def __init__(self, path: Path, rules: RuleSet) -> None:
        """Open nothing yet.

        Args:
            path: The file.
            rules: What the flows are scored with.

        Raises:
            MetatapError: pyarrow is not installed.
        """
        super().__init__(path, COLUMNS, ("large_string", "word", "float32", "float32", "uint8"))
        self._names = self._pa.array([pack.id for pack in rules.packs], self._pa.string())
        self._thresholds = rules.thresholds[: len(rules.packs)]

    def write(self, scored: ScoredBatch) -> int:
        """Write a row for each flow and pack; returns their number."""
        pa = self._pa
        flows, packs = scored.scores.shape
        uids = uid_column(scored.batch)
        buffers = [
            None,
            *(pa.py_buffer(np.ascontiguousarray(x)) for x in (uids.offsets, uids.data)),
        ]
        column = pa.Array.from_buffers(pa.large_string(), flows, buffers)
        index = pa.array(np.tile(np.arange(packs, dtype=np.int32), flows))
        self.add(
            [
                column.take(pa.array(np.repeat(np.arange(flows), packs))),
                pa.DictionaryArray.from_arrays(index, self._names),
                pa.array(scored.scores.ravel()),
                pa.array(np.tile(self._thresholds, flows)),
                pa.array(scored.alerts.ravel().astype(np.uint8)),
            ]
        )
        return scored.scores.size
