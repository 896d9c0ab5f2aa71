"""Playing a recording through a real socket, as Zeek would have sent it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zmq

from metatap.errors import SourceError, WireError
from metatap.sources.messages import Hello
from metatap.sources.options import WireOptions
from metatap.sources.recording_file import Record, RecordingReader
from metatap.sources.wire_layout import shard_topic
from metatap.sources.zeek_wire import open_message

_SEND_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What was played.

    Attributes:
        messages: Messages sent.
        flows: Flows in them.
        skipped: Records of the file, or lines of the logs it was made of, that can't be read.
        seconds: Time it took, from the subscription on.
    """

    messages: int
    flows: int
    skipped: int
    seconds: float


def replay_to_zmq(
    path: Path,
    publisher: zmq.Socket[bytes],
    *,
    speed: float | None = None,
    flows_per_s: float | None = None,
    wait_s: float = 30.0,
    options: WireOptions | None = None,
) -> ReplayResult:
    """Send a recording's messages unchanged, once somebody has subscribed to flows.

    Nothing is dropped at a high-water mark: a receiver that is slower than this sender slows it
    down. The socket stays open; close it with a linger, so that the last messages go out.

    Args:
        path: The recording.
        publisher: An XPUB socket, bound or connected.
        speed: Factor on the recorded time, 1 = as it was; None: as fast as it goes.
        flows_per_s: Pace by flows instead.
        wait_s: How long to wait for the subscription, seconds.
        options: The bound `max_message_bytes` is used.

    Raises:
        SourceError: no recording, nobody subscribed in time, or the subscriber stopped reading.
        ValueError: `speed` and `flows_per_s` are both given, or not above 0.
    """
    if speed is not None and flows_per_s is not None:
        raise ValueError("speed or flows_per_s, not both")
    if any(pace is not None and pace <= 0 for pace in (speed, flows_per_s)):
        raise ValueError("speed and flows_per_s must be above 0")
    options = options or WireOptions()
    reader = RecordingReader(path, options.max_message_bytes)
    publisher.setsockopt(zmq.XPUB_NODROP, 1)
    publisher.sndtimeo = int(_SEND_TIMEOUT_S * 1000)
    try:
        _wait_for_subscriber(publisher, wait_s)
        start = time.monotonic()
        messages = flows = skipped = 0
        for record in _paced(reader, start, speed):
            if isinstance(record, WireError):
                skipped += 1
                continue
            if flows_per_s is not None:
                _sleep_until(start + flows / flows_per_s)
            _send(publisher, record)
            messages += 1
            flows += _flows_of(record, options)
        return ReplayResult(messages, flows, skipped, time.monotonic() - start)
    finally:
        reader.close()


def _wait_for_subscriber(publisher: zmq.Socket[bytes], wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    wanted = shard_topic().encode()
    while (left := deadline - time.monotonic()) > 0:
        if not publisher.poll(max(1, int(left * 1000))):
            continue
        message = publisher.recv()
        topic = message[1:]
        if message[:1] == b"\x01" and (topic.startswith(wanted) or wanted.startswith(topic)):
            return
    raise SourceError(f"nobody subscribed to {wanted.decode()} within {wait_s:g} s")


def _paced(
    reader: RecordingReader, start: float, speed: float | None
) -> Iterator[Record | WireError]:
    """The records, each when it is due."""
    for record in reader:
        if speed is not None and isinstance(record, Record):
            _sleep_until(start + record.time_ns / 1e9 / speed)
        yield record


def _sleep_until(due: float) -> None:
    if (left := due - time.monotonic()) > 0:
        time.sleep(left)


def _send(publisher: zmq.Socket[bytes], record: Record) -> None:
    try:
        publisher.send_multipart(record.parts)
    except zmq.Again:
        text = f"the subscriber read nothing for {_SEND_TIMEOUT_S:g} s"
        raise SourceError(text) from None


def _flows_of(record: Record, options: WireOptions) -> int:
    try:
        message = open_message(record.parts, options)
    except WireError:
        return 0
    return 0 if isinstance(message, Hello) else message.header.rows
