"""Logs as Zeek writes them: made here, as JSON and as TSV."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metatap.flow import FlowBatch, Origin, from_rows
from metatap.flow.schema import CONN_STATES, PROTOS
from metatap.sources.logs import ZeekLogs, summarise
from tests.agent.sources.contract import closing, read_all

Line = dict[str, Any]

START = 1_700_000_000.0

_TYPES = {bool: "bool", int: "count", float: "interval", str: "string", list: "vector[string]"}


def conn(at: int, **changes: Any) -> Line:
    """A line of conn.log, the `at`-th: one a second, a quarter of a second long."""
    return {
        "ts": START + at,
        "uid": f"C{at:05d}",
        "id.orig_h": f"10.0.{at % 4}.{at % 200}",
        "id.orig_p": 1024 + at % 60_000,
        "id.resp_h": "2001:db8::5",
        "id.resp_p": 53,
        "proto": "udp",
        "service": "dns",
        "duration": 0.25,
        "orig_bytes": at,
        "resp_bytes": 2 * at,
        "conn_state": "SF",
        "local_orig": True,
        "missed_bytes": 0,
        "history": "Dd",
        "orig_pkts": 1,
        "orig_ip_bytes": 60,
        "resp_pkts": 1,
        "resp_ip_bytes": 90,
    } | changes


def dns(at: int, **changes: Any) -> Line:
    """A line of dns.log, of the `at`-th connection."""
    line = {"ts": START + at, "uid": f"C{at:05d}", "query": f"host{at}.example", "qtype": 1}
    return line | {"rcode": 0, "answers": ["192.0.2.1", "a,b.example"]} | changes


def http(at: int, **changes: Any) -> Line:
    """A line of http.log."""
    line = {"ts": START + at, "uid": f"C{at:05d}", "method": "GET", "host": "h", "uri": "/a\tb"}
    return line | {"status_code": 404, "request_body_len": 0, "response_body_len": 7} | changes


def ssl(at: int, **changes: Any) -> Line:
    """A line of ssl.log."""
    line = {"ts": START + at, "uid": f"C{at:05d}", "version": "TLSv12", "server_name": "ä.example"}
    return line | {"resumed": False, "established": True, "cert_chain_fps": []} | changes


def ssh(at: int, **changes: Any) -> Line:
    """A line of ssh.log."""
    line = {"ts": START + at, "uid": f"C{at:05d}", "version": 2, "auth_attempts": 3}
    return line | {"auth_success": False, "client": "SSH-2.0-x", "server": "-"} | changes


def as_json(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """Lines of a JSON log."""
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def header(names: Sequence[str], types: Sequence[str], separator: str = "\t") -> str:
    """The header of a TSV log."""
    escaped = "".join(f"\\x{ord(char):02x}" for char in separator)
    rows: list[tuple[str, ...]] = [
        ("#set_separator", ","),
        ("#empty_field", "(empty)"),
        ("#unset_field", "-"),
    ]
    rows += [("#fields", *names), ("#types", *types)]
    return f"#separator {escaped}\n" + "".join(separator.join(row) + "\n" for row in rows)


def as_tsv(lines: Sequence[Mapping[str, Any]], separator: str = "\t") -> bytes:
    """Lines of a TSV log, with header and `#close`."""
    names = list(dict.fromkeys(name for line in lines for name in line))
    first = {n: next((line[n] for line in lines if line.get(n) is not None), "") for n in names}
    text = header(names, [_TYPES[type(first[name])] for name in names], separator)
    for line in lines:
        text += separator.join(_tsv_value(line.get(name), separator) for name in names) + "\n"
    return (text + f"#close{separator}2026-01-01-00-00-00\n").encode()


def _tsv_value(value: Any, separator: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list):
        return ",".join(_escaped(item, f"{separator},") for item in value) or "(empty)"
    return _escaped(value, separator) if isinstance(value, str) else str(value)


def _escaped(text: str, also: str) -> str:
    """Text as Zeek writes it: what is a separator, unset or empty by itself, in hex."""
    if not text:
        return "(empty)"
    if text == "-":
        return "\\x2d"
    return "".join(
        "".join(f"\\x{byte:02x}" for byte in char.encode()) if char in also + "\t\n\\" else char
        for char in text
    )


def write(path: Path, data: bytes) -> Path:
    """A file, gzipped if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
    return path


def row(line: Line, logs: Mapping[str, Sequence[Line]] | None = None) -> dict[str, Any]:
    """What `from_rows` takes for a conn line and the lines of its other logs."""
    found = dict(line)
    if found.get("proto") not in PROTOS:
        found["proto"] = "unknown_transport"
    if found.get("conn_state") not in CONN_STATES:
        found["conn_state"] = None
    for log, lines in (logs or {}).items():
        if lines:
            found |= summarise(log, lines)
    return found | {"partial": False}


def same(batch: FlowBatch, rows: Sequence[Mapping[str, Any]]) -> None:
    """The batch is exactly that of `from_rows`."""
    wanted = from_rows(rows, Origin())
    assert list(batch.columns) == list(wanted.columns)
    for name, column in wanted.columns.items():
        mask, found = column.mask(), batch.columns[name]
        assert found.mask().tolist() == mask.tolist(), name
        if (strings := wanted.strings(name)) is not None:
            got = batch.strings(name)
            assert got is not None
            assert [got.item(at) for at in range(batch.rows)] == [
                strings.item(at) for at in range(batch.rows)
            ], name
        else:
            values, expected = batch.numeric(name), wanted.numeric(name)
            assert values is not None
            assert expected is not None
            assert values.values.dtype == expected.values.dtype
            assert (values.values[mask] == expected.values[mask]).all(), name


def read(source: ZeekLogs) -> list[FlowBatch]:
    """All batches; the counts add up."""
    with closing(source):
        batches = read_all(source, seconds=300)
    assert source.flows.balanced
    assert source.messages.balanced
    assert source.flows.passed == sum(batch.rows for batch in batches)
    return batches
