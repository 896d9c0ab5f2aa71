"""Every claim of speed, as a measurement that anyone can repeat.

One module a claim: `python -m benchmarks.NAME --json FILE`. `python -m benchmarks` runs all of
them, writes a table and compares with what was measured before (`docs/performance.md`).

This module holds the number of threads to one before NumPy is loaded: BLAS, OpenMP and Polars
start theirs when they are imported.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
os.environ["POLARS_MAX_THREADS"] = "1"
