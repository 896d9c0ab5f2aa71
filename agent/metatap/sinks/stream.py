"""One connection to a receiver, over TCP or TLS, every wait of it bounded."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import ssl
import struct
import termios
import time
from dataclasses import dataclass

MAX_SLOW = 6
"""A receiver that takes some of it all the time is waited for so many time-outs, at most."""

_CHUNK = 16384
_FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a receiver listens.

    Attributes:
        host: Name or address.
        port: 1 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Stream:
    """A connection.

    Every method raises OSError (TimeoutError and ssl.SSLError are among them) when the connection
    is of no more use; only `close` and `abort` make sense then.
    """

    def __init__(self, connected: socket.socket, timeout: float) -> None:
        """A stream on a connected socket, which it owns.

        Args:
            connected: TCP or TLS.
            timeout: Seconds a wait lasts while nothing moves.
        """
        self._socket = connected
        self._timeout = timeout

    def write(self, content: bytes) -> None:
        """Hand bytes to the system; waits while the receiver takes some of them."""
        view = memoryview(content)
        until = time.monotonic() + MAX_SLOW * self._timeout
        while view:
            left = min(self._timeout, until - time.monotonic())
            if left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, "the receiver takes too little")
            self._socket.settimeout(left)
            view = view[self._socket.send(view[:_CHUNK]) :]

    def settle(self, watch: float = 0.0) -> None:
        """Wait until the receiver's system has acknowledged every byte (SIOCOUTQ, tcp(7)).

        Args:
            watch: Seconds that the connection has to hold afterwards.
        """
        pause, now = 0.0005, time.monotonic()
        until, deadline = now + MAX_SLOW * self._timeout, now + self._timeout
        waiting = self._unacknowledged()
        while waiting:
            self.check()
            if time.monotonic() >= min(until, deadline):
                raise TimeoutError(errno.ETIMEDOUT, "the receiver acknowledges nothing")
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
            before, waiting = waiting, self._unacknowledged()
            if waiting < before:
                deadline = time.monotonic() + self._timeout
        until = time.monotonic() + watch
        while (left := until - time.monotonic()) > 0:
            self._wait(left)
            self.check()
        self.check()

    def check(self) -> None:
        """Raise if the receiver closed or reset the connection; what it says is not listened to."""
        self._socket.settimeout(0.0)
        try:
            for _ in range(64):
                if not self._socket.recv(_CHUNK):
                    raise ConnectionResetError(errno.ECONNRESET, "the receiver closed")
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        raise ConnectionResetError(errno.ECONNRESET, "the receiver sends what nobody asked for")

    def read(self, wait: float) -> bytes:
        """What the receiver says, at most 16 KiB.

        Args:
            wait: Seconds until it has to say something.
        """
        self._socket.settimeout(max(wait, 0.001))
        # Many small answers otherwise wait for an acknowledgement that the system delays by 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        content = self._socket.recv(_CHUNK)
        if not content:
            raise ConnectionResetError(errno.ECONNRESET, "the receiver closed")
        return content

    def read_now(self) -> bytes:
        """What the receiver has said already, at most 16 KiB, empty if nothing."""
        self._socket.settimeout(0.0)
        try:
            content = self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        if not content:
            raise ConnectionResetError(errno.ECONNRESET, "the receiver closed")
        return content

    def close(self) -> bool:
        """End the connection in good order; waits a second at most.

        TLS is ended by close_notify (RFC 5425 section 4.4). What the receiver still says is read
        before, since a socket that is closed with unread bytes resets the connection, and the
        receiver might then not read to the end.

        Returns:
            Whether the receiver read everything and closed in its turn.
        """
        try:
            self.check()
            if isinstance(self._socket, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLWantReadError):
                    self._socket.unwrap()
            self._socket.shutdown(socket.SHUT_WR)
            return self._farewell()
        except (OSError, ValueError):
            return False
        finally:
            self.abort()

    def abort(self) -> None:
        """Give the connection up; idempotent."""
        self._socket.close()

    def _farewell(self) -> bool:
        """Wait for the receiver's end."""
        raw = self._socket.fileno()
        until = time.monotonic() + min(self._timeout, _FAREWELL_S)
        while (left := until - time.monotonic()) > 0:
            self._wait(left)
            try:
                if not os.read(raw, _CHUNK):
                    return True
            except BlockingIOError:
                continue
        return False

    def _wait(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.poll(seconds * 1000)

    def _unacknowledged(self) -> int:
        """Bytes that the receiver's system has not acknowledged."""
        answer = fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("=i", answer)[0])


def connect(
    endpoint: Endpoint,
    timeout: float,
    context: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> Stream:
    """Connect to the first address of a name that answers.

    How long looking up a name takes is for the system's resolver to say (resolv.conf(5)).

    Args:
        endpoint: The receiver.
        timeout: Seconds for all of it.
        context: For TLS, None: plain TCP.
        server_name: Name that the receiver's certificate must bear, None: the endpoint's.

    Raises:
        OSError: none of its addresses answered, or TLS failed; that of the last address.
    """
    until = time.monotonic() + timeout
    found = addresses(endpoint, socket.SOCK_STREAM)
    failure = OSError("no address")
    for at, address in enumerate(found):
        share = max((until - time.monotonic()) / (len(found) - at), 0.05)
        try:
            connected = _connect(address, share, timeout)
            if context is not None:
                connected = _start_tls(connected, context, server_name or endpoint.host, until)
        except OSError as error:
            failure = error
        else:
            return Stream(connected, timeout)
    raise failure


@dataclass(frozen=True, slots=True)
class Address:
    """One address of an endpoint, as `socket.getaddrinfo` gives it."""

    family: int
    kind: int
    protocol: int
    place: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


def addresses(endpoint: Endpoint, kind: socket.SocketKind) -> list[Address]:
    """The addresses of an endpoint, one or more, in the system's order.

    Raises:
        socket.gaierror: it has none.
    """
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=kind)
    return [Address(family, kind, protocol, at) for family, kind, protocol, _, at in found]


def _connect(address: Address, share: float, timeout: float) -> socket.socket:
    """Connect within `share` s."""
    made = socket.socket(address.family, address.kind, address.protocol)
    try:
        made.settimeout(share)
        made.connect(address.place)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))
    except OSError:
        made.close()
        raise
    return made


def _start_tls(
    connected: socket.socket, context: ssl.SSLContext, server_name: str, until: float
) -> ssl.SSLSocket:
    """The handshake, until a time of the monotonic clock."""
    try:
        made = context.wrap_socket(
            connected, server_hostname=server_name, do_handshake_on_connect=False
        )
    except ValueError as error:
        connected.close()
        raise ssl.SSLError(f"{server_name}: {error}") from None
    try:
        made.settimeout(max(until - time.monotonic(), 0.05))
        made.do_handshake()
    except OSError:
        made.close()
        raise
    return made
