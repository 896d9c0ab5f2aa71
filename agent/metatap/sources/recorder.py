"""Recording what Zeek sends, for later: `metatap record`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zmq

from metatap.errors import SourceError
from metatap.sources.endpoint import address_of, parse_endpoint, receive, subscribe
from metatap.sources.options import WireOptions
from metatap.sources.recording_file import RecordingWriter
from metatap.sources.session import WireSession

_WAKE_S = 0.1
_FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What was recorded.

    Attributes:
        messages: Messages written, bad ones too.
        flows: Flows in them.
        lost: Flows lost on the way here, known by the sequence numbers.
        before_join: Flows sent before the recording began.
        skipped: Messages written that can't be decoded, and larger ones that were not written.
        size: Bytes of the messages, before compression.
        ended: Why it ended: the name of a field of `Until`, without its unit.
    """

    messages: int
    flows: int
    lost: int
    before_join: int
    skipped: int
    size: int
    ended: str


@dataclass(frozen=True, slots=True)
class Until:
    """When a recording ends; whichever comes first.

    Attributes:
        stop: Asked about ten times a second whether to end.
        messages: End after so many messages.
        idle_s: End after so many seconds without a message, once the first has come.
        final: End when each Zeek heard of has sent its final heartbeat.
    """

    stop: Callable[[], bool] = lambda: False
    messages: int | None = None
    idle_s: float | None = None
    final: bool = False


def record(
    url: str,
    path: Path,
    until: Until,
    *,
    options: WireOptions | None = None,
    ready: Callable[[str], None] = lambda _address: None,
) -> RecordResult:
    """Write raw messages to a file.

    Args:
        url: Where to listen; see `endpoint`.
        path: The recording; an existing file is replaced.
        until: When to end.
        options: See there.
        ready: Called once with the ZeroMQ address when listening.

    Raises:
        SourceError: the address or the file can't be used.
    """
    endpoint, options = parse_endpoint(url, options)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = subscribe(context, endpoint, options)
        ready(address_of(socket))
        recorder = _Recorder(options, joined_at=time.monotonic() if endpoint.bind else None)
        with RecordingWriter(path) as writer:
            return recorder.run(socket, writer, until)
    except zmq.ZMQError as error:
        raise SourceError(f"{url}: {error}") from None
    finally:
        context.destroy(linger=0)


class _Recorder:
    def __init__(self, options: WireOptions, joined_at: float | None) -> None:
        self._options = options
        self._session = WireSession("record", options, joined_at)

    def run(self, socket: zmq.Socket[bytes], writer: RecordingWriter, until: Until) -> RecordResult:
        start = flushed = time.monotonic()
        heard: float | None = None
        while True:
            now = time.monotonic()
            if until.stop():
                return self._result(writer, "stop")
            if until.idle_s is not None and heard is not None and now - heard > until.idle_s:
                return self._result(writer, "idle")
            if now - flushed > _FLUSH_S:
                writer.flush()
                flushed = now
            if not socket.poll(int(_WAKE_S * 1000)):
                continue
            heard = time.monotonic()
            for parts in _messages(socket):
                self._write(writer, parts, heard - start, heard)
                if until.messages is not None and writer.messages >= until.messages:
                    return self._result(writer, "messages")
            if until.final and self._all_ended(heard):
                return self._result(writer, "final")

    def _write(
        self, writer: RecordingWriter, parts: list[memoryview], at: float, now: float
    ) -> None:
        self._session.accept(parts, now)
        while self._session.take() is not None:
            pass
        if sum(len(part) for part in parts) <= self._options.max_message_bytes:
            writer.write(int(at * 1e9), parts)

    def _all_ended(self, now: float) -> bool:
        nodes = self._session.status(now).nodes
        return bool(nodes) and all(node.state == "ended" for node in nodes)

    def _result(self, writer: RecordingWriter, ended: str) -> RecordResult:
        return RecordResult(
            writer.messages,
            self._session.flows.passed,
            self._session.flows.dropped.get("lost", 0),
            self._session.status(0.0).before_join,
            sum(self._session.messages.dropped.values()),
            writer.size,
            ended,
        )


def _messages(socket: zmq.Socket[bytes], most: int = 256) -> list[list[memoryview]]:
    """The messages that are there, as many as are taken in one go."""
    found: list[list[memoryview]] = []
    while len(found) < most:
        try:
            found.append(receive(socket))
        except zmq.Again:
            break
    return found
