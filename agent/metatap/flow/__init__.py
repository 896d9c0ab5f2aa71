"""The flow record.

In: nothing. Out: `FlowBatch`, the structure of NumPy arrays that every stage passes on. Nothing is
dropped here: a batch that breaks the schema raises `FlowError`.
"""

from metatap.flow.batch import FlowBatch, Origin, concat
from metatap.flow.columns import Numeric, Strings
from metatap.flow.rows import Row, from_rows, to_row
from metatap.flow.schema import COLUMNS, CONTRACT_VERSION, ColumnSpec, Group, Kind

__all__ = [
    "COLUMNS",
    "CONTRACT_VERSION",
    "ColumnSpec",
    "FlowBatch",
    "Group",
    "Kind",
    "Numeric",
    "Origin",
    "Row",
    "Strings",
    "concat",
    "from_rows",
    "to_row",
]
