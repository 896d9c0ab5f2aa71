"""A strict HTTP server in a thread, which can be told to fail in the ways real ones do."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import socket
import socketserver
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agent.sinks.authority import Identity
from tests.agent.sinks.syslogd import free_port


@dataclass(frozen=True, slots=True)
class Request:
    """What came.

    Attributes:
        path: With its query.
        headers: By names in small letters.
        body: Decoded.
        raw_size: Bytes before decoding.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    raw_size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say.

    Attributes:
        status: HTTP's.
        body: The content.
        headers: Beside its length.
        cut: Close after half of the content.
        drip: Seconds before each byte of the content.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    drip: float = 0.0


class HttpReceiver:
    """A server; its subclasses say what is answered.

    Attributes:
        port: Where it listens.
        requests: What came so far.
        instead: Answers to the next requests, instead of its own; the request is not looked at.
        faults: What was wrong with requests; a test ends by looking at it.
    """

    def __init__(self, identity: Identity | None = None, clients: Path | None = None) -> None:
        """A receiver that is not started.

        Args:
            identity: For TLS.
            clients: Authority that must vouch for clients.
        """
        self.port = free_port()
        self.requests: list[Request] = []
        self.instead: deque[Answer] = deque()
        self.faults: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._context: ssl.SSLContext | None = None
        if identity is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(identity.certificate, identity.key)
            if clients is not None:
                self._context.load_verify_locations(clients)
                self._context.verify_mode = ssl.CERT_REQUIRED
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'http' if self._context is None else 'https'}://localhost:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._server = _Server(self, self.port, self._context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def kill(self) -> None:
        """Stop at once: every connection breaks."""
        if self._server is None or self._thread is None:
            return
        self.may_answer.set()
        self._server.break_off()
        self._server.shutdown()
        self._thread.join()
        self._server.break_off()
        self._server.server_close()
        self._server = None

    def hang(self) -> None:
        """Take requests and answer none."""
        self.may_answer.clear()

    def resume(self) -> None:
        """Answer again."""
        self.may_answer.set()

    def answer(self, request: Request) -> Answer:
        """What to say to a request."""
        raise NotImplementedError

    def reply(self, request: Request) -> Answer:
        """What to say, faults that are asked for among it."""
        self.requests.append(request)
        if self.instead:
            return self.instead.popleft()
        try:
            return self.answer(request)
        except Exception as error:
            self.faults.append(repr(error))
            raise


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The listening socket and its connections."""

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True

    def __init__(self, receiver: HttpReceiver, port: int, context: ssl.SSLContext | None) -> None:
        self.receiver = receiver
        self._context = context
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its own thread."""
        if self._context is not None:
            request = self._context.wrap_socket(request, server_side=True)
        self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)
            with contextlib.suppress(OSError):
                request.close()

    def break_off(self) -> None:
        """Break every connection."""
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is what many tests are about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        encoded = self.headers.get("Content-Encoding") == "gzip"
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = gzip.decompress(raw) if encoded else raw
        receiver = self.server.receiver
        if not receiver.may_answer.is_set():
            receiver.may_answer.wait()
            self.close_connection = True
            return
        self._say(receiver.reply(Request(self.path, headers, body, len(raw))))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
        self.close_connection = self.close_connection or answer.cut
        if not answer.drip:
            self.wfile.write(body)
            return
        stop = threading.Event()
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()
            stop.wait(answer.drip)
