"""Traffic in which each column has something to hold."""

from __future__ import annotations

from tests.zeek import pcaps
from tests.zeek.pcaps import Trace

START = 1_700_000_000.0


def many(count: int, *, start: float = START, rate: float = 1000.0) -> Trace:
    """Short TCP connections of 250 originators."""
    trace = Trace()
    for i in range(count):
        client = f"10.1.{i % 250 // 16}.{1 + i % 250}"
        turns = [(True, b"ping"), (False, b"pong" * 8)]
        trace.tcp(start + i / rate, (client, 1024 + i % 60000), ("10.2.0.1", 4444), turns)
    return trace


def all_kinds() -> Trace:
    """A connection of each kind: all protocols, states, families, and what is absent."""
    trace = Trace()
    trace.tcp(
        START,
        ("10.0.0.1", 40000),
        ("198.51.100.9", 80),
        [
            (True, pcaps.http_request("GET", "www.example", "/index?a=1")),
            (False, pcaps.http_response(404, b"no such page")),
            (True, pcaps.http_request("POST", "www.example", "/form", body=b"x" * 3000)),
            (False, pcaps.http_response(200, b"y" * 5000)),
            (True, pcaps.http_request("GET", "www.example", "/never-answered")),
        ],
    )
    for i, (name, qtype, rcode, data) in enumerate(
        [
            ("www.example", 1, 0, [b"\xcb\x00\x71\x01", b"\xcb\x00\x71\x02"]),
            ("a-much-longer-name.tunnel.example", 16, 0, [b"\x05hello"]),
            ("gone.example", 28, 3, []),
        ]
    ):
        at = START + 0.1 * i
        query = pcaps.dns_query(i, name, qtype)
        reply = pcaps.dns_reply(i, name, qtype, data, rcode)
        trace.udp(at, ("10.0.0.2", 5353), ("198.51.100.53", 53), query)
        trace.udp(at + 0.01, ("198.51.100.53", 53), ("10.0.0.2", 5353), reply)
    last = pcaps.dns_query(99, "never-answered.example", 65)
    trace.udp(START + 0.5, ("10.0.0.2", 5353), ("198.51.100.53", 53), last)
    banners = [(False, b"SSH-2.0-OpenSSH_9.2\r\n"), (True, b"SSH-2.0-client\r\n")]
    trace.tcp(START + 1, ("10.0.0.3", 40001), ("10.0.0.22", 22), banners)
    tls = [
        (True, pcaps.client_hello("tls.example")),
        (False, pcaps.server_hello(pcaps.CERTIFICATE)),
    ]
    trace.tcp(START + 1, ("10.0.0.4", 40002), ("198.51.100.4", 443), tls)
    trace.tcp(START + 2, ("2001:db8::1", 40003), ("2001:db8::2", 9999), [(True, b"six")])
    trace.tcp(START + 2, ("203.0.113.7", 40004), ("10.0.0.5", 23), answer="ignore")
    trace.tcp(START + 2, ("203.0.113.7", 40005), ("10.0.0.5", 24), answer="refuse")
    trace.tcp(START + 2, ("203.0.113.7", 40006), ("10.0.0.5", 25), [(True, b"?")], close="reset")
    trace.tcp(START + 2, ("203.0.113.7", 40007), ("10.0.0.5", 26), [(True, b"!")], close="open")
    trace.udp(START + 3, ("10.0.0.6", 6000), ("10.0.0.7", 7000), b"\x00\xffdatagram")
    trace.ping(START + 3, "10.0.0.6", "10.0.0.7")
    return trace


def long_lived(minutes: int) -> Trace:
    """A web connection with a request each minute, and some short ones beside it."""
    trace = many(40, rate=0.1)
    turns = []
    for i in range(minutes):
        turns += [
            (True, pcaps.http_request("GET", "c2.example", f"/task/{i}")),
            (False, pcaps.http_response(200, b"sleep")),
        ]
    trace.tcp(START, ("10.9.9.9", 41000), ("198.51.100.66", 80), turns, pause=30.0)
    return trace


def mixed(count: int, *, rate: float = 2000.0) -> Trace:
    """As many connections, one in three each of plain TCP, DNS and HTTP."""
    trace = Trace()
    for i in range(count):
        at = START + i / rate
        client = f"10.1.{i % 250 // 16}.{1 + i % 250}"
        port = 1024 + i % 60000
        if i % 3 == 0:
            trace.tcp(at, (client, port), ("10.2.0.1", 4444), [(True, b"ping"), (False, b"pong")])
        elif i % 3 == 1:
            name = f"host-{i}.example"
            trace.udp(at, (client, port), ("10.2.0.53", 53), pcaps.dns_query(i % 65536, name, 1))
            reply = pcaps.dns_reply(i % 65536, name, 1, [b"\xcb\x00\x71\x01"])
            trace.udp(at + 0.01, ("10.2.0.53", 53), (client, port), reply)
        else:
            request = pcaps.http_request("GET", "www.example", f"/page/{i}?q=1")
            turns = [(True, request), (False, pcaps.http_response(200, b"x" * 200))]
            trace.tcp(at, (client, port), ("10.2.0.80", 80), turns)
    return trace


def lookups(count: int, *, rate: float = 2000.0) -> Trace:
    """DNS: as many connections, a query with its answer each."""
    trace = Trace()
    for i in range(count):
        at = START + i / rate
        client = (f"10.1.{i % 250 // 16}.{1 + i % 250}", 1024 + i % 60000)
        name = f"host-{i}.example"
        trace.udp(at, client, ("10.2.0.53", 53), pcaps.dns_query(i % 65536, name, 1))
        reply = pcaps.dns_reply(i % 65536, name, 1, [b"\xcb\x00\x71\x01"])
        trace.udp(at + 0.01, ("10.2.0.53", 53), client, reply)
    return trace


def downloads(count: int, *, rate: float = 100.0) -> Trace:
    """HTTP: as many connections, 65 kB each (a mean campus flow has 68 kB, arXiv 1809.03486)."""
    trace = Trace()
    for i in range(count):
        client = (f"10.1.{i % 250 // 16}.{1 + i % 250}", 1024 + i % 60000)
        request = pcaps.http_request("GET", "www.example", f"/big/{i}")
        turns = [(True, request), (False, pcaps.http_response(200, b"x" * 65000))]
        trace.tcp(START + i / rate, client, ("10.2.0.80", 80), turns)
    return trace


def smoke() -> Trace:
    """The twelve connections of the package's own test: `zeek_scripts/testing/smoke.pcap`."""
    trace = mixed(8, rate=10.0)
    for i in range(4):
        trace.tcp(START + i, ("10.0.0.3", 40001 + i), ("10.0.0.22", 22), answer="refuse")
    return trace
