"""How fast a wire message becomes columns, against the same flows as JSON lines.

    python benchmarks/decode.py [--rows 512 4096] [--seconds 6]

The references get the same flows as Zeek's JSON logs would hold them, one object a line, absent
values left out, and must end with the same columns:

- **orjson → NumPy**: `orjson.loads` per line, then per column one list comprehension of `.get` and
  one `np.array` (numbers: `np.fromiter`), with a mask for what is absent. The straightforward best
  one does without a compiler.
- **polars** `read_ndjson` and **pyarrow** `json.read_json`, each with the schema given, both held
  to one thread. They end with their own columns, nothing more is asked of them.

All run on one core in the same process and in turns of 4096 flows, each turn the same different
batches; printed are medians of flows per second and the decoder's ratio to each.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ["POLARS_MAX_THREADS"] = "1"

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.json

from metatap.flow import COLUMNS, ColumnSpec, FlowBatch, Kind, from_rows, to_row
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header
from metatap.sources.zeek_wire import Flows, decode

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


def synthetic(rows: int, seed: int = 7) -> FlowBatch:
    """Flows of an office network: about 4 in 10 DNS, 3 TLS, 1 HTTP, the rest bare, many failed."""
    rng = np.random.default_rng(seed)
    return from_rows([_flow(rng, index) for index in range(rows)])


def _flow(rng: np.random.Generator, index: int) -> dict[str, Any]:
    pick = rng.random()
    size = int(rng.lognormal(6, 2))
    flow: dict[str, Any] = {
        "ts": 1.75e9 + index * 0.003,
        "uid": f"C{rng.integers(0, 10**17):017d}",
        "id.orig_h": f"10.1.{rng.integers(0, 4)}.{rng.integers(1, 255)}",
        "id.orig_p": int(rng.integers(1024, 65536)),
        "id.resp_h": f"198.51.{rng.integers(0, 100)}.{rng.integers(1, 255)}",
        "id.resp_p": 53 if pick < 0.4 else 443,
        "proto": "udp" if pick < 0.4 else "tcp",
        "conn_state": "SF" if pick < 0.8 else str(rng.choice(["S0", "REJ", "RSTO", "OTH"])),
        "history": "Dd" if pick < 0.4 else ("ShADadFf" if pick < 0.8 else "S"),
        "missed_bytes": 0,
        "orig_pkts": int(rng.integers(1, 40)),
        "orig_ip_bytes": size + 400,
        "resp_pkts": int(rng.integers(0, 40)),
        "resp_ip_bytes": size * 3,
        "local_orig": True,
        "local_resp": False,
        "partial": False,
    }
    if pick < 0.8:
        flow |= {"duration": float(rng.exponential(2)), "orig_bytes": size, "resp_bytes": 3 * size}
    if pick < 0.4:
        name = f"host{rng.integers(0, 5000)}.dept{rng.integers(0, 20)}.example.com"
        flow |= {"service": "dns", "dns.queries": 1, "dns.query_bytes": len(name)}
        flow |= {"dns.query": name, "dns.qtype": 1, "dns.rare_qtypes": 0, "dns.nxdomain": 0}
        flow |= {"dns.answers": 2, "dns.answer_bytes": 27}
    elif pick < 0.7:
        flow |= {"service": "ssl", "ssl.version": "TLSv13", "ssl.cipher": "TLS_AES_128_GCM_SHA256"}
        flow |= {"ssl.server_name": f"cdn{rng.integers(0, 900)}.example.net"}
        flow |= {"ssl.next_protocol": "h2", "ssl.resumed": False, "ssl.established": True}
    elif pick < 0.8:
        flow |= {"service": "http", "http.requests": 2, "http.method": "GET"}
        flow |= {"http.host": "intranet.example.org", "http.uri": f"/app/{size}/index.html"}
        flow |= {"http.user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101"}
        flow |= {"http.status_code": 200, "http.errors": 0, "http.writes": 0}
        flow |= {"http.uri_bytes": 40, "http.request_body_len": 0, "http.response_body_len": size}
    return flow


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


def measure(jobs: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Median seconds of each job, run in turns."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for job in jobs.values():
        job()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(jobs))]) < 5:
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _bench(rows: int, seconds: float) -> None:
    count = max(1, TURN // rows)
    batches = [synthetic(rows, seed) for seed in range(count)]
    messages = [flows_message(batch, Header("bench", "boot")) for batch in batches]
    for batch, parts in zip(batches, messages, strict=True):
        decoded = decode(parts)
        if not isinstance(decoded, Flows) or to_row(decoded.batch, 0) != to_row(batch, 0):
            raise SystemExit("the decoder does not give back what was encoded")
    texts = [json_lines(batch) for batch in batches]
    schema, options = _polars_schema(), _arrow_options()
    read = pyarrow.json.ReadOptions(use_threads=False, block_size=max(map(len, texts)) + 1)

    def polars(text: bytes) -> Any:
        return pl.read_ndjson(io.BytesIO(text), schema=schema)

    def arrow(text: bytes) -> Any:
        return pyarrow.json.read_json(io.BytesIO(text), read, options)

    jobs: dict[str, Callable[[], Any]] = {
        "metatap": lambda: [decode(parts) for parts in messages],
        "orjson → NumPy": lambda: [orjson_numpy(text) for text in texts],
        "polars read_ndjson": lambda: [polars(text) for text in texts],
        "pyarrow read_json": lambda: [arrow(text) for text in texts],
    }
    medians = measure(jobs, seconds)
    flows = rows * count
    wire = sum(len(parts[3]) for parts in messages) / flows
    text = sum(map(len, texts)) / flows
    print(f"\n{rows} flows a batch: {wire:.0f} bytes a flow on the wire, {text:.0f} as JSON")
    print(f"  {'':20} {'flows/s':>12} {'µs/batch':>10} {'metatap is':>11}")
    for name, median in medians.items():
        ratio = median / medians["metatap"]
        print(f"  {name:20} {flows / median:12,.0f} {median * 1e6 / count:10,.0f} {ratio:10.1f}×")


def main() -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description="wire message to columns, against JSON lines")
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 4096], help="batch sizes")
    parser.add_argument("--seconds", type=float, default=6, help="time for each batch size")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    for rows in given.rows:
        _bench(rows, given.seconds)


if __name__ == "__main__":
    main()
