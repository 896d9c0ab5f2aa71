"""Alerts back into Zeek, as events over its ZeroMQ backend (docs/wire.md).

Where a proxy listens (in a cluster, or a Zeek with `run_proxy_thread`) the transport connects to
where Zeek's nodes publish, by default `tcp://127.0.0.1:5556`. A Zeek without one connects itself:
the transport binds what its `connect_xsub_endpoint` names, by default `tcp://127.0.0.1:5555`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from metatap.errors import ConfigError
from metatap.sinks.transport import Guarantee, Record, Sent, TransportError
from metatap.sinks.zeek_event import TOPIC, alert_event
from metatap.sinks.zeek_publisher import ZeekPublisher
from metatap.sources.wire_layout import SERIALIZER

PREFIX = "metatap.alert."
"""With what a topic begins that only takers of alerts subscribe to."""

WAIT_S = 2.0
"""Seconds a `send` waits for a subscriber."""

TIMEOUT_S = 10.0
"""Seconds a subscriber may take nothing."""

SETTLE_S = 0.05
"""Seconds a subscriber has to be there still after a `send`."""

_SENDER = b"metatap"
_DECODER = msgspec.json.Decoder(dict[str, Any])


class ZeekTransport:
    """An event an alert; nobody says that it arrived.

    That nobody has subscribed is noticed, and the alert is sent later (`no_subscriber`); so is a
    subscriber that goes (`closed`) or takes nothing (`timeout`). Lost is what waits when a Zeek
    dies later, up to 64 alerts and 64 KiB here and what it has taken and not yet handled, and what
    Zeek itself drops when its queues are full. `Record.body` must be the event in ECS; one that is
    no JSON object is refused as `not_json`.
    """

    guarantee = Guarantee.BEST_EFFORT

    def __init__(
        self,
        address: str,
        *,
        bind: bool = False,
        wait: float = WAIT_S,
        timeout: float = TIMEOUT_S,
        settle: float = SETTLE_S,
        batch: int = 64,
    ) -> None:
        """A transport that has no socket yet.

        Args:
            address: `tcp://HOST:PORT` or `ipc:///PATH`.
            bind: Whether to bind it; else it connects.
            wait: Seconds to wait for a subscriber, also for the connection.
            timeout: Seconds a subscriber may take nothing.
            settle: Seconds each `send` takes at least, in which ZeroMQ can notice that the
                subscriber was gone.
            batch: Records of one `send`, at most.

        Raises:
            ConfigError: the address is malformed.
        """
        _check(address)
        self.name = f"zeek:{address}"
        self.batch = batch
        self._address = address
        self._bind = bind
        self._wait = wait
        self._timeout = timeout
        self._settle = settle
        self._publisher: ZeekPublisher | None = None
        self._wants_anew = threading.Event()

    def send(self, records: Sequence[Record]) -> Sent:
        """Publish an event a record.

        Raises:
            TransportError: the socket can't be made, nobody has subscribed, or who has takes
                nothing or was just lost.
        """
        if self._wants_anew.is_set():
            self._wants_anew.clear()
            self.close()
        publisher = self._open()
        publisher.is_heard(self._wait)
        losses = publisher.losses
        refused: dict[int, str] = {}
        failure: TransportError | None = None
        done = 0
        for record in records:
            payload = _payload(record)
            if payload is None:
                refused[done] = "not_json"
            elif failure := self._publish(publisher, payload):
                break
            done += 1
        publisher.settle(self._settle)
        if publisher.losses != losses:
            raise TransportError("closed", f"{self.name}: the subscriber is gone")
        if failure is not None and not done:
            raise failure
        return Sent(done, refused)

    def reopen(self) -> None:
        """Bind or connect anew."""
        self._wants_anew.set()

    def close(self) -> None:
        """Free the address; idempotent."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _open(self) -> ZeekPublisher:
        if self._publisher is None:
            self._publisher = ZeekPublisher(
                self._address, TOPIC.encode(), PREFIX.encode(), bind=self._bind
            )
        return self._publisher

    def _publish(self, publisher: ZeekPublisher, payload: bytes) -> TransportError | None:
        """Publish one; why not, if it can't be."""
        if not publisher.is_heard(0):
            return TransportError(
                "no_subscriber", f"{self.name}: no Zeek has subscribed to {TOPIC}"
            )
        if not publisher.publish((_SENDER, SERIALIZER.encode(), payload), self._timeout):
            return TransportError("timeout", f"{self.name}: a subscriber takes nothing")
        return None


def _payload(record: Record) -> bytes | None:
    try:
        return alert_event(_DECODER.decode(record.body), record.id)
    except (msgspec.DecodeError, RecursionError):
        return None


def _check(address: str) -> None:
    try:
        split = urlsplit(address)
        good = (
            split.scheme == "tcp" and bool(split.hostname) and bool(split.port) and not split.path
        ) or (split.scheme == "ipc" and not split.netloc and len(split.path) > 1)
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"{address}: should be tcp://HOST:PORT or ipc:///PATH")
