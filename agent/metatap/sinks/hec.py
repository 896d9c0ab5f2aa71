"""Splunk's HTTP Event Collector.

Written to Splunk's documentation ("Format events for HTTP Event Collector", "About HTTP Event
Collector Indexer Acknowledgment", "Troubleshoot HTTP Event Collector"); tests run against a server
that behaves as documented, not against Splunk.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from metatap.sinks.fitting import Fitting
from metatap.sinks.http_client import HttpClient, Response, failed
from metatap.sinks.secret import Authorization, Secret
from metatap.sinks.tls import TlsOptions
from metatap.sinks.transport import Guarantee, Record, Sent, TransportError

MAX_BYTES = 1_000_000
"""Bytes of a request before compression; a record alone may have more."""

ACK_TIMEOUT_S = 60.0
"""Seconds until an event has to be indexed."""

REFUSALS: Mapping[int, str] = {
    6: "invalid_data_format",
    12: "event_required",
    13: "event_blank",
    15: "indexed_fields",
}
"""Codes with status 400 that speak of an event."""

CODES: Mapping[int, str] = {
    1: "token_disabled",
    2: "token_required",
    3: "invalid_authorization",
    4: "invalid_token",
    5: "no_data",
    7: "incorrect_index",
    8: "server_error",
    9: "throttled",
    10: "channel_missing",
    11: "invalid_channel",
    14: "ack_disabled",
}
"""Codes that speak of the collector or its settings; they pass once somebody acts."""

_EVENT_PATH = "/services/collector/event"
_ACK_PATH = "/services/collector/ack"


class _Answer(msgspec.Struct):
    text: str = ""
    code: int = -1
    ack: int | None = msgspec.field(default=None, name="ackId")


class _Acks(msgspec.Struct):
    acks: dict[str, bool]


@dataclass(frozen=True, slots=True)
class HecFields:
    """What is said of each event beside its time, None: what the token says.

    Attributes:
        host: None: the system's name.
        source: Where it comes from.
        sourcetype: How Splunk reads it.
        index: Where it is stored.
    """

    host: str | None = None
    source: str | None = "metatap"
    sourcetype: str | None = "_json"
    index: str | None = None


class HecTransport:
    """Posts records as events.

    With `acknowledge`, a record is done once Splunk says it is indexed; what is not indexed in time
    is sent again, and Splunk stores it twice if it was only late: the event's id tells duplicates.
    Without it, 200 only says that Splunk has the events in memory and found nothing wrong, which is
    no more than that they were sent: `BEST_EFFORT`.
    """

    def __init__(
        self,
        url: str,
        token: Secret,
        *,
        acknowledge: bool = False,
        fields: HecFields | None = None,
        tls: TlsOptions | None = None,
        compress: bool = True,
        timeout: float = 10.0,
        ack_timeout: float = ACK_TIMEOUT_S,
        batch: int = 200,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """A transport that is not connected yet.

        Args:
            url: `https://host:8088`.
            token: The collector's token.
            acknowledge: Wait until events are indexed; the token has to have it turned on.
            fields: What is said of each event.
            tls: For https, None: defaults.
            compress: Send gzip.
            timeout: Seconds the receiver may say nothing.
            ack_timeout: Seconds until events have to be indexed.
            batch: Records of one `send`, at most.
            max_bytes: Bytes of a request before compression.

        Raises:
            ConfigError: the URL, the token or a certificate can't be used.
        """
        self._client = HttpClient(
            url, authorization=Authorization("Splunk", token), tls=tls, timeout=timeout
        )
        self.name = f"hec:{self._client.endpoint}"
        self.guarantee = Guarantee.AT_LEAST_ONCE if acknowledge else Guarantee.BEST_EFFORT
        self.batch = batch
        fields = fields or HecFields()
        named = {
            "host": fields.host or socket.gethostname(),
            "source": fields.source,
            "sourcetype": fields.sourcetype,
            "index": fields.index,
        }
        self._fields = msgspec.json.encode({k: v for k, v in named.items() if v is not None})[1:-1]
        self._channel = str(uuid.uuid4()) if acknowledge else None
        self._compress = compress
        self._ack_timeout = ack_timeout
        self._fitting = Fitting(batch, max_bytes)
        self._wants_anew = threading.Event()

    def send(self, records: Sequence[Record]) -> Sent:
        """Post events; as many of the first as the receiver takes in one request.

        Raises:
            TransportError: there is no usable answer, or nothing can be taken now.
        """
        if self._wants_anew.is_set():
            self._wants_anew.clear()
            self._client.close()
        events = [self._event(record) for record in records]
        while True:
            count = self._fitting.count(events)
            response = self._post(_EVENT_PATH, b"".join(events[:count]))
            answer = _decode(response)
            why = _refusal(response, answer)
            if why is None:
                break
            self._fitting.was_too_much(count)
            if count == 1:
                return Sent(1, {0: why})
        if response.status != 200 or answer.code != 0:
            raise self._failed(response, answer)
        self._fitting.was_good()
        if self._channel is not None:
            self._await_ack(answer)
        return Sent(count)

    def reopen(self) -> None:
        """Connect anew, with certificates and the token as they are then."""
        self._wants_anew.set()

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._client.close()

    def _event(self, record: Record) -> bytes:
        """One event; a body that is no JSON object becomes a string."""
        seconds, rest = divmod(record.time, 10**9)
        body = record.body
        if not body.startswith(b"{"):
            body = msgspec.json.encode(body.decode(errors="replace"))
        return b'{"time":%d.%06d,%s,"event":%s}\n' % (seconds, rest // 1000, self._fields, body)

    def _post(self, path: str, body: bytes) -> Response:
        headers = {"Content-Type": "application/json"}
        if self._channel is not None:
            headers["X-Splunk-Request-Channel"] = self._channel
        if self._compress:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1, mtime=0)
        return self._client.post(path, body, headers)

    def _await_ack(self, answer: _Answer) -> None:
        """Ask until the events of a request are indexed."""
        if answer.ack is None:
            detail = "no ackId: acknowledgement is not turned on for this token"
            raise TransportError("ack_disabled", f"{self.name}: {detail}")
        ask = msgspec.json.encode({"acks": [answer.ack]})
        until = time.monotonic() + self._ack_timeout
        pause = 0.1
        while True:
            response = self._post(_ACK_PATH, ask)
            if response.status != 200:
                raise self._failed(response, _decode(response))
            try:
                acks = msgspec.json.decode(response.body, type=_Acks).acks
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise TransportError("protocol", f"{self.name}: no acks: {error}") from None
            if acks.get(str(answer.ack), False):
                return
            if time.monotonic() + pause >= until:
                raise TransportError("timeout", f"{self.name}: not indexed in time")
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _failed(self, response: Response, answer: _Answer) -> TransportError:
        word = CODES.get(answer.code)
        if word == "throttled":
            return TransportError(word, f"{self.name}: {answer.text[:80]}", response.retry_after)
        if response.status == 200:
            return TransportError("protocol", f"{self.name}: no answer of a collector")
        if word is not None and response.status < 500:
            return TransportError(word, f"{self.name}: code {answer.code}")
        return failed(response, self.name)


def _decode(response: Response) -> _Answer:
    try:
        return msgspec.json.decode(response.body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Answer()


def _refusal(response: Response, answer: _Answer) -> str | None:
    """Why a request is refused for its size or for one of its events, None if it is not."""
    if response.status == 413:
        return "too_big"
    return REFUSALS.get(answer.code) if response.status == 400 else None
