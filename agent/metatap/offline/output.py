"""Which form scores get, by the name of the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from metatap.detector import RuleSet
from metatap.errors import MetatapError
from metatap.offline.class_writers import ClassCsvWriter, ClassParquetWriter
from metatap.offline.classified import Classified
from metatap.offline.parquet import ParquetWriter
from metatap.offline.scoring import ScoredBatch
from metatap.offline.writers import STDOUT, CsvWriter, Writer, check_folder

ENDS = (".csv", ".csv.gz", ".parquet")


def check_target(path: Path) -> None:
    """Check the name of the file and that its folder is there.

    Raises:
        MetatapError: it ends in nothing known, or there is no such folder.
    """
    if path == STDOUT:
        return
    if not path.name.endswith(ENDS):
        raise MetatapError(f"{path}: must end in {', '.join(ENDS)}, or be - for standard output")
    check_folder(path)


def open_writer(path: Path, rules: RuleSet) -> Writer[ScoredBatch]:
    """A writer of scores, not yet entered.

    Args:
        path: `*.csv`, `*.csv.gz`, `*.parquet`, or `-` for CSV on standard output.
        rules: What the flows are scored with.

    Raises:
        MetatapError: see `check_target`; or Parquet is asked for and pyarrow is not there.
    """
    check_target(path)
    if path.name.endswith(".parquet"):
        return ParquetWriter(path, rules)
    return CsvWriter(path, rules)


def open_class_writer(path: Path, classes: Sequence[str]) -> Writer[Classified]:
    """A writer of classes of flows, not yet entered; path and errors as for `open_writer`.

    Args:
        path: As for `open_writer`.
        classes: Names of the C classes.
    """
    check_target(path)
    if path.name.endswith(".parquet"):
        return ClassParquetWriter(path, classes)
    return ClassCsvWriter(path, classes)
