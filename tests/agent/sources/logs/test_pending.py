"""What waits for its conn line, in bounded memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from metatap.sources.logs import LogOptions, ZeekLogs
from metatap.sources.logs.fields import layout
from metatap.sources.logs.pending import Pending
from tests.agent.sources.contract import closing
from tests.agent.sources.logs.samples import START, as_json, conn, dns, http, read, ssl, write


def line(uid: str, ts: float | None) -> Any:
    """A line of dns.log."""
    return layout("dns").struct(uid=uid, ts=ts)


def test_what_waits_is_dropped_oldest_first() -> None:
    """A line puts its connection at the end again."""
    gone: list[int] = []
    pending = Pending(2, 360.0, gone.append)
    for at, uid in enumerate("abac"):
        pending.add("dns", line(uid, float(at)))
    assert gone == [1]
    assert pending.pop("b") is None
    waiting = pending.pop("a")
    assert waiting is not None
    assert waiting.lines == 2


def test_a_wrong_time_does_not_stop_the_ageing() -> None:
    """A line from the year 2255 is as old as the slack allows, so those behind it age too."""
    gone: list[int] = []
    pending = Pending(100, 360.0, gone.append)
    pending.clock = START
    for uid, ts in (("wrong", 9e9), ("a", START), ("b", None)):
        pending.add("dns", line(uid, ts))
    pending.clock = START + 1361
    pending.age(1000)
    assert gone == [1, 1, 1]
    assert len(pending) == 0


@pytest.mark.parametrize("most", [500, 1000])
def test_reading_ahead_pushes_out_no_long_connection(tmp_path: Path, most: int) -> None:
    """Ten queries a second fill the bound with lines that may be late; ssl lines wait six minutes.

    Without the rule at half of the bound, most of the ssl lines are given up.
    """
    conns = [(at / 10 + 0.25, conn(0, uid=f"D{at}", ts=START + at / 10)) for at in range(9000)]
    long = [conn(0, uid=f"L{at}", ts=START + 10 * at, duration=350.0) for at in range(50)]
    conns += [(10.0 * at + 350, flow) for at, flow in enumerate(long)]
    conns.sort(key=lambda item: item[0])
    write(tmp_path / "conn.log", as_json([flow for _, flow in conns]))
    write(tmp_path / "dns.log", as_json([dns(0, uid=f"D{n}", ts=START + n / 10)
                                         for n in range(9000)]))  # fmt: skip
    write(tmp_path / "ssl.log", as_json([ssl(0, uid=f["uid"], ts=f["ts"]) for f in long]))
    source = ZeekLogs(tmp_path, LogOptions(max_pending=most, batch_rows=100))
    batches = read(source)
    masks = [c.mask() for b in batches if (c := b.strings("ssl.version")) is not None]
    assert sum(int(mask.sum()) for mask in masks) == 50
    assert source.messages.dropped == {}
    assert source.most_waiting <= most


def test_what_waits_is_small_whatever_the_texts(tmp_path: Path) -> None:
    """Eight texts of 4 KiB a connection, of four bytes a character: some KB are held of each."""
    text = "\U0001f600" * 1024
    flows = range(1000)
    write(tmp_path / "conn.log", as_json([conn(9999)]))
    texts = dict.fromkeys(("method", "host", "uri", "user_agent"), text)
    write(tmp_path / "http.log", as_json([http(at, ts=START, **texts) for at in flows]))
    texts = dict.fromkeys(("version", "cipher", "server_name", "next_protocol"), text)
    write(tmp_path / "ssl.log", as_json([ssl(at, ts=START, **texts) for at in flows]))
    with closing(ZeekLogs(tmp_path)) as source:
        tracemalloc.start()
        try:
            assert source.read(60) is not None
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert source.waiting == 1000
        assert held / 1000 < 5000
