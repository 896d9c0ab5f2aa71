"""Log lines of one connection become its summary."""

from __future__ import annotations

from typing import Any

import pytest

from metatap.flow.schema import STRING_MAX_BYTES, Group, group_columns
from metatap.sources.logs import summarise
from metatap.sources.logs.summaries import ADD


def test_dns_lines_add_up_and_the_longest_name_gives_its_type() -> None:
    """Bytes are UTF-8 bytes; a missing query type is not a rare one."""
    lines = [
        {"query": "a.example", "qtype": 1, "rcode": 0, "answers": ["192.0.2.1", "x.example"]},
        {"query": "ä.longer.example", "qtype": 16, "rcode": 3},
        {"query": "b", "rcode": 3},
    ]
    assert summarise("dns", lines) == {
        "dns.queries": 3,
        "dns.query_bytes": 9 + 17 + 1,
        "dns.query": "ä.longer.example",
        "dns.qtype": 16,
        "dns.rare_qtypes": 1,
        "dns.nxdomain": 2,
        "dns.answers": 2,
        "dns.answer_bytes": 18,
    }


def test_http_keeps_the_first_request_and_the_last_status() -> None:
    """Errors are answers of 400 and above; writes are all methods but the safe ones."""
    lines = [
        {"method": "GET", "host": "h", "uri": "/ab", "user_agent": "x", "status_code": 404},
        {"method": "POST", "uri": "/c", "request_body_len": 5, "response_body_len": 7,
         "status_code": 200},
    ]  # fmt: skip
    assert summarise("http", lines) == {
        "http.requests": 2,
        "http.method": "GET",
        "http.host": "h",
        "http.uri": "/ab",
        "http.user_agent": "x",
        "http.status_code": 200,
        "http.errors": 1,
        "http.writes": 1,
        "http.uri_bytes": 5,
        "http.request_body_len": 5,
        "http.response_body_len": 7,
    }


def test_certificates_not_seen_are_absent_and_not_none() -> None:
    """TLS 1.3 hides the chain: no field, no count; an empty chain counts as no certificates."""
    assert summarise("ssl", [{"version": "TLSv13", "established": True}])["ssl.certs"] is None
    assert summarise("ssl", [{"cert_chain_fps": []}])["ssl.certs"] == 0
    assert summarise("ssl", [{"cert_chain_fps": ["a", "b"]}])["ssl.certs"] == 2


def test_ssh_takes_the_first_line() -> None:
    """A login whose outcome Zeek could not tell has no `auth_success`."""
    summary = summarise("ssh", [{"auth_attempts": 4, "client": "c"}, {"auth_attempts": 9}])
    assert summary["ssh.auth_attempts"] == 4
    assert summary["ssh.auth_success"] is None


@pytest.mark.parametrize("log", ADD)
def test_a_summary_has_the_columns_of_its_group(log: str) -> None:
    """In their order, whatever the line lacks."""
    assert list(summarise(log, [{}])) == [spec.name for spec in group_columns(Group(log))]


@pytest.mark.parametrize("log", ADD)
def test_a_summary_does_not_grow_with_its_lines(log: str) -> None:
    """A text is held as far as a column can use it; sums count all of it."""
    line: dict[str, Any] = {"query": "q" * 9000, "uri": "u" * 9000, "host": "h" * 9000}
    line |= {"server_name": "s" * 9000, "client": "c" * 9000}
    summary = summarise(log, [line] * 50)
    texts = [v for v in summary.values() if isinstance(v, str | bytes)]
    assert texts
    assert all(len(v) == STRING_MAX_BYTES for v in texts)
    if log == "dns":
        assert summary["dns.query_bytes"] == 50 * 9000


def test_an_escaped_byte_is_one_byte() -> None:
    r"""Zeek's logs write a byte that is not UTF-8 as `\xNN`; the wire has the byte itself."""
    lines: list[dict[str, Any]] = [{"query": "\\xff\\xfe", "answers": ["a\\x00"]}, {"query": "abc"}]
    summary = summarise("dns", lines)
    assert (summary["dns.query_bytes"], summary["dns.answer_bytes"]) == (5, 2)
    assert summary["dns.query"] == "abc"


def test_a_sum_stops_where_a_count_ends() -> None:
    """Body lengths that a broken log makes up must not stop the reading."""
    summary = summarise("http", [{"request_body_len": 2**63 - 1}] * 4)
    assert summary["http.request_body_len"] == 2**64 - 1


def test_no_line_has_no_summary() -> None:
    """An empty summary would say "no queries" of a flow that has no DNS."""
    with pytest.raises(ValueError, match="no line"):
        summarise("dns", [])
