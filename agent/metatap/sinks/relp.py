"""Syslog over RELP, TCP or TLS: the receiver says of every alert that it has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from metatap.errors import ConfigError
from metatap.sinks.faults import Naks, transport_error
from metatap.sinks.relp_frame import (
    MAX_NUMBER,
    Frame,
    FrameParser,
    RelpError,
    Response,
    parse_offers,
    parse_response,
)
from metatap.sinks.stream import MAX_SLOW, Endpoint, Stream, connect
from metatap.sinks.syslog import TCP_MAX_SIZE, TIMEOUT_S
from metatap.sinks.syslog_message import SyslogFormat
from metatap.sinks.tls import TlsOptions, make_context
from metatap.sinks.transport import Guarantee, Record, Sent, TransportError

WINDOW = 128
"""Commands that may be without response; librelp's default."""

_OFFERS = b"relp_version=0\nrelp_software=metatap\ncommands=syslog"
_GOOD = 200


class RelpTransport:
    """Messages in RELP frames; done means that the receiver responded 200 to each.

    The version offered is 0, the only one that librelp and rsyslog speak, though the specification
    calls it experimental. A response other than 200 does not say that the record will never be
    taken, so it is sent again; after ten times in a row it is refused as `nak`.
    """

    guarantee = Guarantee.AT_LEAST_ONCE

    def __init__(
        self,
        endpoint: Endpoint,
        style: SyslogFormat | None = None,
        *,
        tls: TlsOptions | None = None,
        max_size: int = TCP_MAX_SIZE,
        timeout: float = TIMEOUT_S,
        batch: int = WINDOW,
    ) -> None:
        """A transport that is not connected yet.

        Args:
            endpoint: The receiver.
            style: How records become messages.
            tls: For TLS, None: plain TCP.
            max_size: Bytes of a message; a longer one is refused as `too_big`.
            timeout: Seconds the receiver may say nothing.
            batch: Records of one `send` and commands without response, at most.

        Raises:
            ConfigError: a certificate can't be used.
        """
        if tls is not None:
            make_context(tls)
        self.name = f"relp{'' if tls is None else '+tls'}:{endpoint}"
        self.batch = batch
        self._endpoint = endpoint
        self._style = style or SyslogFormat()
        self._tls = tls
        self._max_size = max_size
        self._timeout = timeout
        self._stream: Stream | None = None
        self._parser = FrameParser()
        self._number = 0
        self._naks = Naks()
        self._wants_anew = threading.Event()

    def send(self, records: Sequence[Record]) -> Sent:
        """Send messages and wait for the responses.

        Raises:
            TransportError: the connection can't be made or broke, or the receiver does not take
                the first record now.
        """
        if self._wants_anew.is_set():
            self._wants_anew.clear()
            self.close()
        messages = [self._style.encode(record) for record in records]
        refused = {at: "too_big" for at, text in enumerate(messages) if len(text) > self._max_size}
        good = set(refused)
        failure = self._exchange(messages, good)
        done = next((at for at in range(len(records)) if at not in good), len(records))
        if failure is None or done == len(records):
            return Sent(done, refused)
        if done == 0 and failure.reason == "nak" and self._naks.is_hopeless(records[0].id):
            return Sent(1, {0: "nak"})
        if done == 0:
            raise failure
        return Sent(done, {at: why for at, why in refused.items() if at < done})

    def reopen(self) -> None:
        """Connect anew, with the certificates as they are then."""
        self._wants_anew.set()

    def close(self) -> None:
        """End the session in good order; idempotent."""
        if self._stream is None:
            return
        try:
            self._stream.write(Frame(self._next(), "close").encode())
            self._parser.feed(self._stream.read(min(self._timeout, 1.0)))
        except (OSError, RelpError):
            self._abort()
        else:
            self._stream.close()
            self._stream = None

    def _exchange(self, messages: list[bytes], good: set[int]) -> TransportError | None:
        """Send messages and take the responses.

        Args:
            messages: What to send.
            good: Indices not to send; those that are responded to with 200 are added.

        Returns:
            What went wrong, if anything did.
        """
        try:
            responses = self._send(messages, good)
        except OSError as error:
            self._abort()
            return transport_error(self.name, error)
        except RelpError as error:
            self._abort()
            return TransportError("protocol", f"{self.name}: {error}")
        except ConfigError as error:
            return TransportError("tls", f"{self.name}: {error}")
        bad = next((response for response in responses if response.code != _GOOD), None)
        if bad is None:
            return None
        return TransportError("nak", f"{self.name}: {bad.code} {bad.text}")

    def _send(self, messages: list[bytes], good: set[int]) -> list[Response]:
        stream = self._ready()
        waiting = {self._next(): at for at in range(len(messages)) if at not in good}
        stream.write(
            b"".join(Frame(no, "syslog", messages[at]).encode() for no, at in waiting.items())
        )
        responses = []
        until = time.monotonic() + MAX_SLOW * self._timeout
        while waiting:
            for number, response in self._responses(stream, until):
                if number not in waiting:
                    raise RelpError(f"a response to {number}, which nobody sent")
                at = waiting.pop(number)
                responses.append(response)
                if response.code == _GOOD:
                    good.add(at)
        return responses

    def _ready(self) -> Stream:
        """A stream on which a session is open."""
        if self._stream is not None:
            try:
                while content := self._stream.read_now():
                    self._take(content)
            except (OSError, RelpError):
                self._abort()
            else:
                return self._stream
        context = None if self._tls is None else make_context(self._tls)
        name = None if self._tls is None else self._tls.server_name
        stream = self._stream = connect(self._endpoint, self._timeout, context, name)
        self._parser = FrameParser()
        self._number = 0
        stream.write(Frame(self._next(), "open", _OFFERS).encode())
        until = time.monotonic() + MAX_SLOW * self._timeout
        while not (answered := self._responses(stream, until)):
            pass
        response = answered[0][1]
        if response.code != _GOOD:
            raise RelpError(f"the session is refused: {response.code} {response.text}")
        offers = parse_offers(response.data)
        if "relp_version" not in offers or "syslog" not in offers.get("commands", ()):
            raise RelpError("the receiver takes no syslog")
        return stream

    def _responses(self, stream: Stream, until: float) -> list[tuple[int, Response]]:
        """Number and response of what comes next, empty if it is not whole yet.

        Args:
            stream: From where.
            until: Time of the monotonic clock when it has to be there.
        """
        left = min(self._timeout, until - time.monotonic())
        if left <= 0:
            raise TimeoutError("the receiver responds too slowly")
        return self._take(stream.read(left))

    def _take(self, content: bytes) -> list[tuple[int, Response]]:
        """Number and response of the frames that are whole by now.

        A hint that the receiver closes needs no answer: the connection's end follows it.
        """
        answered = []
        for frame in self._parser.feed(content):
            if frame.number == 0:
                continue
            if frame.command != "rsp":
                raise RelpError(f"a receiver sends no {frame.command!r}")
            answered.append((frame.number, parse_response(frame.data)))
        return answered

    def _next(self) -> int:
        """The next transaction's number."""
        self._number = self._number % MAX_NUMBER + 1
        return self._number

    def _abort(self) -> None:
        if self._stream is not None:
            self._stream.abort()
            self._stream = None
