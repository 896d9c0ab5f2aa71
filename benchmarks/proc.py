"""Memory and processor time of a process, from Linux's /proc (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def rss(pid: int) -> float:
    """Resident memory, MiB; 0 once the process is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu(pid: int) -> float:
    """Seconds of the processor it has used, all threads, user and system; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    # The command's name is in brackets and may hold anything.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slope(seconds: Floats, values: Floats) -> float:
    """Least squares of `values` (float64 [n]) over time, in their unit a minute; n ≥ 2."""
    if len(seconds) < 2:
        raise ValueError("a slope needs two points")
    moved = seconds - seconds.mean()
    return float(moved @ (values - values.mean()) / (moved @ moved) * 60)
