"""What context costs a flow: the compiled twin and the NumPy reference against plain Python.

    python benchmarks/context.py [--recording FILE] [--rows 512 4096] [--seconds 6]

All three get the same stream: the recording's flows, interleaved under other originators until more
than 50,000 keys are alive in a table of the default size. Plain Python is the straightforward way
of doing it: a dict a kind of key, a few floats a key, one flow after the other; it is given the
columns as lists, and ends with the same counts and means. All run on one core in one process and
in turns; printed are medians of ns a flow, batch to matrix, and plain Python's ratio to each.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from metatap.context import Context
from metatap.context.layout import FAILED_STATES, HALF_LIVES
from metatap.flow import FlowBatch, Numeric, concat
from metatap.flow.schema import CONN_STATES
from metatap.offline.stream import read
from metatap.sources import open_source

KEYS_ALIVE = 50_000
FLOWS = 200_000
FAILED = {CONN_STATES.index(state) for state in FAILED_STATES}


def recorded(path: Path) -> FlowBatch:
    """All flows of a recording."""
    return concat(list(read(open_source(str(path)))))


def interleaved(flows: FlowBatch) -> FlowBatch:
    """The flows under other originators too, up to 200 networks, flow by flow in turns."""
    networks = min(200, -(-FLOWS // flows.rows))
    index = np.repeat(np.arange(flows.rows), networks)
    batch = flows.take(index)
    address = batch.columns["id.orig_h"]
    values = np.array(address.values if isinstance(address, Numeric) else [], np.uint8)
    values[:, 13] += np.tile(np.arange(networks), flows.rows).astype(np.uint8)
    return FlowBatch(batch.rows, {**batch.columns, "id.orig_h": Numeric(values)}, batch.origin)


class Plain:
    """Decayed counts and means of host, pair and service in dicts."""

    def __init__(self) -> None:
        self.keys: dict[tuple[Any, ...], list[float]] = {}
        self.seen: dict[tuple[Any, ...], float] = {}

    def update(self, batch: FlowBatch) -> list[list[float]]:
        """A list a flow: counts, failed, things, mean gap and size of its three keys."""
        columns = {name: col for name, col in batch.columns.items() if isinstance(col, Numeric)}
        names = ("ts", "id.resp_p", "proto", "conn_state", "orig_ip_bytes", "resp_ip_bytes")
        lists = [columns[name].values.tolist() for name in names]
        hosts, peers = (
            [address.tobytes() for address in columns[name].values]
            for name in ("id.orig_h", "id.resp_h")
        )
        found = []
        for host, peer, ts, port, proto, state, sent, got in zip(hosts, peers, *lists, strict=True):
            keys = ((host,), (host, peer), (host, port, proto), (host, peer, port, proto))
            now, read = ts / 1e9, []
            fresh = [self._fresh(key, now) for key in keys]
            for key, things in zip(keys, (fresh[1:3], fresh[3:], fresh[3:]), strict=False):
                read += self._flow(key, now, state in FAILED, sent + got, things)
            found.append(read)
        return found

    def _fresh(self, key: tuple[Any, ...], now: float) -> list[float]:
        last = self.seen.get(key)
        self.seen[key] = now if last is None else max(now, last)
        if last is None:
            return [1.0] * len(HALF_LIVES)
        return [1.0 - 2.0 ** (-max(now - last, 0.0) / half_life) for half_life in HALF_LIVES]

    def _flow(
        self, key: tuple[Any, ...], now: float, failed: bool, size: int, things: list[list[float]]
    ) -> list[float]:
        held = self.keys.get(key)
        if held is None:
            held = self.keys[key] = [now] + [0.0] * 16
        gap = max(now - held[0], 0.0)
        held[0] += gap
        at = 1
        for scale, half_life in enumerate(HALF_LIVES):
            left = 2.0 ** (-gap / half_life)
            for part in (1.0, float(failed), *(thing[scale] for thing in things)):
                held[at] = left * held[at] + part
                at += 1
        share = 1.0 / min(max(held[1], 1.0), 8.0)
        held[13] += share * (gap - held[13])
        held[14] += share * (abs(gap - held[13]) - held[14])
        held[15] += share * (size - held[15])
        held[16] += share * (abs(size - held[15]) - held[16])
        return held[1:]


def measure(stream: FlowBatch, rows: int, seconds: float) -> dict[str, float]:
    """Median ns a flow of each, in turns, once the table is filled."""
    batches = list(stream.chunks(rows))[:-1]
    jobs: dict[str, Any] = {"reference": Context(compiled=False), "plain Python": Plain()}
    twin = Context()
    if twin.compiled:
        jobs = {"twin": twin, **jobs}
    for batch in batches:
        for name in jobs:
            if name != "plain Python":
                jobs[name].update(batch)
    alive = [int((s.tags != 0).sum()) for s in (twin._slots, twin._times)]  # noqa: SLF001
    if twin.compiled and sum(alive) < KEYS_ALIVE:
        raise SystemExit(f"only {sum(alive)} keys are alive")
    print(f"\n{rows} flows a batch; alive: {alive[0]:,} keys with statistics, {alive[1]:,} times")
    times: dict[str, list[float]] = {name: [] for name in jobs}
    end = time.perf_counter() + seconds
    for turn in range(10**6):
        if time.perf_counter() > end and turn >= 5:
            break
        # Several batches at a time: none finds the caches as another left them.
        part = [batches[(turn * 8 + at) % len(batches)] for at in range(8)]
        for name, job in jobs.items():
            start = time.perf_counter()
            for batch in part:
                job.update(batch)
            times[name].append((time.perf_counter() - start) / (8 * rows) * 1e9)
    return {name: float(np.median(values)) for name, values in times.items()}


def main() -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description="context a flow, against plain Python")
    parser.add_argument("--recording", type=Path, default=Path("tests/data/lab/office.mtrec"))
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 4096], help="batch sizes")
    parser.add_argument("--seconds", type=float, default=6, help="time for each batch size")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    start = time.perf_counter()
    Context()
    print(f"first Context, compilation or cache included: {time.perf_counter() - start:.2f} s")
    stream = interleaved(recorded(given.recording))
    for rows in given.rows:
        medians = measure(stream, rows, given.seconds)
        print(f"  {'':14} {'ns/flow':>9} {'plain Python is':>16}")
        for name, median in medians.items():
            print(f"  {name:14} {median:9,.0f} {medians['plain Python'] / median:15.1f}×")


if __name__ == "__main__":
    main()
