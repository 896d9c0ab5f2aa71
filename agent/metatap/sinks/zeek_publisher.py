"""A ZeroMQ publisher that knows whether Zeek listens.

An XPUB socket is told of subscriptions, so that nothing is sent while nobody would get it. A
connection is dropped from the books as soon as it breaks (`ZMQ_IMMEDIATE`, TCP keep-alive) and a
queue that is full says so (`ZMQ_XPUB_NODROP`), rather than losing messages silently.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import zmq

from metatap.errors import SourceError
from metatap.sinks.transport import TransportError
from metatap.sources.endpoint import attach

QUEUE = 64
"""Messages that wait in ZeroMQ for a subscriber, at most: what is lost when it dies."""

SEND_BUFFER = 64 * 1024
"""Bytes that wait in the system, at most."""

MAX_TOPIC_BYTES = 65_536
"""Longest topic that a peer may subscribe to; a peer that sends more is cut off."""

LINGER_MS = 1000
"""ms that `close` waits for what is queued."""

_PER_LOOK = 10_000
"""Subscriptions read in one look, at most."""

_DEAD_AFTER_S = 30
"""Seconds without an answer after which the peer's host is gone."""


class ZeekPublisher:
    """One socket, bound or connected; owned by one thread.

    Attributes:
        losses: How often the last subscriber was lost.
    """

    def __init__(self, address: str, topic: bytes, prefix: bytes, *, bind: bool) -> None:
        """Attach at once.

        Args:
            address: ZeroMQ address.
            topic: What is published on.
            prefix: Subscriptions to it, or to more of the topic, count. One to less is somebody's
                who listens to everything.
            bind: Whether to bind; else it connects, and goes on trying.

        Raises:
            TransportError: `bind_failed` or `connect_failed`.
        """
        self._topic = topic
        self._prefix = prefix
        self.losses = 0
        self._subscribed: set[bytes] = set()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        made = self._context.socket(zmq.XPUB)
        made.linger = LINGER_MS
        made.sndhwm = QUEUE
        made.sndbuf = SEND_BUFFER
        made.maxmsgsize = MAX_TOPIC_BYTES
        made.immediate = 1
        made.setsockopt(zmq.XPUB_NODROP, 1)
        made.ipv6 = "[" in address
        made.tcp_keepalive = 1
        made.tcp_keepalive_idle = made.tcp_keepalive_intvl = _DEAD_AFTER_S // 3
        made.tcp_keepalive_cnt = 2
        made.setsockopt(zmq.TCP_MAXRT, _DEAD_AFTER_S * 1000)
        try:
            self._socket = attach(made, address, bind=bind)
        except SourceError as error:
            self._context.destroy(linger=0)
            raise TransportError("bind_failed" if bind else "connect_failed", str(error)) from None

    def is_heard(self, patience: float) -> bool:
        """Whether somebody listens; waits so many seconds for it, at most."""
        self._look()
        until = time.monotonic() + patience
        while not self._subscribed and self._pause(until):
            self._look()
        return bool(self._subscribed)

    def settle(self, seconds: float) -> None:
        """Let ZeroMQ notice what happened meanwhile.

        A broken connection is given up in two steps, each at a call of the socket, and what is
        published between them is lost.
        """
        until = time.monotonic() + seconds
        while self._pause(until):
            self._look()

    def publish(self, parts: Sequence[bytes], patience: float) -> bool:
        """Queue the parts that follow the topic; whether there was room within so many seconds."""
        self._socket.sndtimeo = max(1, int(patience * 1000))
        try:
            self._socket.send_multipart([self._topic, *parts])
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Free the address; waits up to `LINGER_MS` for what is queued. Idempotent."""
        self._socket.close()
        self._context.term()

    def _pause(self, until: float) -> bool:
        """Wait for news; whether there is time left for them."""
        left = until - time.monotonic()
        if left <= 0:
            return False
        self._socket.poll(max(1, int(left * 1000)), zmq.POLLIN)
        return True

    def _look(self) -> None:
        """Take note of who came and went."""
        for _ in range(_PER_LOOK):
            try:
                message = self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            kind, topic = message[:1], message[1:]
            if not topic.startswith(self._prefix) or not self._topic.startswith(topic):
                continue
            if kind == b"\x01":
                self._subscribed.add(topic)
            elif kind == b"\x00" and topic in self._subscribed:
                self._subscribed.remove(topic)
                self.losses += not self._subscribed
