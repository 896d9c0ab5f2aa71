"""Streams of flows to test context with, and the backends to test."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import strategies as st

from metatap.context import CONTEXT_NAMES, Context
from metatap.flow import FlowBatch, Row, from_rows
from metatap.sources import open_source
from tests.agent.flow.samples import flow

RECORDING = "tests/data/lab/office.mtrec"
Matrix = npt.NDArray[np.float32]

needs_numba = pytest.mark.skipif(
    find_spec("numba") is None, reason="numba is not installed (extra `fast`)"
)
BACKENDS = [False, pytest.param(True, marks=needs_numba)]


@cache
def recorded() -> tuple[FlowBatch, ...]:
    """The batches of the lab recording as the wire decoder gives them: views of the messages."""
    source = open_source(RECORDING)
    found = []
    while not source.done:
        batch = source.read(1.0)
        if batch is not None:
            found.append(batch)
    source.close()
    return tuple(found)


def in_order(batch: FlowBatch) -> FlowBatch:
    """Flows by start."""
    start = batch.numeric("ts")
    assert start is not None
    return batch.take(np.argsort(start.values, kind="stable"))


def rows_of(times: Sequence[float] | npt.NDArray[Any], **columns: Any) -> list[Row]:
    """A flow each time (s); a column is one value for all, or a list."""
    changes = [
        {n: v[at] if isinstance(v, list) else v for n, v in columns.items()}
        for at in range(len(times))
    ]
    base = {"id__orig_h": "10.0.0.1", "orig_ip_bytes": 100}
    return [
        flow(at, ts=float(time), **(base | changed))
        for at, (time, changed) in enumerate(zip(times, changes, strict=True))
    ]


def stream_of(times: Sequence[float] | npt.NDArray[Any], **columns: Any) -> FlowBatch:
    """`rows_of` as a batch."""
    return from_rows(rows_of(times, **columns))


def run(context: Context, batch: FlowBatch, rows: int) -> Matrix:
    """The context of a stream that is cut into batches of so many rows."""
    return np.concatenate([context.update(part) for part in batch.chunks(rows)])


def column(matrix: Matrix, name: str) -> Matrix:
    """One feature, without the prefix `context.`."""
    return matrix[:, CONTEXT_NAMES.index(f"context.{name}")]


def _one(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


@st.composite
def streams(draw: st.DrawFn) -> FlowBatch:
    """Up to 60 flows of few hosts, in order of their starts, some without what is optional."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.013, 0.7, 11.3, 411.0, 9173.0]), max_size=60))
    rows = []
    for at, time in enumerate(np.cumsum(np.array(gaps) * rng.uniform(0.5, 1.0, len(gaps)))):
        row = flow(
            at,
            ts=1e6 + float(time),
            id__orig_h=f"10.0.0.{rng.integers(3)}",
            id__resp_h=f"2001:db8::{rng.integers(4)}",
            id__resp_p=int(rng.choice([53, 443])),
            proto=str(rng.choice(["tcp", "udp"])),
            conn_state=_one(rng, "SF", "S0", None),
            resp_pkts=_one(rng, 0, 3, None),
            orig_ip_bytes=_one(rng, 0, 40, 1500, None),
            resp_ip_bytes=_one(rng, 0, 70, None),
            partial=bool(rng.random() < 0.1),
        )
        row["ts"] = row["ts"] if rng.random() < 0.9 else None
        rows.append({name: value for name, value in row.items() if value is not None})
    return from_rows(rows)
