"""A sink that gets only some alerts, or in another language than ECS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from metatap.sinks.base import Sink

Document = Mapping[str, Any]

FILTERED, UNENCODABLE = "filtered", "unencodable"
"""Reasons for which an alert is not in the sink."""

log = structlog.get_logger(__name__)


class SelectSink:
    """Filters and encodes what another sink gets.

    Attributes:
        name: Of that sink.
        alerts: Of that sink; those that were not for it are dropped as `filtered`, those that its
            filter or format failed on as `unencodable`.
    """

    def __init__(
        self,
        sink: Sink,
        accepts: Callable[[Document], bool] | None,
        encode: Callable[[Document], bytes] | None,
    ) -> None:
        """A sink before another.

        Args:
            sink: The other.
            accepts: Whether an alert is for it, by its ECS document; None: all are.
            encode: ECS document → the sink's format; None: ECS as it is.
        """
        self.name = sink.name
        self.alerts = sink.alerts
        self._sink = sink
        self._accepts = accepts
        self._encode = encode

    def write(self, lines: Sequence[bytes]) -> None:
        """Take alerts in ECS."""
        wanted = []
        for line in lines:
            try:
                document = msgspec.json.decode(line, type=dict[str, Any])
                if self._accepts is not None and not self._accepts(document):
                    self.alerts.drop(FILTERED)
                    continue
                wanted.append(line if self._encode is None else self._encode(document))
            except Exception as error:  # noqa: BLE001 - one alert stops no other
                self.alerts.drop(UNENCODABLE)
                log.error("alert_unencodable", sink=self.name, error=repr(error))  # noqa: TRY400
        if wanted:
            self._sink.write(wanted)

    def flush(self) -> None:
        """As of the sink."""
        self._sink.flush()

    def retry(self) -> None:
        """As of the sink."""
        self._sink.retry()

    def reopen(self) -> None:
        """As of the sink."""
        self._sink.reopen()

    def close(self) -> None:
        """As of the sink."""
        self._sink.close()
