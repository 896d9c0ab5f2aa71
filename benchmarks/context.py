"""What context costs a flow: the compiled twin and the NumPy reference against plain Python.

    python -m benchmarks.context [--recording FILE] [--rows 512 4096] [--seconds 6]

All three get the same stream: the recording's flows, interleaved under other originators until more
than 50,000 keys are alive in a table of the default size. Plain Python is the straightforward way
of doing it: a dict a kind of key, a few floats a key, one flow after the other; it is given the
columns as lists, and ends with the same counts and means. All run on one core in one process and
in turns, each from the batch to the matrix.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Options, run
from benchmarks.pool import LAB, whole
from benchmarks.result import Info, Report, Row
from benchmarks.timing import Spread, in_turns, timed
from metatap.context import Context
from metatap.context.layout import FAILED_STATES, HALF_LIVES
from metatap.flow import FlowBatch, Numeric
from metatap.flow.schema import CONN_STATES

KEYS_ALIVE = 50_000
FLOWS = 200_000
TURN = 8
"""Batches in a turn."""

PLAIN = "plain Python"
FAILED = {CONN_STATES.index(state) for state in FAILED_STATES}


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


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--recording", type=Path, default=LAB / "office.mtrec")
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 4096], help="batch sizes")
    parser.add_argument("--turns", type=int, default=5, help="turns at least")
    parser.add_argument("--seconds", type=float, default=6, help="time for each batch size")


def measure(given: Options) -> Report:
    """Measure."""
    first = timed(Context)
    stream = interleaved(whole(given.recording))
    rows: list[Row] = []
    info: Info = {"first Context, compilation or cache included, s": first}
    for size in given.rows:
        times, alive = _times(stream, size, given)
        label = f"batches of {size:,}"
        for name in times.keys() - {PLAIN}:
            ratio = Spread.ratio(times[PLAIN], times[name])
            rows.append(Row.of(f"context by {name} / plain Python, flows/s, {label}", ratio))
        for name, found in times.items():
            info[f"{name}, ns a flow, {label}"] = Spread.of(found).median * 1e9
        info[f"keys alive, {label}"] = alive
    rows.sort(key=lambda row: "twin" not in row.what)
    return Report(tuple(rows), info)


def _times(stream: FlowBatch, rows: int, given: Options) -> tuple[dict[str, list[float]], int]:
    """Seconds a flow of each, once the table is filled, and the keys alive in it."""
    batches = list(stream.chunks(rows))[:-1]
    contexts: dict[str, Context | Plain] = {"reference": Context(compiled=False)}
    twin = Context()
    if twin.compiled:
        contexts = {"twin": twin, **contexts}
    for batch in batches:
        for context in contexts.values():
            context.update(batch)
    alive = sum(int((slots.tags != 0).sum()) for slots in (twin._slots, twin._times))  # noqa: SLF001
    if twin.compiled and alive < KEYS_ALIVE:
        raise SystemExit(f"only {alive} keys are alive")
    turn = dict.fromkeys((*contexts, PLAIN), 0)

    def spent(name: str, job: Context | Plain) -> float:
        # Several batches at a time: none finds the caches as another left them.
        at = turn[name] = turn[name] + TURN
        part = [batches[(at + more) % len(batches)] for more in range(TURN)]
        return timed(lambda: [job.update(batch) for batch in part]) / (TURN * rows)

    jobs = {name: partial(spent, name, job) for name, job in {**contexts, PLAIN: Plain()}.items()}
    return in_turns(jobs, given.turns, seconds=given.seconds), alive


if __name__ == "__main__":
    run("context", __doc__, options, measure)
