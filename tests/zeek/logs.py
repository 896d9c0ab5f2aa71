"""What the contract says a flow is, worked out from the logs that the same Zeek wrote."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from metatap.flow.schema import COLUMNS, HTTP_READS, QTYPES_COMMON, Group, Kind
from tests.zeek.run import log

Lines = list[dict[str, Any]]


def _first(lines: Lines, name: str) -> Any:
    return next((line[name] for line in lines if name in line), None)


def _total(lines: Lines, name: str) -> int:
    return sum(len(line[name]) for line in lines if name in line)


def _dns(lines: Lines) -> dict[str, Any]:
    asked = [line for line in lines if "query" in line]
    longest = max(asked, key=lambda line: len(line["query"]), default={})
    answers = [answer for line in lines for answer in line.get("answers", [])]
    return {
        "queries": len(lines),
        "query_bytes": _total(lines, "query"),
        "query": longest.get("query"),
        "qtype": longest.get("qtype"),
        "rare_qtypes": sum("qtype" in x and x["qtype"] not in QTYPES_COMMON for x in lines),
        "nxdomain": sum(line.get("rcode") == 3 for line in lines),
        "answers": len(answers),
        "answer_bytes": sum(map(len, answers)),
    }


def _http(lines: Lines) -> dict[str, Any]:
    status = [line["status_code"] for line in lines if "status_code" in line]
    return {
        **{name: _first(lines, name) for name in ("method", "host", "uri", "user_agent")},
        "requests": len(lines),
        "status_code": status[-1] if status else None,
        "errors": sum(code >= 400 for code in status),
        "writes": sum("method" in x and x["method"] not in HTTP_READS for x in lines),
        "uri_bytes": _total(lines, "uri"),
        "request_body_len": sum(line["request_body_len"] for line in lines),
        "response_body_len": sum(line["response_body_len"] for line in lines),
    }


def _ssl(lines: Lines) -> dict[str, Any]:
    chain = lines[-1].get("cert_chain_fps")
    return {**lines[-1], "certs": None if chain is None else len(chain)}


def _last(lines: Lines) -> dict[str, Any]:
    return lines[-1]


_SUMMARIES = {Group.DNS: _dns, Group.HTTP: _http, Group.SSL: _ssl, Group.SSH: _last}


def expected(folder: Path) -> dict[str, dict[str, Any]]:
    """Every finished connection by uid: its columns, without what is absent."""
    flows = {line["uid"]: {**line, "partial": False} for line in log(folder, "conn")}
    found = {
        uid: {c.name: line.get(c.name) for c in COLUMNS if c.group is Group.CONN}
        for uid, line in flows.items()
    }
    for group, summarise in _SUMMARIES.items():
        lines: dict[str, Lines] = defaultdict(list)
        for line in log(folder, str(group)):
            lines[line["uid"]].append(line)
        for uid, its in lines.items():
            values = summarise(its)
            names = [c.name for c in COLUMNS if c.group is group]
            found[uid] |= {name: values.get(name.partition(".")[2]) for name in names}
    return {
        uid: {name: value for name, value in flow.items() if value is not None}
        for uid, flow in found.items()
    }


_TEXTS = {c.name for c in COLUMNS if c.kind in {Kind.STRING, Kind.ENUM}}
TIMES = {c.name for c in COLUMNS if c.kind in {Kind.TIME, Kind.INTERVAL}}
"""Columns in nanoseconds, which the logs have in seconds."""


def comparable(flow: dict[str, Any]) -> dict[str, Any]:
    """A received flow in the units of the logs: text, seconds to the microsecond."""
    out = {name: value for name, value in flow.items() if name != "header"}
    for name in out.keys() & _TEXTS - {"proto"}:
        out[name] = out[name].decode()
    for name in out.keys() & TIMES:
        out[name] = pytest.approx(out[name] / 1e9, abs=2e-6)
    return out
