"""A receiver by hand: one thread that does to each connection what a test says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Self


class Peer:
    """Listens; the n-th connection is given to the n-th behaviour, later ones to the last.

    Attributes:
        port: Where it listens.
        seen: All bytes of each connection that its behaviour noted.
        errors: What behaviours raised.
    """

    def __init__(
        self,
        *behaviours: Callable[[socket.socket, bytearray], None],
        context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.seen: list[bytearray] = []
        self.errors: list[Exception] = []
        self._behaviours = behaviours
        self._context = context
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family)
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            behaviour = self._behaviours[min(len(self.seen), len(self._behaviours) - 1)]
            seen = bytearray()
            self.seen.append(seen)
            with contextlib.closing(connection):
                try:
                    connection.settimeout(60)
                    if self._context is not None:
                        connection = self._context.wrap_socket(
                            connection, server_side=True, suppress_ragged_eofs=False
                        )
                    behaviour(connection, seen)
                except OSError as error:
                    self.errors.append(error)
                finally:
                    connection.close()


def drain(connection: socket.socket, seen: bytearray) -> None:
    """Read to the end."""
    for part in parts_of(connection):
        seen += part


def parts_of(connection: socket.socket) -> Iterator[bytes]:
    """What comes, to the end."""
    while part := connection.recv(65536):
        yield part
