"""Source `zeek+zmq`: a running Zeek, heard over ZeroMQ.

In: messages of Zeek's ZeroMQ cluster backend (`docs/wire.md`) at an `Endpoint`. Out: batches.
Dropped: see `session`. What ZeroMQ itself drops at a high-water mark shows up as `lost`. If nothing
at all is heard for `silent_s`, that is logged once: most often Zeek sends to another port.

ZeroMQ does its housekeeping when the socket is read: a Zeek that connects to a bound endpoint is
told the subscriptions by the next `read`, so a source has to be read from soon and often.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import structlog
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

_log = structlog.get_logger(__name__)

_PER_WAKEUP = 256
"""Messages read at most before the clock is looked at again."""

_DISCARD_S = 2.0
"""Seconds that `discard` goes on for at most."""


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
        self._options = options
        self._listening_since = time.monotonic()
        self._heard = self._warned = False
        # Who binds hears every node from now on; who connects can't know when it gets through.
        joined_at = self._listening_since if endpoint.bind else None
        self._session = WireSession(self.name, options, joined_at)
        self.flows: Counters = self._session.flows
        self.messages: Counters = self._session.messages
        self._discarded = False
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)

    @classmethod
    def from_url(cls, url: str, options: WireOptions | None = None) -> ZeekZeroMQ:
        """Listen at a URL; see `endpoint` for its form. Raises `SourceError`."""
        return cls(*parse_endpoint(url, options))

    @property
    def done(self) -> bool:
        """Whether the source was discarded or closed: Zeek may come back at any time."""
        return self._socket.closed

    def read(self, timeout: float) -> FlowBatch | None:
        """The next batch, None if none came within `timeout` seconds.

        With `batch_rows` set, messages that are there already are joined up to so many flows;
        it never waits for more.

        Raises:
            SourceError: the socket is closed or failed.
        """
        if self._discarded:
            return None
        deadline = time.monotonic() + timeout
        while True:
            caught_up = self._drain()
            now = time.monotonic()
            if caught_up:
                # Behind, the silence would be ours.
                self._session.check(now)
                self._check(now)
            batch = self._session.take()
            if batch is not None:
                return batch
            left = deadline - now
            if left <= 0:
                return None
            self._wait(left)

    def discard(self, reason: str) -> int:
        """Drop what is decoded and waits, and what ZeroMQ holds, of which only headers are read.

        More may come all the time: it ends at the high-water mark of each node, or after 2 seconds.
        """
        rows = self._session.discard(reason)
        self._discarded = True
        if self._socket.closed:
            return rows
        most = self._options.rcvhwm * max(1, len(self.heard().nodes)) or sys.maxsize
        deadline = time.monotonic() + _DISCARD_S
        with suppress(zmq.ZMQError):
            while most and (now := time.monotonic()) < deadline:
                rows += self._session.turn_away(receive(self._socket), now, reason)
                most -= 1
        self._socket.close()
        return rows

    def heard(self) -> SourceStatus:
        """Nodes, when they were last seen, and what was lost."""
        return self._session.status(time.monotonic())

    def status(self) -> dict[str, object]:
        """The same as JSON can say it, for the log."""
        return self.heard().report()

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

    def _check(self, now: float) -> None:
        """Notice that nothing was ever heard, and when something is."""
        if self._heard:
            return
        self._heard = self.messages.received > 0
        seconds = round(now - self._listening_since, 1)
        if self._heard and self._warned:
            _log.info("zeek_heard", address=self.address, seconds=seconds)
        elif not self._heard and not self._warned and seconds > self._options.silent_s:
            self._warned = True
            _log.warning("zeek_never_heard", address=self.address, seconds=seconds)

    def _wait(self, seconds: float) -> None:
        try:
            self._poller.poll(max(1, int(seconds * 1000)))
        except zmq.ZMQError as error:
            raise SourceError(f"{self.address}: {error}") from None
