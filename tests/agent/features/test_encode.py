"""metatap.features.encode."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.context import CONTEXT_NAMES, CONTEXT_WIDTH
from metatap.features import FEATURES, NAMES, WIDTH, Scale, encode, scale_slice
from metatap.features.table import INDEX
from metatap.flow import FlowBatch, Numeric, Row, Strings, concat, from_rows

HTTP: Row = {
    "ts": 1_700_000_000.5,
    "uid": "CHttp",
    "id.orig_h": "10.0.0.1",
    "id.orig_p": 40000,
    "id.resp_h": "10.0.0.2",
    "id.resp_p": 80,
    "proto": "tcp",
    "service": "http",
    "duration": 0.5,
    "orig_bytes": 100,
    "resp_bytes": 300,
    "conn_state": "SF",
    "history": "ShADadFfT^",
    "missed_bytes": 0,
    "orig_pkts": 4,
    "orig_ip_bytes": 260,
    "resp_pkts": 6,
    "resp_ip_bytes": 540,
    "local_orig": True,
    "partial": False,
    "http.requests": 2,
    "http.method": "GET",
    "http.host": "10.0.0.2",
    "http.uri": "/a1b2",
    "http.errors": 1,
    "http.writes": 1,
    "http.uri_bytes": 10,
    "http.request_body_len": 40,
    "http.response_body_len": 300,
}
DNS: Row = {
    "uid": "CDns",
    "id.orig_h": "10.0.0.1",
    "id.orig_p": 40001,
    "id.resp_h": "10.0.0.3",
    "id.resp_p": 53,
    "proto": "udp",
    "service": "dns",
    "partial": False,
    "dns.queries": 4,
    "dns.query_bytes": 40,
    "dns.query": "a1.é.org",
    "dns.rare_qtypes": 1,
    "dns.nxdomain": 2,
    "dns.answers": 8,
    "dns.answer_bytes": 32,
}
BARE: Row = {"uid": "CBare", "partial": False}


def features(row: Row) -> dict[str, float]:
    return dict(zip(NAMES, encode(from_rows([row]))[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duration", 500.0),
        ("orig_pkt_size", 65.0),
        ("pkt_interval", 500.0 / 9),
        ("byte_rate", 1600.0),
        ("orig_byte_share", 0.25),
        ("orig_pkt_share", 0.4),
        ("orig_payload_share", 100 / 260),
        ("history.orig.S", 1.0),
        ("history.resp.H", 1.0),
        ("history.orig.D", 1.0),
        ("history.resp.D", 1.0),
        ("history.retransmissions", 1.0),
        ("history.length", 10.0),
        ("history.flipped", 1.0),
        ("proto.tcp", 1.0),
        ("proto.udp", 0.0),
        ("conn_state.SF", 1.0),
        ("conn_state.S0", 0.0),
        ("service.http", 1.0),
        ("service.none", 0.0),
        ("resp_p.system", 1.0),
        ("local_orig", 1.0),
        ("http.requests", 2.0),
        ("http.uri_mean", 5.0),
        ("http.error_share", 0.5),
        ("http.write_share", 0.5),
        ("http.uri_digit_share", 2 / 5),
        ("http.host_is_ip", 1.0),
        ("http.no_user_agent", 1.0),
        ("http.user_agent_length", 0.0),
    ],
)
def test_http_flow(name: str, value: float) -> None:
    """Each feature of a web connection is what its table entry says."""
    assert features(HTTP)[name] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dns.query_mean", 10.0),
        ("dns.query_longest", 9.0),
        ("dns.answer_mean", 8.0),
        ("dns.nxdomain_share", 0.5),
        ("dns.rare_qtype_share", 0.25),
        ("dns.answers_mean", 2.0),
        ("dns.query_digit_share", 1 / 9),
        ("dns.query_vowel_share", 2 / 9),
        ("dns.query_odd_share", 2 / 9),
    ],
)
def test_dns_flow(name: str, value: float) -> None:
    """Each feature of a DNS connection is what its table entry says; é is two odd bytes."""
    assert features(DNS)[name] == pytest.approx(value, rel=1e-6)


def test_absent_is_nan_not_zero() -> None:
    """A flow without sizes, history or summaries has NaN there, and flags that say so."""
    got = features(BARE)
    absent = ("duration", "orig_bytes", "history.orig.S", "dns.queries", "ssh.auth_attempts")
    assert all(np.isnan(got[name]) for name in absent)
    assert [got[n] for n in ("has.duration", "has.bytes", "has.history", "has.dns")] == [0.0] * 4


def test_zero_is_not_absent() -> None:
    """A connection that sent nothing has 0 bytes and a share of 0, not NaN."""
    got = features({**BARE, "orig_bytes": 0, "resp_bytes": 0})
    assert got["orig_bytes"] == 0.0
    assert got["orig_byte_share"] == 0.0
    assert got["has.bytes"] == 1.0


@pytest.mark.parametrize(
    ("service", "flags"),
    [
        ("http", {"service.http"}),
        ("gssapi,smb,krb_tcp", {"service.gssapi", "service.smb", "service.krb"}),
        ("modbus", {"service.other"}),
        ("-ssl,http", {"service.ssl", "service.http"}),
        (None, {"service.none"}),
    ],
)
def test_services(service: str | None, flags: set[str]) -> None:
    """Joined services set a flag each, unknown ones `other`, none `none`."""
    got = features({**BARE, "service": service})
    assert {n for n, v in got.items() if n.startswith("service.") and v} == flags


@given(
    st.fixed_dictionaries(
        {
            "ts": st.floats(0, 4e9),
            "uid": st.text("abcXYZ019", min_size=1, max_size=18),
            "id.orig_h": st.ip_addresses().map(str),
            "id.resp_h": st.ip_addresses().map(str),
            "id.orig_p": st.integers(0, 65535),
            "id.resp_p": st.integers(49152, 65535),
        }
    )
)
def test_never_features(identity: dict[str, Any]) -> None:
    """Addresses, absolute time, uid and which ephemeral port it was change no feature."""
    base = {**HTTP, "id.resp_p": 50000}
    np.testing.assert_array_equal(
        encode(from_rows([base])), encode(from_rows([{**base, **identity}]))
    )


def test_a_flow_is_encoded_alone() -> None:
    """A flow's features do not depend on what else is in its batch."""
    together = encode(concat([from_rows([row]) for row in (HTTP, DNS, BARE, HTTP)]))
    for at, row in enumerate((HTTP, DNS, BARE, HTTP)):
        np.testing.assert_array_equal(together[at], encode(from_rows([row]))[0])


def test_any_number_of_different_services_and_versions_is_fast() -> None:
    """A hostile network can name 65,536 of each in a batch; no Python runs for each of them."""
    rows = 65_536
    names = Strings.from_items([b"service-%d" % at for at in range(rows)])
    established = Numeric(np.ones(rows, np.bool_))
    batch = FlowBatch(
        rows, {"service": names, "ssl.version": names, "ssl.established": established}
    )
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        got = encode(batch)
    finally:
        sys.setprofile(None)
    assert calls < 5000
    assert (got[:, INDEX["service.other"]] == 1).all()
    assert (got[:, INDEX["ssl.version.13"]] == 0).all()


def test_no_flows_of_a_column_that_is_there() -> None:
    """A batch may be empty and still have columns."""
    none = Strings.from_items([])
    assert encode(FlowBatch(0, {"service": none, "ssl.version": none})).shape == (0, WIDTH)


def test_no_flows() -> None:
    """An empty batch gives an empty matrix."""
    assert encode(from_rows([])).shape == (0, WIDTH)


def test_table_is_in_blocks() -> None:
    """Names are unique and each scale is one contiguous block, as the model slices it."""
    assert len(INDEX) == WIDTH
    for scale in Scale:
        block = scale_slice(scale)
        assert all(feature.scale is scale for feature in FEATURES[block])
    assert sum(len(FEATURES[scale_slice(scale)]) for scale in Scale) == WIDTH


def test_huge_values_stay_finite() -> None:
    """Counts at the end of their range give finite features, so that no score becomes NaN."""
    huge = 2**64 - 1
    row = {**HTTP, "orig_bytes": huge, "resp_bytes": huge, "orig_pkts": huge, "resp_pkts": huge}
    got = encode(from_rows([row]))
    assert np.isfinite(got[0, [INDEX["orig_bytes"], INDEX["orig_byte_share"]]]).all()
    assert not np.isinf(got).any()


def test_context_columns_stand_under_their_names() -> None:
    """Each column of a context is the feature of that name."""
    context = np.arange(2.0 * CONTEXT_WIDTH, dtype=np.float32).reshape(2, CONTEXT_WIDTH)
    context[1] = np.nan
    got = encode(from_rows([HTTP, DNS]), context)
    at = [INDEX[name] for name in CONTEXT_NAMES]
    np.testing.assert_array_equal(got[:, at], context)


def test_context_that_is_not_given_is_absent() -> None:
    """Without a context its columns are NaN and nothing else changes."""
    got, other = encode(from_rows([HTTP])), np.ones((1, CONTEXT_WIDTH), np.float32)
    at = [INDEX[name] for name in CONTEXT_NAMES]
    assert np.isnan(got[:, at]).all()
    rest = np.setdiff1d(np.arange(WIDTH), at)
    np.testing.assert_array_equal(got[:, rest], encode(from_rows([HTTP]), other)[:, rest])
