"""Stored flows to an agent that runs already, over ZeroMQ, as Zeek would send them."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import zmq

from metatap.errors import SourceError
from metatap.sources.encode import flows_message, hello_message
from metatap.sources.logs import LogOptions, ZeekLogs
from metatap.sources.messages import Header, Hello
from metatap.sources.recording_file import SUFFIX, RecordingWriter
from metatap.sources.replay import ReplayResult, replay_to_zmq

LINGER_S = 60.0
"""Seconds that the last messages have to go out."""

BATCH_ROWS = 512
"""Flows a message that is made of logs."""

_READ_S = 1.0


@contextmanager
def publisher(address: str) -> Iterator[zmq.Socket[bytes]]:
    """An XPUB socket that is connected to a bound agent; its end waits for the last messages.

    Raises:
        SourceError: the address is none.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.XPUB)
    try:
        socket.setsockopt(zmq.LINGER, int(LINGER_S * 1000))
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise SourceError(f"{address}: can't be connected to: {error}") from None
        yield socket
    finally:
        socket.close()
        context.term()


def send(path: Path, address: str, *, wait_s: float = 30.0) -> ReplayResult:
    """Send a recording, or what Zeek's logs hold, as fast as the agent takes it.

    A recording's messages are sent as they are. The flows of logs become messages of one new Zeek
    (`zeek`, one shard), numbered as Zeek does it, with a final heartbeat at the end.

    Args:
        path: `*.mtrec`, a conn log, or a folder of Zeek's logs.
        address: ZeroMQ address that the agent is bound to, e.g. `tcp://127.0.0.1:5556`.
        wait_s: Seconds to wait for the agent to subscribe.

    Raises:
        SourceError: the source can't be read, or nobody subscribed in time or stopped reading.
        FlowError: a log lacks what every flow on the wire has, e.g. `ts`.
    """
    with tempfile.TemporaryDirectory(prefix="metatap-send-") as folder:
        recording, unread = path, 0
        if path.suffix != SUFFIX:
            recording = Path(folder) / f"logs{SUFFIX}"
            unread = _record(path, recording)
        with publisher(address) as socket:
            sent = replay_to_zmq(recording, socket, wait_s=wait_s)
        return replace(sent, skipped=sent.skipped + unread)


def _record(logs: Path, out: Path) -> int:
    """Logs as the recording of a Zeek that had sent their flows; lines that could not be read."""
    node, boot = "zeek", f"sent-{secrets.token_hex(8)}"
    source = ZeekLogs(logs, LogOptions(batch_rows=BATCH_ROWS))
    try:
        with RecordingWriter(out) as writer:
            batches = flows = 0
            while not source.done:
                batch = source.read(_READ_S)
                if batch is None:
                    continue
                header = Header(node, boot, batch=batches, flows_before=flows)
                writer.write(0, flows_message(batch, header))
                batches, flows = batches + 1, flows + batch.rows
            hello = Hello(
                node, boot, final=True, shards=(0,), batches=(batches,), flows=(flows,), seen=flows
            )
            writer.write(0, hello_message(hello))
        return sum(source.messages.dropped.values())
    finally:
        source.close()
