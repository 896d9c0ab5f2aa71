"""Reading goes on, and stops in time, whatever is wrong with a file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import structlog

from metatap.sources.logs import LogOptions, ZeekLogs
from tests.agent.flow.samples import uids
from tests.agent.sources.contract import closing, read_all
from tests.agent.sources.logs.samples import START, as_json, conn, dns, read, ssl, write


@pytest.mark.parametrize("log", ["conn", "dns"])
def test_a_file_that_is_gone_costs_nothing_else(tmp_path: Path, log: str) -> None:
    """It is counted, as a flow too if it is a conn log; the files before and after are read."""
    for at in range(4):
        flows = range(at * 1000, at * 1000 + 1000)
        write(tmp_path / f"conn.0{at}.log", as_json([conn(n) for n in flows]))
        write(tmp_path / f"dns.0{at}.log", as_json([dns(n) for n in flows]))
    source = ZeekLogs(tmp_path)
    (tmp_path / f"{log}.02.log").unlink()
    with structlog.testing.capture_logs() as events:
        rows = sum(batch.rows for batch in read(source))
    assert rows == (3000 if log == "conn" else 4000)
    assert source.flows.dropped == ({"file_unreadable": 1} if log == "conn" else {})
    assert source.messages.dropped["file_unreadable"] == 1
    assert source.messages.passed == (6000 if log == "conn" else 7000)
    [event] = [event for event in events if event["reason"] == "file_unreadable"]
    assert event["file"] == f"{log}.02.log"


def test_one_loggers_file_that_is_gone_leaves_the_others(tmp_path: Path) -> None:
    """Of a group of files that are merged."""
    for n in (1, 2):
        write(tmp_path / f"logger-{n}/conn.log", as_json([conn(n), conn(n + 2)]))
    source = ZeekLogs(tmp_path)
    (tmp_path / "logger-1/conn.log").unlink()
    assert [uids(batch) for batch in read(source)] == [[b"C00002", b"C00004"]]
    assert source.flows.dropped == {"file_unreadable": 1}


def test_reading_ahead_stops_in_time(tmp_path: Path) -> None:
    """A long log beside one conn line: each call ends soon, and the next goes on from there."""
    write(tmp_path / "conn.log", as_json([conn(400_000)]))
    write(tmp_path / "dns.log", as_json([dns(0, uid=f"X{at}") for at in range(60_000)]))
    write(tmp_path / "ssl.log", as_json([ssl(400_000)]))
    calls = 0
    with closing(ZeekLogs(tmp_path)) as source:
        while (batch := source.read(0)) is None:
            assert not source.done
            calls += 1
        assert batch.rows == 1
        assert "ssl.version" in batch.columns
        read_all(source)
        assert source.done
    assert calls > 10
    assert source.messages.dropped == {"unjoined": 60_000}
    assert source.messages.passed == 2


def test_the_rest_of_a_folder_is_read_in_time(tmp_path: Path) -> None:
    """Lines behind the last conn line do not hold up whoever waits."""
    write(tmp_path / "conn.log", as_json([conn(0)]))
    write(tmp_path / "dns.log", as_json([dns(1000, uid=f"X{at}") for at in range(60_000)]))
    calls = 0
    with closing(ZeekLogs(tmp_path)) as source:
        assert source.read(60) is not None
        while not source.done:
            assert source.read(0) is None
            calls += 1
    assert calls > 10
    assert source.messages.dropped == {"unjoined": 60_000}


def test_flows_whose_lines_are_sought_are_discarded_too(tmp_path: Path) -> None:
    """They were read, and nobody got them."""
    write(tmp_path / "conn.log", as_json([conn(400_000), conn(400_001)]))
    write(tmp_path / "dns.log", as_json([dns(0, uid=f"X{at}") for at in range(60_000)]))
    source = ZeekLogs(tmp_path)
    while not source.waiting:
        assert source.read(0) is None
    waiting = source.waiting
    assert source.discard("given_up") == 2
    assert source.flows.dropped == {"given_up": 2}
    assert source.messages.dropped == {"given_up": 2 + waiting}
    assert source.discard("given_up") == 0


def test_a_capture_without_conn_lines_does_not_block_a_log(tmp_path: Path) -> None:
    """Its lines are passed over when those of the capture that is read follow."""
    conns = [conn(at, capture="a") for at in range(50)]
    conns += [conn(at, capture="c") for at in range(100, 150)]
    lines = [dns(at, capture="a") for at in range(50)]
    lines += [dns(at, capture="b") for at in range(50, 170)]
    lines += [dns(at, capture="c") for at in range(100, 150)]
    write(tmp_path / "conn.log", as_json(conns))
    write(tmp_path / "dns.log", as_json(lines))
    source = ZeekLogs(tmp_path)
    for batch in read(source):
        column = batch.numeric("dns.queries")
        assert column is not None
        assert column.mask().all()
    assert source.messages.dropped == {"capture_order": 120}


def test_a_capture_that_one_log_lacks_does_not_cost_the_next(tmp_path: Path) -> None:
    """dns goes from a to c while conn reads b: those of c wait for their flows."""
    write(tmp_path / "conn.log", as_json([conn(n, capture=c) for n, c in enumerate("aabbcc")]))
    write(tmp_path / "dns.log", as_json([dns(n, capture=c) for n, c in enumerate("aaxxcc")
                                         if c != "x"]))  # fmt: skip
    source = ZeekLogs(tmp_path, LogOptions(batch_rows=1))
    assert ["dns.queries" in b.columns for b in read(source)] == [True] * 2 + [False] * 2 + [
        True
    ] * 2
    assert source.messages.dropped == {}


def test_a_byte_order_mark_is_no_part_of_a_line(tmp_path: Path) -> None:
    """An editor puts it before the first line, JSON or not."""
    write(tmp_path / "conn.log", b"\xef\xbb\xbf" + as_json([conn(1), conn(2)]))
    source = ZeekLogs(tmp_path)
    assert sum(batch.rows for batch in read(source)) == 2
    assert source.flows.dropped == {}


def test_looking_for_a_capture_is_done_once(tmp_path: Path) -> None:
    """Many captures without a line in a log cost no more than a look each."""
    conns = [conn(at, capture=f"c{at:04d}") for at in range(1500)]
    write(tmp_path / "conn.log", as_json(conns))
    write(tmp_path / "dns.log", as_json([dns(1499, capture="c1499", ts=START)] * 5000))
    start = time.monotonic()
    batches = read(ZeekLogs(tmp_path))
    assert time.monotonic() - start < 20
    assert "dns.queries" in batches[-1].columns
