"""metatap.sinks.relp, against rsyslog and against receivers by hand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.agent.sinks.authority import Authority
from tests.agent.sinks.syslogd import needs_rsyslog, relp_receiver
from tests.agent.sinks.tcp_peer import Peer, parts_of
from tests.agent.sinks.transport_contract import bring, ids_in, make_record, once

from metatap.sinks import Endpoint, RelpTransport, Sent, TlsOptions, TransportError
from metatap.sinks.relp_frame import MAX_NUMBER, Frame, FrameParser

OPENED = b"200 OK\nrelp_version=0\nrelp_software=test\ncommands=syslog"

Respond = Callable[[Sequence[Frame]], bytes | None]


def rsp(frame: Frame, data: bytes = b"200 OK") -> bytes:
    """The response to a frame."""
    return Frame(frame.number, "rsp", data).encode()


def session(
    respond: Respond, opened: bytes | None = OPENED
) -> Callable[[socket.socket, bytearray], None]:
    """A receiver's side of a session.

    Args:
        respond: Frames of messages that came together → what to say, None: close.
        opened: What to respond to `open`, None: nothing.
    """

    def behave(connection: socket.socket, seen: bytearray) -> None:
        parser = FrameParser()
        for part in parts_of(connection):
            seen += part
            messages = []
            for frame in parser.feed(part):
                if frame.command == "open":
                    if opened is not None:
                        connection.sendall(rsp(frame, opened))
                elif frame.command == "close":
                    connection.sendall(rsp(frame) + b"0 serverclose 0\n")
                    return
                else:
                    messages.append(frame)
            if messages:
                answer = respond(messages)
                if answer is None:
                    return
                connection.sendall(answer)

    return behave


def good(frames: Sequence[Frame]) -> bytes:
    """A good response to each."""
    return b"".join(map(rsp, frames))


def ids_of(seen: bytearray) -> list[str]:
    """Ids of the messages in what a receiver saw."""
    return ids_in(seen.decode(errors="replace").split("syslog"))


def transport_to(peer: Peer, timeout: float = 10.0) -> RelpTransport:
    return RelpTransport(Endpoint("127.0.0.1", peer.port), timeout=timeout)


@needs_rsyslog
def test_nothing_is_lost_when_the_receiver_is_killed_again_and_again(tmp_path: Path) -> None:
    """What counts as done is in its file, whenever it dies."""
    receiver = relp_receiver(tmp_path / "r")
    receiver.start()
    transport = RelpTransport(Endpoint("127.0.0.1", receiver.port), timeout=5.0)
    records = [make_record(number) for number in range(2000)]
    at = kills = 0
    while at < len(records):
        killer = threading.Timer(0.02, receiver.kill) if kills < 6 else None
        if killer is not None:
            killer.start()
        try:
            while at < len(records):
                at += transport.send(records[at : at + 20]).done
                done = [record.id for record in records[:at]]
                assert once(receiver.ids())[:at] == done
                if killer is not None and not killer.is_alive():
                    break
        except TransportError:
            pass
        if killer is not None:
            killer.join()
            kills += 1
            receiver.start()
    transport.close()
    receiver.kill()
    assert kills == 6
    assert once(receiver.ids()) == [record.id for record in records]


@needs_rsyslog
def test_a_receiver_that_wants_a_certificate_gets_it(tmp_path: Path) -> None:
    """Without one, or with one of another name, nothing is done."""
    authority = Authority(tmp_path / "ca")
    receiver = relp_receiver(tmp_path / "r", authority, authority.issue("localhost"))
    receiver.start()
    endpoint = Endpoint("localhost", receiver.port)
    other = authority.issue("somebody")
    for tls in (
        TlsOptions(authority.certificate),
        TlsOptions(authority.certificate, other.certificate, other.key),
    ):
        with pytest.raises(TransportError) as raised:
            RelpTransport(endpoint, tls=tls, timeout=5.0).send([make_record(0)])
        assert raised.value.reason in {"tls", "closed"}
    with pytest.raises(TransportError, match="ertificate") as raised:
        RelpTransport(endpoint, tls=TlsOptions()).send([make_record(0)])
    assert raised.value.reason == "tls"
    receiver.kill()
    assert receiver.ids() == []


def test_the_session_is_as_specified() -> None:
    """Opened with offers, numbered from 1, closed; to the byte."""
    with Peer(session(good)) as peer:
        transport = transport_to(peer)
        assert transport.send([make_record(0), make_record(1)]) == Sent(2)
        transport.close()
        transport.close()
    frames = FrameParser().feed(bytes(peer.seen[0]))
    assert [(frame.number, frame.command) for frame in frames] == [
        (1, "open"),
        (2, "syslog"),
        (3, "syslog"),
        (4, "close"),
    ]
    assert frames[0].data == b"relp_version=0\nrelp_software=metatap\ncommands=syslog"
    assert frames[1].data.endswith(make_record(0).body)


def test_numbers_begin_anew_after_the_last() -> None:
    """999,999,999 is followed by 1."""
    with Peer(session(good)) as peer:
        transport = transport_to(peer)
        transport.send([make_record(0)])
        transport._number = MAX_NUMBER - 1
        assert transport.send([make_record(1), make_record(2)]) == Sent(2)
        transport.close()
    numbers = [frame.number for frame in FrameParser().feed(bytes(peer.seen[0]))]
    assert numbers == [1, 2, MAX_NUMBER, 1, 2]


def test_responses_may_come_in_any_order_and_in_parts() -> None:
    """Each has its number."""

    def backwards(frames: Sequence[Frame]) -> bytes:
        return b"".join(rsp(frame) for frame in reversed(frames))

    with Peer(session(backwards)) as peer:
        transport = transport_to(peer)
        assert transport.send([make_record(at) for at in range(50)]) == Sent(50)
        transport.close()


def test_what_was_responded_to_before_the_end_is_done() -> None:
    """The others are sent again, over a new session; the hint of the end needs no answer."""

    def first_two(frames: Sequence[Frame]) -> bytes:
        return good(frames[:2]) + b"0 serverclose 0\n"

    def close_after(connection: socket.socket, seen: bytearray) -> None:
        def respond(frames: Sequence[Frame]) -> None:
            connection.sendall(first_two(frames))

        session(respond)(connection, seen)

    records = [make_record(number) for number in range(5)]
    with Peer(close_after, session(good)) as peer:
        transport = transport_to(peer)
        assert transport.send(records) == Sent(2)
        assert transport.send(records[2:]) == Sent(3)
        transport.close()
    assert ids_of(peer.seen[1]) == [record.id for record in records[2:]]


def test_a_session_that_ended_meanwhile_is_opened_anew() -> None:
    """Nothing is sent over the old one."""
    gone = threading.Event()

    def once_only(connection: socket.socket, seen: bytearray) -> None:
        def respond(frames: Sequence[Frame]) -> None:
            connection.sendall(good(frames) + b"0 serverclose 0\n")
            gone.set()

        session(respond)(connection, seen)

    with Peer(once_only, session(good)) as peer:
        transport = transport_to(peer)
        assert transport.send([make_record(0)]) == Sent(1)
        assert gone.wait(60)
        assert transport._stream is not None
        transport._stream._socket.settimeout(60)
        transport._stream._socket.recv(1, socket.MSG_PEEK)
        assert bring(transport, [make_record(1)]) == {}
        transport.close()
    assert ids_of(peer.seen[-1]) == [make_record(1).id]


def test_a_record_that_is_not_taken_is_sent_again_and_given_up_at_last() -> None:
    """500 may pass; ten times in a row it will not, and the others get their turn."""
    bad = make_record(1)

    def respond(frames: Sequence[Frame]) -> bytes:
        return b"".join(
            rsp(frame, b"500 no") if bad.body in frame.data else rsp(frame) for frame in frames
        )

    records = [make_record(number) for number in range(3)]
    with Peer(session(respond)) as peer:
        transport = transport_to(peer)
        assert transport.send(records) == Sent(1)
        for _ in range(9):
            with pytest.raises(TransportError, match="500 no") as raised:
                transport.send(records[1:])
            assert raised.value.reason == "nak"
        assert transport.send(records[1:]) == Sent(1, {0: "nak"})
        assert transport.send(records[2:]) == Sent(1)
        transport.close()
    assert len(peer.seen) == 1, "the session goes on"


@pytest.mark.parametrize(
    ("opened", "respond", "reason"),
    [
        (b"500 go away", good, "protocol"),
        (b"200 OK", good, "protocol"),
        (b"200 OK\nrelp_version=0\ncommands=eventlog", good, "protocol"),
        (b"OK", good, "protocol"),
        (OPENED, lambda _: b"HTTP/1.1 400 Bad Request\r\n", "protocol"),
        (OPENED, lambda _: b"99 rsp 6 200 OK\n", "protocol"),
        (OPENED, lambda _: b"2 syslog 2 hi\n", "protocol"),
        (OPENED, lambda _: b"2 rsp 999999 ", "protocol"),
        (OPENED, lambda _: None, "closed"),
        (OPENED, lambda _: b"2 rsp 6 200", "timeout"),
        (None, good, "timeout"),
    ],
)
def test_a_receiver_that_speaks_otherwise_is_left(
    opened: bytes | None, respond: Respond, reason: str
) -> None:
    """Nothing is done, the reason is named, and the next session is a new one."""
    with Peer(session(respond, opened), session(good)) as peer:
        transport = transport_to(peer, timeout=0.5)
        with pytest.raises(TransportError) as raised:
            transport.send([make_record(0)])
        assert raised.value.reason == reason
        assert transport.send([make_record(0)]) == Sent(1)
        transport.close()


def test_a_receiver_that_says_something_all_the_time_is_no_reason_to_wait_for_ever() -> None:
    """Hints are no responses."""

    def chatter(connection: socket.socket, seen: bytearray) -> None:
        def respond(_frames: Sequence[Frame]) -> None:
            while True:
                connection.sendall(b"0 hint 0\n")
                threading.Event().wait(0.02)

        session(respond)(connection, seen)

    with Peer(chatter) as peer:
        transport = transport_to(peer, timeout=0.2)
        with pytest.raises(TransportError) as raised:
            transport.send([make_record(0)])
        assert raised.value.reason == "timeout"
        transport.close()


def test_a_session_that_can_not_be_closed_in_good_order_is_broken_off() -> None:
    """By a receiver that does not answer, and by one that speaks otherwise."""

    def silent(connection: socket.socket, seen: bytearray) -> None:
        parser = FrameParser()
        for part in parts_of(connection):
            seen += part
            for frame in parser.feed(part):
                if frame.command != "close":
                    data = OPENED if frame.command == "open" else b"200 OK"
                    connection.sendall(rsp(frame, data))
                elif len(peer.seen) > 1:
                    connection.sendall(b"what?")

    with Peer(silent) as peer:
        for _ in range(2):
            transport = transport_to(peer, timeout=0.3)
            assert transport.send([make_record(0)]) == Sent(1)
            transport.close()
            transport.close()
    assert len(peer.seen) == 2


def test_messages_that_are_too_long_are_refused() -> None:
    """Also when nothing else is in the batch, and when the rest is not taken."""
    records = [make_record(0, 3000), make_record(1), make_record(2)]
    with Peer(session(lambda frames: good(frames[:1]) + rsp(frames[-1], b"500 no"))) as peer:
        endpoint = Endpoint("127.0.0.1", peer.port)
        transport = RelpTransport(endpoint, max_size=2048)
        assert transport.send(records) == Sent(2, {0: "too_big"})
        transport.close()
