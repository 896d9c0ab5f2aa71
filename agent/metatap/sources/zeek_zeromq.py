"""Source `zeek+zmq`: a running Zeek, heard over ZeroMQ.

In: messages of Zeek's ZeroMQ cluster backend (`docs/wire.md`) at an `Endpoint`. Out: batches.
Dropped: see `session`. What ZeroMQ itself drops at a high-water mark shows up as `lost`.

ZeroMQ does its housekeeping when the socket is read: a Zeek that connects to a bound endpoint is
told the subscriptions by the next `read`, so a source has to be read from soon and often.
"""

from __future__ import annotations

import time

import zmq

from metatap.counters import Counters
from metatap.errors import SourceError
from metatap.flow import FlowBatch
from metatap.sources.endpoint import (
    Endpoint,
    address_of,
    open_to_zeek,
    parse_endpoint,
    receive,
    subscribe,
)
from metatap.sources.nodes import SourceStatus
from metatap.sources.options import WireOptions
from metatap.sources.session import WireSession

_PER_WAKEUP = 256
"""Messages read at most before the clock is looked at again."""


class ZeekZeroMQ:
    """A stream of flow batches from Zeek over ZeroMQ; a `Source`.

    Attributes:
        name: `zeek+zmq`.
        flows: Flows received (those known to be lost included), passed on, dropped.
        messages: Messages received, passed on, dropped.
        address: ZeroMQ address listened at; the real port where it was bound to port 0 or `*`.
        to_zeek: Socket for what goes back to Zeek, if the endpoint names one.
    """

    name = "zeek+zmq"

    def __init__(self, endpoint: Endpoint, options: WireOptions | None = None) -> None:
        """Listen at once.

        Raises:
            SourceError: the address can't be bound or connected to.
        """
        options = options or WireOptions()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = subscribe(self._context, endpoint, options)
            self.to_zeek = open_to_zeek(self._context, endpoint)
        except SourceError:
            self._context.destroy(linger=0)
            raise
        self.address = address_of(self._socket)
        # Who binds hears every node from now on; who connects can't know when it gets through.
        joined_at = time.monotonic() if endpoint.bind else None
        self._session = WireSession(self.name, options, joined_at)
        self.flows: Counters = self._session.flows
        self.messages: Counters = self._session.messages
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)

    @classmethod
    def from_url(cls, url: str, options: WireOptions | None = None) -> ZeekZeroMQ:
        """Listen at a URL; see `endpoint` for its form. Raises `SourceError`."""
        return cls(*parse_endpoint(url, options))

    @property
    def done(self) -> bool:
        """Whether the source was closed: Zeek may come back at any time."""
        return self._socket.closed

    def read(self, timeout: float) -> FlowBatch | None:
        """The next batch, None if none came within `timeout` seconds.

        With `batch_rows` set, messages that are there already are joined up to so many flows;
        it never waits for more.

        Raises:
            SourceError: the socket is closed or failed.
        """
        deadline = time.monotonic() + timeout
        while True:
            caught_up = self._drain()
            now = time.monotonic()
            if caught_up:
                # Behind, the silence would be ours.
                self._session.check(now)
            batch = self._session.take()
            if batch is not None:
                return batch
            left = deadline - now
            if left <= 0:
                return None
            self._wait(left)

    def status(self) -> SourceStatus:
        """Nodes, when they were last seen, and what was lost."""
        return self._session.status(time.monotonic())

    def close(self) -> None:
        """Free the sockets; idempotent."""
        self._context.destroy(linger=0)

    def _drain(self) -> bool:
        """Take in what is there, until the next batch is complete; whether that was all."""
        now = time.monotonic()
        try:
            for _ in range(_PER_WAKEUP):
                if self._session.full():
                    return False
                self._session.accept(receive(self._socket), now)
        except zmq.Again:
            return True
        except zmq.ZMQError as error:
            raise SourceError(f"{self.address}: {error}") from None
        return False

    def _wait(self, seconds: float) -> None:
        try:
            self._poller.poll(max(1, int(seconds * 1000)))
        except zmq.ZMQError as error:
            raise SourceError(f"{self.address}: {error}") from None
