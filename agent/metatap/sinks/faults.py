"""What goes wrong on the way to a receiver, in one short word."""

from __future__ import annotations

import errno
import socket
import ssl

from metatap.sinks.transport import TransportError

_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "closed",
    errno.ECONNABORTED: "closed",
    errno.EPIPE: "closed",
    errno.ENOTCONN: "closed",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",
}


def reason_of(error: OSError, other: str = "failed") -> str:
    """The word for an error of the system.

    Args:
        error: What a call of the system raised.
        other: The word for an error that has none of its own.
    """
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "closed"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, socket.gaierror):
        return "unresolved"
    if isinstance(error, TimeoutError):
        return "timeout"
    if error.errno is None and isinstance(error, ConnectionError):
        return "closed"
    return _REASONS.get(error.errno or 0, other)


def transport_error(place: str, error: OSError, other: str = "failed") -> TransportError:
    """The error of a transport for one of the system."""
    return TransportError(reason_of(error, other), f"{place}: {error.strerror or error}")


class Naks:
    """Patience with a record that a receiver does not take without saying that it never will.

    Such a record is sent again `limit` times; one that is no good must not hold up all that follow.
    """

    def __init__(self, limit: int = 10) -> None:
        self._limit = limit
        self._id = ""
        self._count = 0

    def is_hopeless(self, record_id: str) -> bool:
        """Note that the record which comes first was not taken; whether that was once too often."""
        self._count = self._count + 1 if record_id == self._id else 1
        self._id = record_id
        return self._count >= self._limit
