"""Access to the columns of a batch as the features need them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.flow import FlowBatch, Group
from metatap.flow.schema import group_columns

_GROUPS = {group: group_columns(group) for group in Group}


def has_group(batch: FlowBatch, group: Group) -> npt.NDArray[np.bool_] | None:
    """bool [n], the flow has this protocol's summary (its first required or any column).

    None where no column of the group is there.
    """
    found = None
    for spec in _GROUPS[group]:
        column = batch.columns.get(spec.name)
        if column is not None:
            mask = column.mask()
            found = mask if found is None else found | mask
            if not spec.optional:
                break
    return found
