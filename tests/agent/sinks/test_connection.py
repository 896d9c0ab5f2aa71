"""metatap.sinks.stream."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from tests.agent.sinks.tcp_peer import Peer, drain

from metatap.sinks import Endpoint
from metatap.sinks.stream import Stream, connect


@pytest.fixture
def deaf() -> Iterator[Stream]:
    """A stream to a receiver whose system takes a little and which reads nothing."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        stream = connect(Endpoint("127.0.0.1", listening.getsockname()[1]), 0.3)
        yield stream
        stream.abort()


def test_bytes_count_as_taken_only_once_they_are_acknowledged(deaf: Stream) -> None:
    """That the own system holds them is not enough."""
    deaf.write(b"a")
    deaf.settle()
    deaf.write(bytes(200_000))
    with pytest.raises(TimeoutError, match="acknowledges nothing"):
        deaf.settle()


def test_a_receiver_that_takes_nothing_is_not_waited_for(deaf: Stream) -> None:
    """Longer than a time-out."""
    with pytest.raises(TimeoutError):
        deaf.write(bytes(50_000_000))


def test_a_receiver_that_takes_a_little_all_the_time_is_not_waited_for_without_end() -> None:
    """Bytes move before each time-out, and yet there is an end."""
    ended = threading.Event()

    def sip(connection: socket.socket, seen: bytearray) -> None:
        while not ended.wait(0.01):
            seen += connection.recv(200_000)

    with Peer(sip) as peer:
        stream = connect(Endpoint("127.0.0.1", peer.port), 0.5)
        try:
            with pytest.raises(TimeoutError):
                stream.write(bytes(400_000_000))
        finally:
            ended.set()
            stream.abort()
    assert len(peer.seen[0]) > 1_000_000


def test_a_slow_receiver_gets_everything() -> None:
    """As long as it goes on, within reason."""

    def slowly(connection: socket.socket, seen: bytearray) -> None:
        while part := connection.recv(1_000_000):
            seen += part
            threading.Event().wait(0.005)

    with Peer(slowly) as peer:
        stream = connect(Endpoint("127.0.0.1", peer.port), 10.0)
        stream.write(bytes(20_000_000))
        stream.settle()
        assert stream.close()
    assert len(peer.seen[0]) == 20_000_000


def test_a_receiver_that_talks_without_end_is_left() -> None:
    """What it says is thrown away, but not for ever."""

    def talk(connection: socket.socket, _seen: bytearray) -> None:
        while True:
            connection.sendall(bytes(1_000_000))

    with Peer(talk) as peer:
        stream = connect(Endpoint("127.0.0.1", peer.port), 5.0)
        with pytest.raises(ConnectionResetError, match="nobody asked"):
            _check_again_and_again(stream)
        stream.abort()


def test_closing_says_whether_the_receiver_read_to_the_end() -> None:
    """One that closed with bytes unread resets the connection, one that hangs says nothing."""

    def leave(connection: socket.socket, _seen: bytearray) -> None:
        connection.recv(1)

    went_on = threading.Event()

    def hang(_connection: socket.socket, _seen: bytearray) -> None:
        went_on.wait(60)

    with Peer(drain, leave, hang) as peer:
        for want in (True, False, False):
            stream = connect(Endpoint("127.0.0.1", peer.port), 0.5)
            stream.write(bytes(1000))
            assert stream.close() is want
        went_on.set()


def _check_again_and_again(stream: Stream) -> None:
    for _ in range(10_000):
        stream.check()
