"""The HTTP endpoint that Prometheus asks.

In a thread of its own, and one for each of a few connections, so that nothing a client does delays
a flow. A connection ends after `PATIENCE_S`, whatever it sends; one too many is closed at once.
There is no login and no TLS: figures hold no address of the network watched, and the default is
loopback; beyond, a reverse proxy is the place for both.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from io import StringIO
from socketserver import ThreadingMixIn
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from metatap.errors import ConfigError
from metatap.metrics.address import Address
from metatap.metrics.collector import Document, StatusCollector

MAX_CONNECTIONS = 8
"""Connections served at once."""

PATIENCE_S = 15.0
"""Seconds that a connection may last: Prometheus gives up after ten, unless told."""

LOOK_S = 0.25
"""Seconds between two looks at the age of connections."""

PATH = "/metrics"

log = structlog.get_logger(__name__)


class Endpoint:
    """Serves `/metrics` until it is closed.

    Attributes:
        address: Where, with the port that was chosen if 0 was asked for.
    """

    def __init__(self, address: Address, document: Callable[[], Document]) -> None:
        """Listen.

        Args:
            address: Where.
            document: As for `StatusCollector`.

        Raises:
            ConfigError: the address can't be listened at.
        """
        try:
            family, place = address.resolve()
            self._server = _Server(family, place)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"metrics.listen: {address}: can't be listened at: {reason}"
            ) from None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(StatusCollector(document, lambda: self._server.refused))
        self._server.set_app(_application(make_wsgi_app(registry)))
        self.address = Address(place[0], self._server.server_address[1])
        if not address.is_local:
            log.warning("metrics_reachable", address=str(self.address), detail="without login")
        log.info("metrics_served", url=f"http://{self.address}{PATH}")
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(LOOK_S,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def refused(self) -> int:
        """Connections closed at once, since there were too many."""
        return self._server.refused

    def close(self) -> None:
        """Serve no more; idempotent. Connections end by themselves."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 2 * MAX_CONNECTIONS

    def __init__(self, family: socket.AddressFamily, place: tuple[str, int]) -> None:
        self.address_family = family
        self.refused = 0
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who this is, as the base class would."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; without a file descriptor for it, later, and not again and again meanwhile."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(LOOK_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                self.refused += 1
                is_refused = True
            else:
                self._open[request] = time.monotonic()
                is_refused = False
        if is_refused:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End connections that last too long; called every `LOOK_S`."""
        oldest = time.monotonic() - PATIENCE_S
        with self._lock:
            late = [request for request, since in self._open.items() if since < oldest]
            for request in late:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that went away is no fault of the agent."""
        log.debug("metrics_connection_lost", reason=repr(sys.exception()))


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE_S

    def get_stderr(self) -> TextIO:
        """Where wsgiref prints that a client went away: nowhere."""
        return StringIO()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the base class
        log.debug("metrics_request", what=format % args)


Start = Callable[..., Any]


def _application(inner: Callable[..., Any]) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """The application of prometheus-client at its path; a fault of ours is logged."""

    def serve(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return _plain(start, "404 Not Found", f"metatap: figures are at {PATH}\n")
        try:
            found: Iterable[bytes] = inner(environ, start)
        except Exception:
            log.exception("metrics_failed")
            return _plain(start, "500 Internal Server Error", "metatap: see the log\n")
        return found

    return serve


def _plain(start: Start, status: str, text: str) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]
