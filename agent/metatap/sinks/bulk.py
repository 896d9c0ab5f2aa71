"""Elasticsearch and OpenSearch, by the bulk API.

Written to the documentation of both (the APIs' reference, `_bulk`); tests run against a server that
behaves as documented, not against either product.
"""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from metatap.errors import ConfigError
from metatap.sinks.faults import Naks
from metatap.sinks.fitting import Fitting
from metatap.sinks.http_client import HttpClient, Response, failed
from metatap.sinks.secret import Authorization
from metatap.sinks.tls import TlsOptions
from metatap.sinks.transport import Guarantee, Record, Sent, TransportError

MAX_BYTES = 5 * 2**20
"""Bytes of a request before compression; a record alone may have more."""

_PLACE_TYPES = frozenset(
    {
        "cluster_block_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "security_exception",
    }
)
"""Errors of an item that speak of the index, not of the record; they pass once somebody acts."""

_FILTER = "filter_path=errors,items.*.status,items.*.error.type"
_INDEX = re.compile(r"[a-z0-9.][a-z0-9._-]{0,254}")
_WORD = re.compile(r"[a-z0-9_]{1,64}")


class _Item(msgspec.Struct):
    status: int
    error: dict[str, Any] | str | None = None


class _Answer(msgspec.Struct):
    items: list[dict[str, _Item]]


class BulkTransport:
    """Creates a document a record, with the record's id as `_id`.

    What is there already (409) is done, so that a record sent twice is stored once; in a data
    stream that holds within one backing index. An item that the cluster can't take now (429, 5xx),
    or that is refused for the sake of the index (it is missing, blocked or may not be written), is
    sent again; a 500 ten times in a row and all other errors mean that the record is refused, under
    the error's type.
    """

    guarantee = Guarantee.AT_LEAST_ONCE

    def __init__(
        self,
        url: str,
        index: str,
        *,
        authorization: Authorization | None = None,
        tls: TlsOptions | None = None,
        compress: bool = True,
        timeout: float = 10.0,
        batch: int = 500,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """A transport that is not connected yet.

        Args:
            url: `https://host:9200`, with a path if there is one.
            index: Name of the index or data stream.
            authorization: User and password, or an API key; None: none.
            tls: For https, None: defaults.
            compress: Send gzip.
            timeout: Seconds the receiver may say nothing.
            batch: Records of one `send`, at most.
            max_bytes: Bytes of a request before compression.

        Raises:
            ConfigError: the URL, the index, a secret or a certificate can't be used.
        """
        if not _INDEX.fullmatch(index) or index in {".", ".."}:
            raise ConfigError(f"index: {index!r} is no name of an index or data stream")
        self._client = HttpClient(url, authorization=authorization, tls=tls, timeout=timeout)
        self.name = f"bulk:{self._client.endpoint}/{index}"
        self.batch = batch
        self._path = f"/{index}/_bulk?{_FILTER}"
        self._compress = compress
        self._fitting = Fitting(batch, max_bytes)
        self._naks = Naks()
        self._wants_anew = threading.Event()

    def send(self, records: Sequence[Record]) -> Sent:
        """Create documents; as many of the first as the receiver takes in one request.

        Raises:
            TransportError: there is no usable answer, or the first record can't be taken now.
        """
        if self._wants_anew.is_set():
            self._wants_anew.clear()
            self._client.close()
        actions = []
        for record in records:
            if not record.body.startswith(b"{"):
                break
            action = msgspec.json.encode({"create": {"_id": record.id}})
            actions.append(b"%s\n%s\n" % (action, record.body))
        if not actions:
            return Sent(1, {0: "not_json"})
        while True:
            count = self._fitting.count(actions)
            response = self._post(b"".join(actions[:count]))
            if response.status != 413:
                break
            self._fitting.was_too_much(count)
            if count == 1:
                return Sent(1, {0: "too_big"})
        if response.status != 200:
            raise failed(response, self.name, _error_type(response.body))
        self._fitting.was_good()
        return self._sent(self._items(response, count), records)

    def reopen(self) -> None:
        """Connect anew, with certificates and secrets as they are then."""
        self._wants_anew.set()

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._client.close()

    def _post(self, body: bytes) -> Response:
        headers = {"Content-Type": "application/x-ndjson"}
        if self._compress:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1, mtime=0)
        return self._client.post(self._path, body, headers)

    def _items(self, response: Response, count: int) -> list[_Item]:
        """What became of each record of a request."""
        try:
            answer = msgspec.json.decode(response.body, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TransportError("protocol", f"{self.name}: no answer to _bulk: {error}") from None
        items = [item for entry in answer.items for item in entry.values()]
        if len(items) != count or len(answer.items) != count:
            detail = f"{len(items)} answers to {count} records"
            raise TransportError("protocol", f"{self.name}: {detail}")
        return items

    def _sent(self, items: list[_Item], records: Sequence[Record]) -> Sent:
        refused: dict[int, str] = {}
        for at, item in enumerate(items):
            if 200 <= item.status < 300 or item.status == 409:
                continue
            word = _word(item.error, item.status)
            if item.status >= 500 or item.status in {401, 403, 429} or word in _PLACE_TYPES:
                if at:
                    return Sent(at, refused)
                if item.status != 500 or not self._naks.is_hopeless(records[0].id):
                    reason = "throttled" if item.status in {429, 503} else word
                    raise TransportError(reason, f"{self.name}: {item.status} {word}")
            refused[at] = word
        return Sent(len(items), refused)


def _error_type(body: bytes) -> str:
    """The type of the error of a whole request, empty if it names none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    return _word(error, 0) if error else ""


def _word(error: object, status: int) -> str:
    """The type of an error, `status_400` if it has none that is a word."""
    kind = error.get("type") if isinstance(error, dict) else None
    return kind if isinstance(kind, str) and _WORD.fullmatch(kind) else f"status_{status}"
