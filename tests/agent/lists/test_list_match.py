"""Which rule matches which hit, against a slow reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.alerts.scored import SCAN, SSH, detections, rules
from tests.agent.lists import reference

from metatap.detector import Detections
from metatap.flow import Row
from metatap.lists import ListFile, ListRule, Lists, match
from metatap.lists.facts import facts_of_flows
from metatap.lists.rule import CRITERIA
from metatap.lists.values import domain, network, ports

ADDRESSES = [
    "0.0.0.0",
    "10.0.0.1",
    "10.0.0.255",
    "10.128.0.1",
    "192.168.1.7",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "2001:db8::1",
    "2001:db8:0:1::1",
    "2001:db8:ffff:ffff:8000::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
]
NAMES = [
    "example.com",
    "www.Example.com.",
    "a.b.example.com",
    "notexample.com",
    "com",
    "EXAMPLE.net",
]
PATTERNS = ["example.com", "*.example.com", "*.com", "com", "*.b.example.com.", "EXAMPLE.NET"]
PACKS = [SSH.id, SCAN.id]


# Made once: a strategy made in a draw is checked anew in each.
ANY_ADDRESS = st.sampled_from(ADDRESSES) | st.ip_addresses().map(str)
LENGTHS = {bits: st.integers(0, bits) for bits in (32, 128)}


@st.composite
def networks(draw: st.DrawFn) -> Any:
    """A network around one of the addresses, or any other."""
    text = draw(ANY_ADDRESS)
    length = draw(LENGTHS[128 if ":" in text else 32])
    return network(str(ip_network(f"{text}/{length}", strict=False)))


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """No value, or a few."""
    return st.just(()) | st.lists(values, min_size=1, max_size=3).map(tuple)


def asks(rule: ListRule) -> bool:
    return any(getattr(rule, name) for name in CRITERIA)


def in_order(found: list[ListRule]) -> list[ListRule]:
    return [replace(rule, id=f"rule-{at}") for at, rule in enumerate(found)]


RULES = st.lists(
    st.builds(
        ListRule,
        id=st.just(""),
        reason=st.just("test"),
        orig=some(networks()),
        resp=some(networks()),
        host=some(networks()),
        domain=some(st.sampled_from(PATTERNS).map(domain)),
        port=some(st.sampled_from(["22", "53", "0-1023", "1024-65535", "443-8443"]).map(ports)),
        proto=some(st.sampled_from(["tcp", "udp", "icmp"])),
        service=some(st.sampled_from(["ssl", "http", "dns"])),
        pack=some(st.sampled_from([*PACKS, "other"])),
        expires=st.none() | st.sampled_from([5, 6]),
    ).filter(asks),
    max_size=12,
).map(in_order)
FLOWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id.orig_h": ANY_ADDRESS,
            "id.resp_h": st.sampled_from(ADDRESSES),
            "id.resp_p": st.sampled_from([0, 22, 53, 443, 1023, 1024, 65535]),
            "proto": st.sampled_from(["tcp", "udp", "icmp", "unknown_transport"]),
            "service": st.sampled_from(["ssl", "ssl,http", "HTTP", "dns", "krb"]),
            "dns.query": st.sampled_from(NAMES),
            "http.host": st.sampled_from([*NAMES, "example.com:8080", "[::1]:80"]),
            "ssl.server_name": st.sampled_from(NAMES),
        },
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(params=[match.MAX_CANDIDATES, 3])
def candidates(request: pytest.FixtureRequest) -> Iterator[None]:
    """Once as it is, once with so few candidates that hits are halved."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match, "MAX_CANDIDATES", request.param)
        yield


@pytest.mark.untraced
@pytest.mark.usefixtures("candidates")
@given(RULES, FLOWS, st.data())
def test_hits_and_alerts_match_as_the_reference_says(
    given_rules: list[ListRule], flows: list[Row], data: st.DataObject
) -> None:
    """By columns and by flow, each hit falls to the same first rule, or stays."""
    draw = st.lists(st.sampled_from([0.0, 2.0]), min_size=2, max_size=2)
    scores = data.draw(st.lists(draw, min_size=len(flows), max_size=len(flows)))
    before = detections(flows, scores, rules(SSH, SCAN))
    lists = lists_of(*given_rules)
    after = lists.apply(before, now=5)
    expected = [reference.first(given_rules, flows[r], PACKS[p], now=5) for r, p in hits(before)]
    left = [hit for hit, rule in zip(hits(before), expected, strict=True) if rule is None]
    assert hits(after) == left
    counted = {one["id"]: one["hits"] for one in lists.status(now=5)["by_rule"] if one["hits"]}
    names = [rule.id for rule in expected if rule is not None]
    assert counted == {name: names.count(name) for name in names}
    facts = facts_of_flows([flows[r] for r, _ in hits(before)], [PACKS[p] for _, p in hits(before)])
    assert lists.first(facts, 5) == expected


def test_an_ipv6_network_holds_no_ipv4_address() -> None:
    """Inside the agent IPv4 is written as IPv6; a rule on IPv6 must not see that."""
    flow = {"id.orig_h": "10.0.0.1", "id.resp_h": "2001:db8::1", "partial": False}
    everything = ListRule("v6", "test", orig=(network("::/1"),))
    assert len(lists_of(everything).apply(detections([flow]), 0).rows) == 1
    mapped = ListRule("v4", "test", orig=(network("::ffff:10.0.0.0/104"),))
    assert len(lists_of(mapped).apply(detections([flow]), 0).rows) == 0


@pytest.mark.parametrize(
    ("name", "is_quiet"),
    [
        ("tunnel.example.com", True),
        ("TUNNEL.EXAMPLE.COM.", True),
        ("a.b.c.example.com", True),
        ("example.com", False),
        ("notexample.com", False),
        ("example.com.evil.net", False),
        ("x" * 244 + ".example.com", False),
    ],
)
def test_a_wildcard_matches_what_is_below_it(name: str, is_quiet: bool) -> None:
    """At any depth; not the apex, not a name that only ends alike, not one that may be cut."""
    rule = ListRule("below", "test", domain=(domain("*.example.com"),))
    flow = {"id.orig_h": "10.0.0.1", "dns.query": name, "partial": False}
    assert (len(lists_of(rule).apply(detections([flow]), 0).rows) == 0) is is_quiet


def test_bytes_that_are_no_text_are_compared_as_they_are() -> None:
    """A name from the network may be anything; what is no UTF-8 still has a domain."""
    rule = ListRule("below", "test", domain=(domain("*.example.com"), domain("bücher.example")))
    flows = [
        {"dns.query": b"\xff\x00.example.com", "partial": False},
        {"dns.query": "bücher.example".encode(), "partial": False},
        {"dns.query": b"b\xfccher.example", "partial": False},
    ]
    lists = lists_of(rule)
    assert hits(lists.apply(detections(flows), 0)) == [(2, 0)]
    texts = [{"dns.query": r"\xff\x00.example.com"}, {"dns.query": r"b\xfccher.example"}]
    assert [one is not None for one in lists.first(facts_of_flows(texts, ["p", "p"]), 0)] == [
        True,
        False,
    ]


def test_an_icmp_code_is_no_port() -> None:
    """Zeek keeps the code of ICMP where the port would be."""
    rule = ListRule("port", "test", port=(ports("0-100"),))
    flows = [
        {"id.resp_p": 3, "proto": "icmp", "partial": False},
        {"id.resp_p": 3, "proto": "tcp", "partial": False},
    ]
    assert hits(lists_of(rule).apply(detections(flows), 0)) == [(0, 0)]


def test_many_rules_and_hits_are_each_right() -> None:
    """More hits than are looked at together, thousands of rules: every 7th address is quiet."""
    addresses = [f"10.{a}.{b}.9" for a in range(20) for b in range(250)]
    quiet = [
        ListRule(f"rule-{at}", "test", orig=(network(address),), pack=(SSH.id,))
        for at, address in enumerate(addresses)
        if at % 7 == 0
    ]
    flows = [{"id.orig_h": address, "partial": False} for address in addresses]
    after = lists_of(*quiet).apply(detections(flows), 0)
    assert hits(after) == [(at, 0) for at in range(len(addresses)) if at % 7]


def lists_of(*given_rules: ListRule) -> Lists:
    return Lists([ListFile(Path("test.yaml"), "", given_rules)])


def hits(found: Detections) -> list[tuple[int, int]]:
    return [*zip(found.rows.tolist(), found.packs.tolist(), strict=True)]
