"""metatap.offline.query: a language that is read, never executed."""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.flow import FlowBatch, Row, from_rows
from metatap.offline.query import MAX_DEPTH, MAX_TEXT, parse_query
from metatap.offline.query_tokens import MAX_TOKENS, QueryError

ROWS: list[Row] = [
    {
        "ts": 1_700_000_000,
        "uid": "C1",
        "id.orig_h": "10.1.2.3",
        "id.resp_h": "2001:db8::1",
        "id.resp_p": 53,
        "proto": "udp",
        "service": "dns",
        "duration": 1.5,
        "orig_bytes": 10,
        "resp_bytes": 400,
        "dns.query": "abc.example",
        "local_orig": True,
        "partial": False,
    },
    {
        "uid": "C2",
        "id.orig_h": "192.168.1.1",
        "id.resp_h": "192.168.1.1",
        "proto": "tcp",
        "service": "ssl,http",
        "orig_bytes": 2**63,
        "resp_bytes": 100,
        "conn_state": "S0",
        "local_orig": False,
        "partial": True,
    },
    {"uid": "C3", "partial": False},
]
BATCH = from_rows(ROWS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('service == "dns" and resp_bytes > 300', "C1"),
        ("service == 'dns'", "C1"),
        ('service != "dns"', "C2"),
        ('not service == "dns"', "C2"),
        ('service == "dns" or not service == "dns"', "C1 C2"),
        ("not has(service)", "C3"),
        ("has(dns.query)", "C1"),
        ('"http" in service', "C2"),
        ('not "http" in service', "C1"),
        ('service contains "sl,h"', "C2"),
        ('service in ("dns", "ssl,http",)', "C1 C2"),
        ('service not in ["dns"]', "C2"),
        ('dns.query endswith ".example"', "C1"),
        ('dns.query startswith "abc"', "C1"),
        ('dns.query startswith "abc.example.com"', ""),
        ("id.orig_h in 10.0.0.0/8", "C1"),
        ("id.orig_h not in 10.0.0.0/8", "C2"),
        ("id.orig_h in (10.1.2.3, 192.168.0.0/16)", "C1 C2"),
        ('id.orig_h == "10.1.2.3"', "C1"),
        ("id.resp_h == 2001:db8::1", "C1"),
        ("id.resp_h in 2001:db8::/32", "C1"),
        ("id.resp_h in ::/0", "C1 C2"),
        ("id.resp_h in 0.0.0.0/0", "C2"),
        ("id.orig_h == id.resp_h", "C2"),
        ("id.orig_h != id.resp_h", "C1"),
        ("1 < duration <= 1.5", "C1"),
        ("duration < 1.5", ""),
        ("duration >= 1.5000000001", ""),
        ("orig_bytes > resp_bytes", "C2"),
        ("orig_bytes == 9223372036854775808", "C2"),
        ("orig_bytes == 9223372036854775807", ""),
        ("orig_bytes < 1e300", "C1 C2"),
        ("resp_bytes > -1", "C1 C2"),
        ("resp_bytes != 100.5", "C1 C2"),
        ("resp_bytes == 100.5", ""),
        ("resp_bytes <= 100.5", "C2"),
        ("id.resp_p in (53, 99999)", "C1"),
        ("ts >= '2023-11-14T22:13:20Z'", "C1"),
        ("ts > '2023-11-14T22:13:20+00:00'", ""),
        ("ts == 1700000000", "C1"),
        ("local_orig", "C1"),
        ("not local_orig", "C2"),
        ("local_orig == false", "C2"),
        ("not partial", "C1 C3"),
        ('proto in ("tcp", "icmp")', "C2"),
        ("conn_state != 'SF'", "C2"),
        ("ssl.version == 'TLSv13'", ""),
        ("not ssl.version == 'TLSv13'", ""),
        ("(((uid == 'C1')) or uid == \"C3\")", "C1 C3"),
    ],
)
def test_which_flows_are_picked(text: str, found: str) -> None:
    """What a flow lacks is neither equal nor unequal to anything; `has` asks for it."""
    rows = parse_query(text).rows(BATCH)
    assert [row["uid"] for row, hit in zip(ROWS, rows, strict=True) if hit] == found.split()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "column 1: the end: a value was expected"),
        ("resp_byte > 3", "column 1: resp_byte: not a field of a flow, did you mean resp_bytes?"),
        ("service == dns", "column 12: dns: not a field of a flow; a text stands in quotes"),
        ('service = "dns"', "column 9: =: write == to compare"),
        ('service == "dns', "column 12: a text without its closing quote"),
        ('proto == "upd"', "did you mean udp?"),
        ("proto == 6", "proto: 6: must be one of unknown_transport, tcp, udp, icmp"),
        ("id.orig_h == 10.0.0.0/8", "10.0.0.0/8 is a network; use in"),
        ("id.orig_h in 10.0.0.1/8", "column 14: 10.0.0.1/8 has host bits set"),
        ("id.orig_h == 999.1.1.1", "column 14: '?999.1.1.1"),
        ("id.orig_h < 10.0.0.1", "id.orig_h: is addr, which has no order"),
        ("resp_bytes", "resp_bytes: is count, no condition"),
        ("resp_bytes == true", "resp_bytes: true: must be a number"),
        ("resp_bytes in 3", "in: several values stand in brackets"),
        ("resp_bytes contains 'a'", "resp_bytes: is count, not text"),
        ("service > 'a'", "service: is string, which has no order"),
        ("service == ''", r"an empty text is absent; use not has\(service\)"),
        ("1 < 2", "<: one side must be a field"),
        ("orig_bytes > duration", "orig_bytes and duration: count and interval"),
        ("local_orig local_resp", "column 12: local_resp: `and` or `or` was expected"),
        ("has(3)", "column 5: a field was expected"),
        ("(uid == 'C1'", r"column 13: the end: \) was expected"),
        ("ts > 'yesterday'", "ts: yesterday: not a time of ISO 8601"),
        ("__import__('os')", "column 1: __import__: not a field"),
        ("uid.__class__ == 'a'", "not a field"),
        ("resp_bytes > 1; 2", "column 15: ; 2: not understood"),
        ("lambda: 0", "column 7: : 0: not understood"),
    ],
)
def test_what_is_no_query_is_refused(text: str, fault: str) -> None:
    """With the column and what was expected there."""
    with pytest.raises(QueryError, match=fault):
        parse_query(text)


def test_every_size_is_bounded() -> None:
    """Length, depth and number of words; nothing of it reaches Python's own limits."""
    with pytest.raises(QueryError, match=f"at most {MAX_TEXT}"):
        parse_query(" " * (MAX_TEXT + 1))
    for opening in ("(", "not ", "(not "):
        with pytest.raises(QueryError, match=f"nested deeper than {MAX_DEPTH}"):
            parse_query(opening * 300 + "local_orig")
    parse_query("(" * (MAX_DEPTH - 1) + "local_orig" + ")" * (MAX_DEPTH - 1))
    with pytest.raises(QueryError, match=f"more than {MAX_TOKENS} words"):
        parse_query("(," * MAX_TOKENS)
    with pytest.raises(QueryError):
        parse_query(f"orig_bytes > {'9' * 4000}")


def test_texts_are_found_where_they_are_and_not_across_flows() -> None:
    """Strings lie behind each other in memory; a match may not reach into the next."""
    batch = from_rows([{"uid": uid} for uid in ("ab", "c", "abab", "\\xff\\x00b", "aab")])
    for text, rows in {
        "uid contains 'bc'": [],
        "uid contains 'ba'": [2],
        "uid contains 'ab'": [0, 2, 4],
        "uid endswith 'ab'": [0, 2, 4],
        "uid startswith 'ab'": [0, 2],
        "uid == 'ab'": [0],
        r"uid startswith '\xff'": [3],
        r"uid contains '\x00b'": [3],
    }.items():
        assert parse_query(text).rows(batch).nonzero()[0].tolist() == rows, text


Oracle = Callable[[Row], bool | None]
Asked = tuple[str, Oracle]

_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NAMES = ("orig_bytes", "resp_bytes", "id.resp_p")
_WORDS = ("a", "ab", "b", "ba", "aa.b", "é")
_ADDRESSES = ("10.0.0.1", "10.0.1.1", "192.0.2.9", "2001:db8::1", "::1")
_NETWORKS = ("10.0.0.0/8", "10.0.0.0/24", "::/1", "2001:db8::/32", "0.0.0.0/0", "10.0.0.1/32")

FLOWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "orig_bytes": st.integers(0, 5) | st.just(2**64 - 1),
            "resp_bytes": st.integers(0, 5),
            "id.resp_p": st.integers(0, 5),
            "service": st.sampled_from(_WORDS),
            "local_orig": st.booleans(),
            "id.orig_h": st.sampled_from(_ADDRESSES),
        },
    ),
    min_size=1,
    max_size=8,
)


def _known(name: str, test: Callable[[Any], bool]) -> Oracle:
    return lambda row: None if name not in row else test(row[name])


@st.composite
def _number(draw: st.DrawFn) -> Asked:
    name, op = draw(st.sampled_from(_NAMES)), draw(st.sampled_from([*_OPS]))
    value = draw(st.integers(-1, 6) | st.sampled_from([2.5, 2**64, 2**64 - 1, -1e9]))
    if draw(st.booleans()):
        return f"{name} {op} {value}", _known(name, lambda found: _OPS[op](found, value))
    return f"{value} {op} {name}", _known(name, lambda found: _OPS[op](value, found))


@st.composite
def _numbers(draw: st.DrawFn) -> Asked:
    name = draw(st.sampled_from(_NAMES))
    some = draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
    text = ", ".join(map(str, some))
    if draw(st.booleans()):
        return f"{name} in [{text}]", _known(name, lambda found: found in some)
    return f"{name} not in ({text})", _known(name, lambda found: found not in some)


@st.composite
def _word(draw: st.DrawFn) -> Asked:
    word = draw(st.sampled_from(_WORDS))
    asked: list[Asked] = [
        (f'service == "{word}"', _known("service", lambda found: found == word)),
        (f'"{word}" in service', _known("service", lambda found: word in found)),
        (f"service startswith '{word}'", _known("service", lambda f: f.startswith(word))),
        (f"service endswith '{word}'", _known("service", lambda f: f.endswith(word))),
    ]
    return draw(st.sampled_from(asked))


@st.composite
def _address(draw: st.DrawFn) -> Asked:
    network = draw(st.sampled_from(_NETWORKS))

    def within(found: str) -> bool:
        address, net = ipaddress.ip_address(found), ipaddress.ip_network(network)
        if address.version == 4 and net.version == 6:
            address = ipaddress.ip_address(f"::ffff:{found}")
        return address in net

    return f"id.orig_h in {network}", _known("id.orig_h", within)


_LEAVES = st.one_of(
    _number(),
    _numbers(),
    _word(),
    _address(),
    st.just(("local_orig", _known("local_orig", bool))),
    st.sampled_from(_NAMES).map(lambda name: (f"has({name})", lambda row: name in row)),
)


def _not(asked: Asked) -> Asked:
    def oracle(row: Row) -> bool | None:
        found = asked[1](row)
        return None if found is None else not found

    return f"not ({asked[0]})", oracle


def _and(pair: tuple[Asked, Asked]) -> Asked:
    def oracle(row: Row) -> bool | None:
        found = [asked[1](row) for asked in pair]
        return False if False in found else None if None in found else True

    return f"({pair[0][0]}) and {pair[1][0]}", oracle


def _or(pair: tuple[Asked, Asked]) -> Asked:
    def oracle(row: Row) -> bool | None:
        found = [asked[1](row) for asked in pair]
        return True if True in found else None if None in found else False

    return f"(({pair[0][0]}) or ({pair[1][0]}))", oracle


QUERIES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        inner.map(_not), st.tuples(inner, inner).map(_and), st.tuples(inner, inner).map(_or)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(QUERIES, FLOWS)
def test_columns_give_what_each_flow_gives(asked: Asked, rows: list[Row]) -> None:
    """Held against an oracle that asks flow by flow, with absent values, in Kleene's logic."""
    text, oracle = asked
    batch = from_rows(rows)
    assert parse_query(text).rows(batch).tolist() == [oracle(row) is True for row in rows]


_SIGNS = "( ) [ ] { } , == < in not and or has true contains = @ \\ é 3 -1e9 1.5 ::/0 10.0.0.0/8"
_FIELDS = "uid ts dns.query id.orig_h proto __import__ 10.0.0.1 \"a\" '\\x41'"
TOKENS = st.lists(st.sampled_from([*_SIGNS.split(), *_FIELDS.split()]), max_size=30).map(" ".join)


@settings(deadline=None, max_examples=300)
@given(TOKENS | st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_any_text_is_a_query_or_is_refused(text: str) -> None:
    """Nothing else happens: no other error, and of a query an answer for every flow."""
    empty = FlowBatch(0, {})
    try:
        query = parse_query(text)
    except QueryError:
        return
    assert len(query.rows(BATCH)) == len(ROWS)
    assert len(query.rows(empty)) == 0
