"""Partial records: living connections are reported, and never counted twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.zeek import pcaps, traffic
from tests.zeek.logs import comparable, expected
from tests.zeek.pcaps import Trace
from tests.zeek.receiver import Received
from tests.zeek.run import Zeek, log

pytestmark = pytest.mark.zeek


def _partials(got: Received) -> list[dict[str, Any]]:
    return [flow for flow in got.flows if flow["partial"]]


def test_a_long_connection_is_reported_while_it_lives(zeek: Zeek, folder: Path) -> None:
    """It comes flagged every interval with what is known so far, and once more at its end.

    The HTTP summary grows from record to record: a partial record does not use it up.
    """
    got = zeek.replay(folder, traffic.long_lived(30), partial_interval="5min")
    partials = _partials(got)
    final = [f for f in got.flows if f["id.orig_h"] == "10.9.9.9" and not f["partial"]]
    assert len(final) == 1
    duration = final[0]["duration"] / 1e9
    assert duration > 1800
    assert [round(flow["duration"] / 1e9 / 300) for flow in partials] == list(
        range(1, int(duration // 300) + 1)
    )
    for flow in partials:
        assert flow["uid"] == final[0]["uid"]
        assert flow["conn_state"] == b"S1"
        assert flow["http.uri"] == b"/task/0"
        assert flow["orig_pkts"] + flow["resp_pkts"] > 16
    for flow in partials:
        assert abs(flow["http.requests"] - flow["duration"] / 60e9) <= 1
    assert final[0]["http.requests"] == 30
    assert comparable(final[0]) == expected(folder)[final[0]["uid"].decode()]


def test_partial_records_are_counted_apart(zeek: Zeek, folder: Path) -> None:
    """Σ flows = seen − filtered + partials, and the finished ones are those of conn.log."""
    got = zeek.replay(
        folder,
        traffic.long_lived(20),
        partial_interval="2min",
        script="hook Metatap::filter(rec: Conn::Info) { if ( rec$id$orig_p == 1030/tcp ) break; }",
    )
    (final,) = got.finals
    assert final["partials"] == len(_partials(got)) > 5
    assert final["filtered"] == 1
    assert final["seen"] == len(log(folder, "conn"))
    assert sum(final["flows"]) == final["seen"] - final["filtered"] + final["partials"]


def test_partial_records_can_be_turned_off(zeek: Zeek, folder: Path) -> None:
    """An interval of 0 makes none."""
    got = zeek.replay(folder, traffic.long_lived(20), partial_interval="0sec")
    assert not _partials(got)
    assert len(got.flows) == len(log(folder, "conn"))


def test_the_filter_hook_sees_partial_records(zeek: Zeek, folder: Path) -> None:
    """A connection that the site does not export is not exported while it lives, either."""
    got = zeek.replay(
        folder,
        traffic.long_lived(20),
        partial_interval="2min",
        script="hook Metatap::filter(rec: Conn::Info) { if ( rec$id$orig_h == 10.9.9.9 ) break; }",
    )
    assert not _partials(got)
    (final,) = got.finals
    assert (final["partials"], final["filtered"]) == (0, 1)


def test_a_sites_own_thresholds_keep_working(zeek: Zeek, folder: Path) -> None:
    """A site that watches durations gets its events, and ours are not lost."""
    script = """
        event new_connection(c: connection)
            {
            ConnThreshold::set_duration_threshold(c, 100sec);
            ConnThreshold::set_duration_threshold(c, 10min);
            }
        event ConnThreshold::duration_threshold_crossed(c: connection, t: interval, is_orig: bool)
            {
            if ( t == 100sec || t == 10min )
                print fmt("crossed %s", t);
            }
    """
    got = zeek.replay(folder, traffic.long_lived(20), partial_interval="5min", script=script)
    output = (folder / "stderr.log").read_text()
    assert output.count("crossed 1.0 min 40.0 secs") == 1
    assert output.count("crossed 10.0 mins") == 1
    assert len(_partials(got)) == 4


def test_a_long_udp_stream_is_reported(zeek: Zeek, folder: Path) -> None:
    """Datagrams both ways for half an hour: Zeek takes them for one connection, and so do we."""
    trace = Trace()
    for i in range(360):
        at = traffic.START + 5 * i
        query = pcaps.dns_query(i, f"{i}.tunnel.example", 16)
        reply = pcaps.dns_reply(i, f"{i}.tunnel.example", 16, [b"\x03abc"])
        trace.udp(at, ("10.0.0.2", 5353), ("198.51.100.53", 53), query)
        trace.udp(at + 0.1, ("198.51.100.53", 53), ("10.0.0.2", 5353), reply)
    partials = _partials(zeek.replay(folder, trace, partial_interval="10min"))
    assert [flow["conn_state"] for flow in partials] == [b"SF", b"SF"]
    counts = [flow["dns.queries"] for flow in partials]
    assert counts == pytest.approx([120, 240], abs=2)


def test_reports_start_soon_and_miss_no_interval(zeek: Zeek, folder: Path) -> None:
    """Which connections live long is looked for every ten seconds; then each interval has its own.

    More connections than are noted at once have enough packets meanwhile, and they are over.
    """
    trace = Trace()
    turns = [(i % 2 == 0, b"x") for i in range(120)]
    trace.tcp(traffic.START, ("10.9.9.9", 41000), ("198.51.100.66", 4444), turns, pause=1.0)
    for i in range(1100):
        client = ("10.1.0.1", 1024 + i)
        trace.tcp(traffic.START + 5 + i / 500, client, ("10.2.0.1", 4445), turns[:8])
    got = zeek.replay(folder, trace, partial_interval="15sec")
    partials = _partials(got)
    assert {flow["id.orig_h"] for flow in partials} == {"10.9.9.9"}
    multiples = [int(flow["duration"] / 15e9) for flow in partials]
    assert multiples[0] <= 2
    assert multiples == list(range(multiples[0], multiples[0] + len(multiples)))
    assert multiples[-1] == 8
    assert len(got.flows) - len(partials) == len(log(folder, "conn")) == 1101
