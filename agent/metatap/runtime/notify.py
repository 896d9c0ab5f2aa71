"""What the service manager is told: ready, reloading, stopping, a line of status, and that we live.

The protocol of systemd's sd_notify(3): datagrams of `NAME=value` lines to the local socket that
`NOTIFY_SOCKET` names. Where nobody set it, nothing is sent. `WATCHDOG=1` is sent only by who calls
`Notifier.turned`, so that a pipeline that hangs is noticed (`WatchdogSec=` of the service).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
"""Environment variables of the protocol."""

BEATS = 4
"""Signs of life in the time after which the manager would act."""

STATUS_EVERY = 10.0
"""Seconds between two lines of status where there is no watchdog."""

MAX_STATUS = 512
"""Characters of a line of status, at most."""

MAX_MESSAGE, MAX_MESSAGES = 4096, 1000
"""Bytes of a message that is read, and messages that are read at once."""

log = structlog.get_logger(__name__)


class Notifier:
    """Tells the service manager how the process is; never waits, never raises.

    Attributes:
        interval: Seconds without a sign of life after which the manager acts; None: it does not.
    """

    def __init__(self, address: str | None = None, interval: float | None = None) -> None:
        """Send to a local datagram socket.

        Args:
            address: Its path, or `@NAME` of an abstract one; None: nothing is sent.
            interval: See the attribute.
        """
        self.interval = interval
        self._address = address
        self._every = interval / BEATS if interval is not None else STATUS_EVERY
        self._due = 0.0
        self._socket: socket.socket | None = None
        if address is not None and address[:1] in {"/", "@"}:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(0.0)

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Notifier:
        """The one that a service manager asks for in the environment.

        A watchdog that is meant for another process (`WATCHDOG_PID`) is not this one's.
        """
        micros = env.get(WATCHDOG, "")
        is_own = env.get(WATCHDOG_PID, str(os.getpid())) == str(os.getpid())
        interval = None
        if is_own and micros.isascii() and micros.isdigit() and len(micros) < 20 and int(micros):
            interval = int(micros) / 1e6
        return cls(env.get(SOCKET) or None, interval)

    def ready(self, status: str = "") -> None:
        """The start, or a reload, is done."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The orderly end has begun."""
        self._send("STOPPING=1")

    def turned(self, status: Callable[[], str]) -> bool:
        """The work goes on: called each time it has come round, it sends what is due.

        Args:
            status: Gives a line on how it goes.

        Returns:
            Whether something was due, and went.
        """
        if self._socket is None or time.monotonic() < self._due:
            return False
        alive = () if self.interval is None else ("WATCHDOG=1",)
        if not self._send(*alive, *_status(status())):
            return False
        self._due = time.monotonic() + self._every
        return True

    def close(self) -> None:
        """Send nothing more; idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> bool:
        """Whether it went; what a full queue did not take is sent with the next turn."""
        if self._socket is None or self._address is None:
            return False
        where = self._address
        try:
            self._socket.sendto(
                "\n".join(lines).encode("utf-8", "replace"),
                "\0" + where[1:] if where.startswith("@") else where,
            )
        except OSError as error:
            log.debug("notify_failed", reason=error.strerror)
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())[:MAX_STATUS]}",) if text else ()


class Listener:
    """Hears one process that is told to notify here, as the service manager would.

    Attributes:
        env: The variables that tell it so, of the process to be started.
        is_ready: It has said so since `restarted`, or since it was last set to False.
        last: When it last gave a sign of life, s, monotonic; 0 before the first.
    """

    def __init__(self, path: Path, interval: float | None) -> None:
        """Open the socket.

        Args:
            path: Of the socket, in a folder of ours; with at most 107 bytes.
            interval: Seconds, passed on to the process; None: it gives no signs of life.

        Raises:
            OSError: there can be no socket there.
        """
        self.is_ready = False
        self.last = 0.0
        self.env = {SOCKET: str(path)}
        if interval is not None:
            self.env[WATCHDOG] = str(int(interval * 1e6))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(0.0)
        self._socket.bind(str(path))

    def restarted(self) -> None:
        """The process was started anew."""
        self.hear()
        self.is_ready, self.last = False, 0.0

    def hear(self) -> None:
        """Read what came, at most `MAX_MESSAGES`."""
        with suppress(BlockingIOError):
            for _ in range(MAX_MESSAGES):
                words = self._socket.recv(MAX_MESSAGE).split(b"\n")
                self.is_ready = self.is_ready or b"READY=1" in words
                if not {b"READY=1", b"WATCHDOG=1"}.isdisjoint(words):
                    self.last = time.monotonic()

    def close(self) -> None:
        """Close the socket; idempotent."""
        self._socket.close()


def without_notify(env: Mapping[str, str]) -> dict[str, str]:
    """An environment whose process notifies nobody."""
    return {k: v for k, v in env.items() if k not in {SOCKET, WATCHDOG, WATCHDOG_PID}}
