"""Log lines of one connection → the schema's `dns.*`, `http.*`, `ssl.*` and `ssh.*` summaries.

One function a log adds a line to a summary, each as the `log` column of
`metatap.flow.schema.COLUMNS` states; a summary is all that is held of the lines, however many they
are. A record is one line of a Zeek log under Zeek's field names; lines come in the order they were
written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metatap.flow.rows import text_bytes
from metatap.flow.schema import HTTP_READS, QTYPES_COMMON, STRING_MAX_BYTES

Record = Mapping[str, Any]
Summary = dict[str, Any]

TEXT_HELD = 4 * STRING_MAX_BYTES
r"""Characters of a text that count: a byte may be written as the four of `\xNN`."""

_SHORT = STRING_MAX_BYTES // 4
"""Characters that are within the schema's bytes, whatever they are."""


_ESCAPED = re.compile(r"\\x[0-9a-f]{2}")
_NXDOMAIN = 3
_HTTP_ERROR = 400
_COUNT_MAX = 2**64 - 1

_FIRST = ("method", "host", "uri", "user_agent")
_SSL = ("version", "cipher", "server_name", "next_protocol")
_SSH = ("version", "auth_success", "auth_attempts", "client", "server")


def _bytes(text: str | None) -> int:
    r"""Bytes that a text stands for: its UTF-8, `\xNN` being one byte."""
    if not text:
        return 0
    escaped = 3 * len(_ESCAPED.findall(text)) if "\\x" in text else 0
    return len(text.encode("utf-8", "surrogateescape")) - escaped


def _held(value: Any) -> Any:
    """A value as it is held: of a text what the schema takes, as bytes if it is long."""
    if not isinstance(value, str) or len(value) <= _SHORT:
        return value
    if len(value) <= STRING_MAX_BYTES and value.isascii():
        return value
    return text_bytes(value[:TEXT_HELD])


def _bytes_held(text: Any) -> int:
    return len(text) if isinstance(text, bytes) else _bytes(text)


def _add(summary: Summary, name: str, amount: int) -> None:
    """Add up, as far as a count goes."""
    summary[name] = min(summary[name] + amount, _COUNT_MAX)


def add_dns(summary: Summary | None, line: Record) -> Summary:
    """Add a line of dns.log; of queries that are equally long, as held, the first counts."""
    query, qtype = _held(line.get("query")), line.get("qtype")
    if summary is None:
        summary = {
            "dns.queries": 0,
            "dns.query_bytes": 0,
            "dns.query": query,
            "dns.qtype": qtype,
            "dns.rare_qtypes": 0,
            "dns.nxdomain": 0,
            "dns.answers": 0,
            "dns.answer_bytes": 0,
        }
    elif _bytes_held(query) > _bytes_held(summary["dns.query"]):
        summary["dns.query"], summary["dns.qtype"] = query, qtype
    summary["dns.queries"] += 1
    summary["dns.query_bytes"] += _bytes(line.get("query"))
    summary["dns.rare_qtypes"] += qtype is not None and qtype not in QTYPES_COMMON
    summary["dns.nxdomain"] += line.get("rcode") == _NXDOMAIN
    answers = [answer for answer in line.get("answers") or () if answer is not None]
    summary["dns.answers"] += len(answers)
    summary["dns.answer_bytes"] += sum(_bytes(str(answer)) for answer in answers)
    return summary


def add_http(summary: Summary | None, line: Record) -> Summary:
    """Add a line of http.log: the first of each text counts, the last status."""
    if summary is None:
        summary = dict.fromkeys(("http.requests", *(f"http.{name}" for name in _FIRST)))
        summary["http.status_code"] = None
        sums = ("requests", "errors", "writes", "uri_bytes", "request_body_len")
        summary |= dict.fromkeys((f"http.{name}" for name in (*sums, "response_body_len")), 0)
    summary["http.requests"] += 1
    for name in _FIRST:
        if summary[f"http.{name}"] is None:
            summary[f"http.{name}"] = _held(line.get(name))
    status, method = line.get("status_code"), line.get("method")
    if status is not None:
        summary["http.status_code"] = status
    summary["http.errors"] += (status or 0) >= _HTTP_ERROR
    summary["http.writes"] += method is not None and method not in HTTP_READS
    summary["http.uri_bytes"] += _bytes(line.get("uri"))
    _add(summary, "http.request_body_len", line.get("request_body_len") or 0)
    _add(summary, "http.response_body_len", line.get("response_body_len") or 0)
    return summary


def add_ssl(summary: Summary | None, line: Record) -> Summary:
    """Add a line of ssl.log: the first counts, if there are several."""
    if summary is not None:
        return summary
    chain = line.get("cert_chain_fps")
    if chain is None:
        chain = line.get("cert_chain_fuids")
    return {f"ssl.{name}": _held(line.get(name)) for name in _SSL} | {
        "ssl.resumed": bool(line.get("resumed")),
        "ssl.established": bool(line.get("established")),
        "ssl.certs": None if chain is None else len(chain),
    }


def add_ssh(summary: Summary | None, line: Record) -> Summary:
    """Add a line of ssh.log: the first counts, if there are several."""
    if summary is not None:
        return summary
    return {f"ssh.{name}": _held(line.get(name)) for name in _SSH}


ADD: dict[str, Callable[[Summary | None, Record], Summary]] = {
    "dns": add_dns,
    "http": add_http,
    "ssl": add_ssl,
    "ssh": add_ssh,
}
"""Log name → how a line is added to the summary of its connection, None before the first."""


def summarise(log: str, lines: Sequence[Record]) -> Summary:
    """The summary of all lines of a connection in one log, at least one."""
    summary: Summary | None = None
    for line in lines:
        summary = ADD[log](summary, line)
    if summary is None:
        raise ValueError("no line to summarise")
    return summary
