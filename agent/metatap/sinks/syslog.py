"""Syslog over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425)."""

from __future__ import annotations

import errno
import socket
import threading
from collections import deque
from collections.abc import Sequence
from enum import StrEnum

import structlog

from metatap.errors import ConfigError
from metatap.sinks.faults import transport_error
from metatap.sinks.stream import Endpoint, Stream, addresses, connect
from metatap.sinks.syslog_message import SyslogFormat
from metatap.sinks.tls import TlsOptions, make_context
from metatap.sinks.transport import Guarantee, Record, Sent, TransportError

UDP_MAX_SIZE = 8192
"""Bytes of a datagram; more than rsyslog takes by default is of no use (RFC 5426 section 3.2)."""

TCP_MAX_SIZE = 65536
"""Bytes of a message over TCP, TLS and RELP; rsyslog cuts at `maxMessageSize`, 8 KiB by default."""

TIMEOUT_S = 10.0
"""Seconds a receiver may take nothing."""

MAX_WINDOW = 256
MAX_WINDOW_BYTES = 2**20
"""What was sent last and is sent again: so many messages and so many bytes."""

PROBATION_S = 0.5
"""s that a new connection has to hold before anything sent over it counts as done."""

log = structlog.get_logger(__name__)


class Framing(StrEnum):
    """How messages are told apart on a stream (RFC 6587 section 3.4).

    `OCTET_COUNTING`: the length comes first. `NEWLINE`: a line end comes last; for receivers that
    know nothing else.
    """

    OCTET_COUNTING = "octet_counting"
    NEWLINE = "newline"


class SyslogUdpTransport:
    """A datagram an alert; nobody says that it arrived.

    That a receiver's system says nobody listens is noticed, and the records are sent again; what is
    lost on the way is not.
    """

    guarantee = Guarantee.BEST_EFFORT

    def __init__(
        self,
        endpoint: Endpoint,
        style: SyslogFormat | None = None,
        *,
        max_size: int = UDP_MAX_SIZE,
        batch: int = 64,
    ) -> None:
        """A transport that has sent nothing yet.

        Args:
            endpoint: The receiver.
            style: How records become messages.
            max_size: Bytes of a message; a longer one is refused as `too_big`.
            batch: Records of one `send`, at most.
        """
        self.name = f"syslog+udp:{endpoint}"
        self.batch = batch
        self._endpoint = endpoint
        self._style = style or SyslogFormat()
        self._max_size = max_size
        self._socket: socket.socket | None = None
        self._address = 0
        self._wants_anew = threading.Event()

    def send(self, records: Sequence[Record]) -> Sent:
        """Send a datagram a record.

        Raises:
            TransportError: the system can't send, or the receiver's system said that nobody
                listens.
        """
        if self._wants_anew.is_set():
            self._wants_anew.clear()
            self.close()
        refused = {}
        try:
            to = self._open()
            for at, record in enumerate(records):
                message = self._style.encode(record)
                if len(message) > self._max_size or not _send_datagram(to, message):
                    refused[at] = "too_big"
            _raise_pending(to)
        except OSError as error:
            self.close()
            self._address += 1
            raise transport_error(self.name, error) from None
        return Sent(len(records), refused)

    def reopen(self) -> None:
        """Look the receiver's name up anew."""
        self._wants_anew.set()

    def close(self) -> None:
        """Close the socket; idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            found = addresses(self._endpoint, socket.SOCK_DGRAM)
            address = found[self._address % len(found)]
            made = socket.socket(address.family, address.kind, address.protocol)
            try:
                made.settimeout(TIMEOUT_S)
                made.connect(address.place)
            except OSError:
                made.close()
                raise
            self._socket = made
        return self._socket


class SyslogTcpTransport:
    """Messages over TCP or TLS.

    Syslog has no answers: done means that the receiver's system acknowledged every byte. What a
    receiver has taken and not yet read when it dies is sent again, as far as it lies in the last
    `MAX_WINDOW` messages and `MAX_WINDOW_BYTES`, which are kept in memory and sent anew over every
    new connection; a receiver tells duplicates by the id. A receiver that closed is noticed before
    anything is sent to it. A connection is on probation first: one that is taken and closed at
    once, as a receiver does that wants a certificate, has brought nothing.

    Attributes:
        resent: Messages sent again so far.
    """

    guarantee = Guarantee.LAST_WINDOW

    def __init__(
        self,
        endpoint: Endpoint,
        style: SyslogFormat | None = None,
        *,
        tls: TlsOptions | None = None,
        framing: Framing = Framing.OCTET_COUNTING,
        max_size: int = TCP_MAX_SIZE,
        timeout: float = TIMEOUT_S,
        batch: int = 256,
        probation: float = PROBATION_S,
    ) -> None:
        """A transport that is not connected yet.

        Args:
            endpoint: The receiver.
            style: How records become messages.
            tls: For TLS, None: plain TCP.
            framing: How messages are told apart.
            max_size: Bytes of a message; a longer one is refused as `too_big`.
            timeout: Seconds the receiver may take nothing.
            batch: Records of one `send`, at most.
            probation: Seconds that a new connection has to hold.

        Raises:
            ConfigError: a certificate can't be used, or TLS is not framed as RFC 5425 has it.
        """
        if tls is not None:
            if framing is not Framing.OCTET_COUNTING:
                raise ConfigError("framing: syslog over TLS counts octets (RFC 5425)")
            make_context(tls)
        self.name = f"syslog+{'tcp' if tls is None else 'tls'}:{endpoint}"
        self.batch = batch
        self.resent = 0
        self._endpoint = endpoint
        self._style = style or SyslogFormat()
        self._tls = tls
        self._framing = framing
        self._max_size = max_size
        self._timeout = timeout
        self._probation = probation
        self._stream: Stream | None = None
        self._window: deque[bytes] = deque()
        self._window_bytes = 0
        self._wants_anew = threading.Event()

    def send(self, records: Sequence[Record]) -> Sent:
        """Send messages; done once the receiver's system has every byte.

        Raises:
            TransportError: the connection can't be made or broke; all is sent again.
        """
        if self._wants_anew.is_set():
            self._wants_anew.clear()
            self.close()
        frames, refused = [], {}
        for at, record in enumerate(records):
            message = self._style.encode(record)
            if len(message) > self._max_size:
                refused[at] = "too_big"
            else:
                frames.append(self._frame(message))
        if frames:
            try:
                self._bring(frames)
            except OSError as error:
                self._abort()
                raise transport_error(self.name, error) from None
            except ConfigError as error:
                raise TransportError("tls", f"{self.name}: {error}") from None
            self._keep(frames)
        return Sent(len(records), refused)

    def reopen(self) -> None:
        """Connect anew, with the certificates as they are then."""
        self._wants_anew.set()

    def close(self) -> None:
        """End the connection in good order; idempotent."""
        if self._stream is not None and self._stream.close():
            self._window.clear()
            self._window_bytes = 0
        self._stream = None

    def _bring(self, frames: list[bytes]) -> None:
        watch = 0.0
        if self._stream is not None:
            try:
                self._stream.check()
            except OSError as error:
                log.info("receiver_closed", sink=self.name, error=str(error))
                self._abort()
        if self._stream is None:
            watch = self._probation
            context = None if self._tls is None else make_context(self._tls)
            name = None if self._tls is None else self._tls.server_name
            self._stream = connect(self._endpoint, self._timeout, context, name)
            self._stream.write(b"".join(self._window))
            self.resent += len(self._window)
        self._stream.write(b"".join(frames))
        self._stream.settle(watch)

    def _keep(self, frames: list[bytes]) -> None:
        """Keep what was sent last."""
        self._window.extend(frames)
        self._window_bytes += sum(map(len, frames))
        while len(self._window) > MAX_WINDOW or self._window_bytes > MAX_WINDOW_BYTES:
            self._window_bytes -= len(self._window.popleft())

    def _frame(self, message: bytes) -> bytes:
        if self._framing is Framing.NEWLINE:
            return message + b"\n"
        return b"%d %s" % (len(message), message)

    def _abort(self) -> None:
        if self._stream is not None:
            self._stream.abort()
            self._stream = None


def _send_datagram(to: socket.socket, message: bytes) -> bool:
    """Send one; whether the system finds it small enough."""
    try:
        to.send(message)
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            return False
        raise
    return True


def _raise_pending(to: socket.socket) -> None:
    """Raise what the receiver's system answered meanwhile."""
    code = to.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, errno.errorcode.get(code, str(code)))
