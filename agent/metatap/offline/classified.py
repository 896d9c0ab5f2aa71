"""Flows with the class of their window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Classified:
    """n flows in the order of their stream.

    Attributes:
        uids: Uid of each, "" where absent.
        code: intp [n], the class of its window, an index into the model's classes.
        probability: float32 [n], of that class.
        window: int64 [n], number of the window, from 0, in the order windows were scored in.
    """

    uids: list[str]
    code: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float32]
    window: npt.NDArray[np.int64]
