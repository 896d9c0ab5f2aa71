"""Log lines of one connection → the schema's `dns.*`, `http.*`, `ssl.*` and `ssh.*` summaries.

One function a log, each as the `log` column of `metatap.flow.schema.COLUMNS` states. A record is
one line of a Zeek log under Zeek's field names; lines come in the order they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metatap.flow.schema import HTTP_READS, QTYPES_COMMON

Record = Mapping[str, Any]
Summary = dict[str, Any]

_NXDOMAIN = 3
_HTTP_ERROR = 400


def _bytes(text: str | None) -> int:
    """Bytes of a text in UTF-8."""
    return len((text or "").encode("utf-8", "surrogateescape"))


def _first(lines: Sequence[Record], field: str) -> Any:
    """The first value of a field that is there."""
    return next((line[field] for line in lines if line.get(field) is not None), None)


def _last(lines: Sequence[Record], field: str) -> Any:
    return _first(lines[::-1], field)


def summarise_dns(lines: Sequence[Record]) -> Summary:
    """Summary of the dns.log lines of a connection; of equally long queries the first counts."""
    answers = [answer for line in lines for answer in line.get("answers") or ()]
    longest = max(lines, key=lambda line: _bytes(line.get("query")))
    types = [line.get("qtype") for line in lines]
    return {
        "dns.queries": len(lines),
        "dns.query_bytes": sum(_bytes(line.get("query")) for line in lines),
        "dns.query": longest.get("query"),
        "dns.qtype": longest.get("qtype"),
        "dns.rare_qtypes": sum(t is not None and t not in QTYPES_COMMON for t in types),
        "dns.nxdomain": sum(line.get("rcode") == _NXDOMAIN for line in lines),
        "dns.answers": len(answers),
        "dns.answer_bytes": sum(_bytes(str(answer)) for answer in answers),
    }


def summarise_http(lines: Sequence[Record]) -> Summary:
    """Summary of the http.log lines of a connection."""
    methods = [line.get("method") for line in lines]
    return {
        "http.requests": len(lines),
        "http.method": _first(lines, "method"),
        "http.host": _first(lines, "host"),
        "http.uri": _first(lines, "uri"),
        "http.user_agent": _first(lines, "user_agent"),
        "http.status_code": _last(lines, "status_code"),
        "http.errors": sum((line.get("status_code") or 0) >= _HTTP_ERROR for line in lines),
        "http.writes": sum(m is not None and m not in HTTP_READS for m in methods),
        "http.uri_bytes": sum(_bytes(line.get("uri")) for line in lines),
        "http.request_body_len": sum(line.get("request_body_len") or 0 for line in lines),
        "http.response_body_len": sum(line.get("response_body_len") or 0 for line in lines),
    }


def summarise_ssl(lines: Sequence[Record]) -> Summary:
    """Summary of the ssl.log line of a connection (the first, if there are several)."""
    line = lines[0]
    chain = line.get("cert_chain_fps", line.get("cert_chain_fuids"))
    return {
        "ssl.version": line.get("version"),
        "ssl.cipher": line.get("cipher"),
        "ssl.server_name": line.get("server_name"),
        "ssl.next_protocol": line.get("next_protocol"),
        "ssl.resumed": bool(line.get("resumed")),
        "ssl.established": bool(line.get("established")),
        "ssl.certs": None if chain is None else len(chain),
    }


def summarise_ssh(lines: Sequence[Record]) -> Summary:
    """Summary of the ssh.log line of a connection (the first, if there are several)."""
    line = lines[0]
    return {
        "ssh.version": line.get("version"),
        "ssh.auth_success": line.get("auth_success"),
        "ssh.auth_attempts": line.get("auth_attempts"),
        "ssh.client": line.get("client"),
        "ssh.server": line.get("server"),
    }


SUMMARISE: dict[str, Callable[[Sequence[Record]], Summary]] = {
    "dns": summarise_dns,
    "http": summarise_http,
    "ssl": summarise_ssl,
    "ssh": summarise_ssh,
}
"""Log name → its summary."""
