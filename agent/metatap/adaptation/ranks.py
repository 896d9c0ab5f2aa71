"""Ranks within groups, for keeping each group's best."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def ranks(group: npt.NDArray[Any], value: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.intp]:
    """Place of each row among its group's, by falling value; 0 is the highest.

    Args:
        group: [n], of any type that sorts.
        value: [n]; of equals the first row comes first.

    Returns:
        intp [n].
    """
    order = np.lexsort((-value, group))
    rank = np.empty(len(order), np.intp)
    if len(order):
        ordered = group[order]
        begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        lengths = np.diff(np.r_[begins, len(order)])
        rank[order] = np.arange(len(order)) - np.repeat(begins, lengths)
    return rank
