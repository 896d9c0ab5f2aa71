"""Which form scores get, by the name of the file."""

from __future__ import annotations

from pathlib import Path

from metatap.detector import RuleSet
from metatap.errors import MetatapError
from metatap.offline.parquet import ParquetWriter
from metatap.offline.writers import STDOUT, CsvWriter, Writer

ENDS = (".csv", ".csv.gz", ".parquet")


def open_writer(path: Path, rules: RuleSet) -> Writer:
    """A writer of scores, not yet entered.

    Args:
        path: `*.csv`, `*.csv.gz`, `*.parquet`, or `-` for CSV on standard output.
        rules: What the flows are scored with.

    Raises:
        MetatapError: another name, or Parquet is asked for and pyarrow is not there.
    """
    if path.name.endswith(".parquet"):
        return ParquetWriter(path, rules)
    if path == STDOUT or path.name.endswith(ENDS):
        return CsvWriter(path, rules)
    raise MetatapError(f"{path}: must end in {', '.join(ENDS)}, or be - for standard output")
