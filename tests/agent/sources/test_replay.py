"""Playing a recording into real sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq

from metatap.errors import SourceError
from metatap.flow import FlowBatch
from metatap.sources import ReplayResult, ZeekZeroMQ, flows_message, replay_to_zmq
from tests.agent.flow.samples import plain, uids
from tests.agent.sources.contract import closing, read_all
from tests.agent.sources.samples import Parts, Zeek, stream
from tests.agent.sources.test_recording import recorded
from tests.agent.sources.test_zeek_zeromq import LOOPBACK, Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Zeek's end of the wire."""
    made = Wire()
    yield made
    made.close()


def play(
    wire: Wire, path: Path, source: ZeekZeroMQ, flows: int, **pace: float
) -> tuple[ReplayResult, list[FlowBatch]]:
    """Play a recording to a source that reads meanwhile, until it has so many flows."""
    publisher = wire.socket(zmq.XPUB)
    publisher.connect(source.address)
    with ThreadPoolExecutor(1) as pool:
        player = pool.submit(replay_to_zmq, path, publisher, **pace)  # type: ignore[arg-type]
        batches = read_all(source, flows or None, seconds=20 if flows else 1)
        return player.result(20), batches


def test_a_recording_plays_into_a_real_source(wire: Wire, tmp_path: Path) -> None:
    """The agent reads from the socket what it would read from the file."""
    messages, expected = stream()
    path = recorded(tmp_path / "a.mtrec", messages)
    with closing(ZeekZeroMQ.from_url(LOOPBACK)) as source:
        result, batches = play(wire, path, source, len(expected))
        assert (result.messages, result.skipped) == (len(messages), 0)
        assert [name for batch in batches for name in uids(batch)] == expected
        assert source.read(0.2) is None
        assert source.flows.dropped == {"lost": 9}


def test_a_slow_subscriber_slows_the_player_and_loses_nothing(wire: Wire, tmp_path: Path) -> None:
    """Small queues on both sides, a reader that dawdles, and still every flow."""
    zeek, flows = Zeek(), plain(200)
    messages = [flows_message(flows, zeek.header(200)) for _ in range(300)]
    path = recorded(tmp_path / "a.mtrec", messages)
    with closing(ZeekZeroMQ.from_url(LOOPBACK + "&rcvhwm=2")) as source:
        publisher = wire.socket(zmq.XPUB, sndhwm=2)
        publisher.connect(source.address)
        with ThreadPoolExecutor(1) as pool:
            player = pool.submit(replay_to_zmq, path, publisher)
            first = read_all(source, 200)
            time.sleep(0.5)
            assert not player.done(), "it should wait for the reader"
            rest = read_all(source, 59_800)
            assert sum(batch.rows for batch in first + rest) == 60_000
            assert player.result(10).flows == 60_000
        assert source.flows.dropped == {}


def test_the_pace_is_the_recordings_or_one_of_flows(wire: Wire, tmp_path: Path) -> None:
    """Twice as fast as recorded, or so many flows a second."""
    zeek = Zeek()
    path = recorded(tmp_path / "a.mtrec", [zeek.batch(10) for _ in range(5)], every_s=0.2)
    for pace, due in (({"speed": 2.0}, 0.4), ({"flows_per_s": 200.0}, 0.2)):
        with closing(ZeekZeroMQ.from_url(LOOPBACK)) as source:
            result, _ = play(wire, path, source, 50, **pace)
            assert due <= result.seconds < due + 2


@pytest.mark.parametrize("pace", [(0, None), (None, 0), (-1, None), (1, 1)])
def test_an_impossible_pace_is_a_mistake(
    wire: Wire, tmp_path: Path, pace: tuple[float | None, float | None]
) -> None:
    """One pace at most, above zero."""
    path = recorded(tmp_path / "a.mtrec", [])
    with pytest.raises(ValueError, match="speed"):
        replay_to_zmq(path, wire.socket(zmq.XPUB), speed=pace[0], flows_per_s=pace[1])


def test_nobody_subscribing_is_an_error(wire: Wire, tmp_path: Path) -> None:
    """Better than playing to nobody."""
    publisher = wire.socket(zmq.XPUB)
    publisher.bind_to_random_port("tcp://127.0.0.1")
    path = recorded(tmp_path / "a.mtrec", [Zeek().batch()])
    with pytest.raises(SourceError, match="nobody subscribed"):
        replay_to_zmq(path, publisher, wait_s=0.2)


def test_damaged_records_are_left_out(wire: Wire, tmp_path: Path) -> None:
    """They are counted; bad messages are sent as they are."""
    broken: Parts = [b"metatap.flows.v1.000.x.", b"s", b"json", b"{}"]
    path = recorded(tmp_path / "a.mtrec", [broken, [b"t" * (17 << 20)]])
    with closing(ZeekZeroMQ.from_url(LOOPBACK)) as source:
        result, batches = play(wire, path, source, 0)
        assert (result.messages, result.flows, result.skipped) == (1, 0, 1)
        assert batches == []
        assert source.messages.dropped == {"serializer": 1}
