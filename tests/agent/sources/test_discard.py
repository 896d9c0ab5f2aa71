"""Giving up what is queued, counted."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from metatap.sources import RecordingSource, WireOptions, ZeekZeroMQ
from tests.agent.sources.contract import closing, read_all
from tests.agent.sources.samples import Zeek
from tests.agent.sources.test_recording import recorded
from tests.agent.sources.test_session import feed, session
from tests.agent.sources.test_zeek_zeromq import LOOPBACK, Wire, send, wire

__all__ = ["wire"]


def test_decoded_batches_that_wait_are_dropped_under_the_reason() -> None:
    """They had been counted as passed on."""
    receiver, zeek = session(), Zeek()
    feed(receiver, [zeek.batch(3), zeek.batch(4), zeek.batch(5)])
    assert receiver.take() is not None
    assert receiver.discard("given_up") == 9
    assert receiver.flows.dropped == {"given_up": 9}
    assert receiver.flows.passed == 3
    assert receiver.flows.balanced
    assert not receiver.waiting
    assert receiver.discard("given_up") == 0


def test_a_message_turned_away_is_accounted_for_by_its_header() -> None:
    """Losses before it are counted, its columns are not looked at, a duplicate stays one."""
    receiver, zeek = session(), Zeek()
    zeek.batch(7)
    message = zeek.batch(4)
    cut = [*message[:3], message[3][:-20]]
    assert receiver.turn_away(cut, 0.0, "given_up") == 4
    assert receiver.turn_away(cut, 0.0, "given_up") == 0
    zeek.batch(2)
    assert receiver.turn_away(zeek.hello(), 0.0, "given_up") == 0
    assert receiver.turn_away([b"", b"", b"", b""], 0.0, "given_up") == 0
    assert receiver.flows.dropped == {"lost": 9, "given_up": 4, "duplicate": 4}
    assert receiver.messages.dropped == {"duplicate": 1, "serializer": 1}
    assert receiver.flows.balanced
    assert receiver.messages.balanced
    assert not receiver.waiting


@pytest.mark.parametrize("batch_rows", [0, 50])
def test_what_zeromq_holds_is_counted(wire: Wire, batch_rows: int) -> None:
    """Every flow that was sent is passed on, lost or dropped under the reason."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK, WireOptions(batch_rows=batch_rows))) as source:
        publisher, zeek = wire.zeek(source.address, source), Zeek()
        send(publisher, *(zeek.batch(20) for _ in range(100)))
        zeek.batch(20)
        send(publisher, zeek.hello(final=True))
        time.sleep(0.5)
        batch = source.read(1)
        assert batch is not None
        dropped = source.discard("given_up")
        assert dropped == 2000 - batch.rows
        assert source.flows.dropped == {"given_up": dropped, "lost": 20}
        assert source.flows.received == 2020
        assert source.flows.balanced
        assert source.done
        assert source.read(1) is None


def test_it_ends_although_more_keeps_coming(wire: Wire) -> None:
    """At the high-water mark, or after two seconds if there is none."""
    stop = threading.Event()
    with closing(ZeekZeroMQ.from_url(LOOPBACK + "&rcvhwm=0")) as source:
        publisher, zeek = wire.zeek(source.address, source), Zeek()

        def flood() -> None:
            while not stop.is_set():
                send(publisher, zeek.batch(1))

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            assert read_all(source, 1)
            time.sleep(0.3)
            start = time.monotonic()
            assert source.discard("given_up") > 0
            assert time.monotonic() - start < 4
        finally:
            stop.set()
            thread.join()
        assert source.flows.balanced


def test_it_ends_at_the_high_water_mark(wire: Wire) -> None:
    """What comes in meanwhile is not waited for."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK)) as source:
        publisher, zeek = wire.zeek(source.address, source), Zeek()
        send(publisher, *(zeek.batch(1) for _ in range(50)))
        time.sleep(0.3)
        source._options = WireOptions(rcvhwm=10)
        assert source.discard("given_up") == 10


def test_a_closed_source_still_tells_what_waited(wire: Wire) -> None:
    """Closing first gives up what ZeroMQ held, and not what was decoded."""
    source = ZeekZeroMQ.from_url(LOOPBACK, WireOptions(batch_rows=10))
    publisher, zeek = wire.zeek(source.address, source), Zeek()
    send(publisher, *(zeek.batch(6) for _ in range(2)))
    time.sleep(0.3)
    assert source.read(1) is not None
    source.close()
    assert source.discard("given_up") == 6
    assert source.read(0) is None


def test_the_rest_of_a_recording_was_never_received(tmp_path: Path) -> None:
    """Only what was decoded and waits is dropped."""
    zeek = Zeek()
    path = recorded(tmp_path / "a.mtrec", [zeek.batch(6) for _ in range(9)])
    with closing(RecordingSource(path, WireOptions(batch_rows=10))) as source:
        batch = source.read(0)
        assert batch is not None
        assert batch.rows == 6
        assert source.discard("given_up") == 6
        assert source.flows.received == 12
        assert source.flows.balanced
        assert source.done


def test_a_source_that_hears_nothing_says_so_once() -> None:
    """Most often Zeek sends to another port; silence of nodes is only known once they spoke."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK, WireOptions(silent_s=0.2))) as source:
        with capture_logs() as logs:
            source.read(0.1)
            assert not logs
            for _ in range(5):
                source.read(0.1)
        assert [(log["event"], log["address"]) for log in logs] == [
            ("zeek_never_heard", source.address)
        ]


def test_being_heard_at_last_is_told(wire: Wire) -> None:
    """After the warning, so that it need not be looked into."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK, WireOptions(silent_s=0.2))) as source:
        with capture_logs() as logs:
            time.sleep(0.3)
            publisher, zeek = wire.zeek(source.address, source), Zeek()
            send(publisher, zeek.batch(1))
            assert source.read(1) is not None
            source.read(0)
        assert [log["event"] for log in logs] == ["zeek_never_heard", "zeek_heard"]


def test_one_that_was_heard_in_time_says_nothing(wire: Wire) -> None:
    """However long it is silent later: that is `zeek_silent`."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK, WireOptions(silent_s=0.5))) as source:
        publisher, zeek = wire.zeek(source.address, source), Zeek()
        with capture_logs() as logs:
            send(publisher, zeek.batch(1))
            assert source.read(1) is not None
            source.read(1)
        assert [log["event"] for log in logs] == ["zeek_silent"]
