"""How fast a wire message becomes columns, against the same flows as JSON lines.

    python -m benchmarks.decode [--rows 512 4096] [--seconds 6]

The references get the same flows as Zeek's JSON logs would hold them, one object a line, absent
values left out, and must end with the same columns:

- **orjson → NumPy**: `orjson.loads` per line, then per column one list comprehension of `.get` and
  one `np.array` (numbers: `np.fromiter`), with a mask for what is absent. The straightforward best
  one does without a compiler.
- **polars** `read_ndjson` and **pyarrow** `json.read_json`, each with the schema given, both held
  to one thread. They end with their own columns, nothing more is asked of them.

The decoder is timed twice: one message after the other without a compiler, and as the agent reads
them, joined to batches of 4096 flows, with the compiled twin if it is there (extra `fast`).

All run on one core in the same process and in turns of 4096 flows, the same ones each turn, drawn
from recorded ones (`benchmarks.traffic`).
"""

from __future__ import annotations

import argparse
import io
from typing import Any

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.json

from benchmarks.harness import Options, run
from benchmarks.result import Info, Report, Row
from benchmarks.timing import Spread, in_turns, timed
from benchmarks.traffic import Traffic
from metatap.flow import COLUMNS, ColumnSpec, FlowBatch, Kind, to_row
from metatap.sources.encode import flows_message
from metatap.sources.joining import joiner
from metatap.sources.messages import Header
from metatap.sources.zeek_wire import Flows, FlowsMessage, decode, open_message

TARGET = 8.0
"""Times as fast as orjson → NumPy, at least."""

TURN = 4096
"""Flows in each turn: as many batches."""

NUMBERS: dict[Kind, Any] = {
    Kind.TIME: np.float64,
    Kind.INTERVAL: np.float64,
    Kind.COUNT: np.uint64,
    Kind.PORT: np.uint16,
    Kind.BOOL: np.bool_,
}
POLARS: dict[Kind, Any] = {
    Kind.TIME: pl.Float64,
    Kind.INTERVAL: pl.Float64,
    Kind.COUNT: pl.Int64,
    Kind.PORT: pl.Int64,
    Kind.BOOL: pl.Boolean,
}
ARROW: dict[Kind, Any] = {
    Kind.TIME: pa.float64(),
    Kind.INTERVAL: pa.float64(),
    Kind.COUNT: pa.uint64(),
    Kind.PORT: pa.uint16(),
    Kind.BOOL: pa.bool_(),
}


def json_lines(batch: FlowBatch) -> bytes:
    """The same flows as Zeek's JSON logs would hold them."""
    return b"\n".join(orjson.dumps(to_row(batch, row)) for row in range(batch.rows)) + b"\n"


def orjson_numpy(lines: bytes) -> dict[str, tuple[Any, Any]]:
    """The reference: one dict a line, then one array and one mask a column."""
    flows = [orjson.loads(line) for line in lines.splitlines()]
    columns: dict[str, tuple[Any, Any]] = {}
    for spec in COLUMNS:
        items = [flow.get(spec.name) for flow in flows]
        absent = items.count(None)
        if absent == len(items):
            continue
        valid = None
        if absent:
            valid = np.fromiter((item is not None for item in items), np.bool_, len(items))
            items = [0 if item is None else item for item in items]
        if spec.kind in NUMBERS:
            columns[spec.name] = np.fromiter(items, NUMBERS[spec.kind], len(items)), valid
        else:
            columns[spec.name] = np.array(items, object), valid
    return columns


def _polars_schema() -> dict[str, Any]:
    return {spec.name: POLARS.get(spec.kind, pl.String) for spec in COLUMNS}


def _arrow_options() -> Any:
    def kind(spec: ColumnSpec) -> Any:
        return ARROW.get(spec.kind, pa.string())

    schema = pa.schema([(spec.name, kind(spec)) for spec in COLUMNS])
    return pyarrow.json.ParseOptions(explicit_schema=schema)


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 4096], help="batch sizes")
    parser.add_argument("--turns", type=int, default=5, help="turns at least")
    parser.add_argument("--seconds", type=float, default=6, help="time for each batch size")


def measure(given: Options) -> Report:
    """Measure."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    rows: list[Row] = []
    info: Info = {}
    for size in given.rows:
        times, flows = _times(size, given)
        ours, joined = times.pop("metatap"), times.pop("metatap joined")
        label = f"{size:,} flows a message"
        ratio = Spread.ratio(times["orjson → NumPy"], ours)
        rows.append(Row.of(f"decode / orjson → NumPy, flows/s, {label}", ratio, target=TARGET))
        info[f"decode, ns a flow, {label}"] = Spread.of(ours).median / flows * 1e9
        info[f"decode joined, ns a flow, {label}"] = Spread.of(joined).median / flows * 1e9
        for name, other in times.items():
            info[f"decode / {name}, {label}"] = Spread.ratio(other, ours).median
    return Report(tuple(rows), info)


def _times(rows: int, given: Options) -> tuple[dict[str, list[float]], int]:
    """Seconds of each decoder, and the flows in a turn."""
    count = max(1, TURN // rows)
    batches = Traffic().batches(rows * count, rows)
    messages = [flows_message(batch, Header("bench", "boot")) for batch in batches]
    for batch, parts in zip(batches, messages, strict=True):
        decoded = decode(parts)
        if not isinstance(decoded, Flows) or to_row(decoded.batch, 0) != to_row(batch, 0):
            raise SystemExit("the decoder does not give back what was encoded")
    texts = [json_lines(batch) for batch in batches]
    schema, parsing = _polars_schema(), _arrow_options()
    read = pyarrow.json.ReadOptions(use_threads=False, block_size=max(map(len, texts)) + 1)

    into = joiner()("bench", TURN)

    def join() -> None:
        for parts in messages:
            message = open_message(parts)
            if isinstance(message, FlowsMessage):
                into.read(message)
                into.keep()
        into.take()

    def polars() -> None:
        for text in texts:
            pl.read_ndjson(io.BytesIO(text), schema=schema)

    def arrow() -> None:
        for text in texts:
            pyarrow.json.read_json(io.BytesIO(text), read, parsing)

    jobs = {
        "metatap": lambda: timed(lambda: [decode(parts) for parts in messages]),
        "metatap joined": lambda: timed(join),
        "orjson → NumPy": lambda: timed(lambda: [orjson_numpy(text) for text in texts]),
        "polars read_ndjson": lambda: timed(polars),
        "pyarrow read_json": lambda: timed(arrow),
    }
    return in_turns(jobs, given.turns, seconds=given.seconds), rows * count


if __name__ == "__main__":
    run("decode", __doc__, options, measure)
