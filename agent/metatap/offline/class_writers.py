"""Where classes of flows go: the forms that scores have, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metatap.offline.classified import Classified
from metatap.offline.parquet import ParquetFile
from metatap.offline.writers import CsvFile, cell

COLUMNS = ("uid", "class", "probability", "window")
"""Columns of every form, in this order."""


class ClassCsvWriter(CsvFile):
    """Classes as CSV; probabilities with six digits."""

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        """Open nothing yet; `path` as for `CsvFile`, `classes` the names of the C classes."""
        super().__init__(path, COLUMNS)
        self._names = [cell(name) for name in classes]

    def write(self, found: Classified) -> int:
        """Write a row for each flow; returns their number."""
        columns = (found.code.tolist(), found.probability.tolist(), found.window.tolist())
        self.add(
            "".join(
                f"{cell(uid)},{self._names[code]},{probability:.6g},{window}\n"
                for uid, code, probability, window in zip(found.uids, *columns, strict=True)
            )
        )
        return len(found.uids)


class ClassParquetWriter(ParquetFile):
    """Classes as Parquet: uid large_string, class dictionary, probability float32, window int64."""

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        """Open nothing yet; MetatapError if pyarrow is not installed."""
        super().__init__(path, COLUMNS, ("large_string", "word", "float32", "int64"))
        self._names = self._pa.array(list(classes), self._pa.string())

    def write(self, found: Classified) -> int:
        """Write a row for each flow; returns their number."""
        pa = self._pa
        code = pa.array(found.code.astype(np.int32))
        self.add(
            [
                pa.array(found.uids, pa.large_string()),
                pa.DictionaryArray.from_arrays(code, self._names),
                pa.array(found.probability),
                pa.array(found.window),
            ]
        )
        return len(found.uids)
