"""One connection to a receiver that speaks HTTP/1.1, every wait and every size of it bounded."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from metatap.errors import ConfigError
from metatap.sinks.faults import transport_error
from metatap.sinks.secret import Authorization
from metatap.sinks.stream import Endpoint
from metatap.sinks.tls import TlsOptions, make_context
from metatap.sinks.transport import TransportError

MAX_RESPONSE = 16 * 2**20
"""Bytes of a response, at most."""

MAX_SLOW = 3
"""A request takes so many time-outs, at most, whatever the receiver does meanwhile."""

MAX_RETRY_AFTER = 3600.0
"""s that a receiver may ask for, at most."""

_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")


@dataclass(frozen=True, slots=True)
class Response:
    """What a receiver answered.

    Attributes:
        status: HTTP's, e.g. 200.
        body: Decoded content.
        retry_after: Seconds that the receiver asked to be left alone, None if it did not ask.
    """

    status: int
    body: bytes
    retry_after: float | None = None


class HttpClient:
    """Sends requests over one connection that is kept open.

    Redirections are not followed, proxies and cookies not used. The secret is read for every
    connection, of which one that is not let in is the last, and stands in no message.
    """

    def __init__(
        self,
        url: str,
        *,
        authorization: Authorization | None = None,
        tls: TlsOptions | None = None,
        timeout: float = 10.0,
    ) -> None:
        """A client that is not connected yet.

        Args:
            url: `https://host:port/path`, to which the paths of requests are appended.
            authorization: The header by which the receiver knows the sensor, None: none.
            tls: For https, None: defaults.
            timeout: Seconds the receiver may say nothing.

        Raises:
            ConfigError: the URL is none, or a file can't be used.
        """
        self._https, self.endpoint, self._path = _parse(url)
        self._authorization = authorization
        self._tls = tls or TlsOptions()
        self._timeout = timeout
        self._connection: HTTPConnection | None = None
        self._secret = ""
        if self._https:
            make_context(self._tls)
        if authorization is not None:
            authorization.header()

    def __repr__(self) -> str:
        return f"HttpClient({self.endpoint})"

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send a request.

        Args:
            path: What to append to the URL's path.
            body: The content.
            headers: Beside Authorization.

        Raises:
            TransportError: there is no response, or none that can be read.
        """
        place = str(self.endpoint)
        try:
            connection = self._ready()
        except ConfigError as error:
            self.close()
            raise TransportError("credentials", f"{place}: {error}") from None
        except (OSError, HTTPError) as error:
            self.close()
            raise _error(place, error) from None
        until = time.monotonic() + MAX_SLOW * self._timeout
        bell = threading.Timer(MAX_SLOW * self._timeout, _break, (connection.sock,))
        bell.daemon = True
        bell.start()
        try:
            response = self._exchange(connection, path, body, headers)
        except (OSError, HTTPError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise _error(place, error if time.monotonic() < until else TimeoutError()) from None
        finally:
            bell.cancel()
        if time.monotonic() >= until:  # a head that was broken off looks like one without a body
            self.close()
            raise _error(place, TimeoutError())
        return response

    def close(self) -> None:
        """Give the connection up; idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ready(self) -> HTTPConnection:
        """A connection that is open."""
        if self._connection is not None and self._connection.is_connected:
            return self._connection
        self.close()
        self._secret = "" if self._authorization is None else self._authorization.header()
        host, port = self.endpoint.host, self.endpoint.port
        if self._https:
            self._connection = HTTPSConnection(
                host,
                port,
                timeout=self._timeout,
                ssl_context=make_context(self._tls),
                server_hostname=self._tls.server_name or host,
            )
        else:
            self._connection = HTTPConnection(host, port, timeout=self._timeout)
        self._connection.connect()
        return self._connection

    def _exchange(
        self, connection: HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Response:
        sent = {"User-Agent": "metatap", **headers}
        if self._secret:
            sent["Authorization"] = self._secret
        connection.request("POST", self._path + path, body, sent, preload_content=False)
        response = connection.getresponse()
        content = bytearray()
        while part := response.read(65536, decode_content=True):
            content += part
            if len(content) > MAX_RESPONSE:
                raise ValueError(f"a response of more than {MAX_RESPONSE} bytes")
        if response.status in {401, 403}:
            self.close()
        return Response(
            response.status, bytes(content), _retry_after(response.headers.get("Retry-After"))
        )


def failed(response: Response, place: str, detail: str = "") -> TransportError:
    """The error of a response that is no success."""
    status = response.status
    text = f"{place}: status {status}{f', {detail}' if detail else ''}"
    if status in {429, 502, 503, 504}:
        return TransportError("throttled", text, response.retry_after)
    words = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found"}
    if status in words:
        return TransportError(words[status], text)
    if 300 <= status < 400:
        return TransportError("redirected", text)
    return TransportError("server_error" if status >= 500 else "bad_status", text)


def _parse(url: str) -> tuple[bool, Endpoint, str]:
    """Whether it is https, host and port, path; the message never shows what may be a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("url: not https://host:port/path") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError("url: holds a user or password; those belong in a file or variable")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("url: not https://host:port/path")
    if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
        raise ConfigError("url: not https://host:port/path, or with a query")
    https = parts.scheme == "https"
    return https, Endpoint(parts.hostname, port or (443 if https else 80)), parts.path.rstrip("/")


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3), None if there is none."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            until = email.utils.parsedate_to_datetime(value)
            seconds = until.timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _break(connected: socket.socket | None) -> None:
    """End a wait that takes too long, from another thread."""
    if connected is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _error(place: str, error: Exception) -> TransportError:
    """The error of a transport for what the client raised."""
    cause = error if isinstance(error, OSError) else error.__cause__ or error
    if isinstance(cause, OSError):
        return transport_error(place, cause)
    if isinstance(cause, http.client.IncompleteRead):
        return TransportError("closed", f"{place}: the response broke off")
    return TransportError("protocol", f"{place}: {error}")
