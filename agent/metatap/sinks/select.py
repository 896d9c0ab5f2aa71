"""A sink that gets only some alerts, or in another language than ECS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from metatap.sinks.base import Sink

Document = Mapping[str, Any]


class SelectSink:
    """Filters and encodes what another sink gets.

    Attributes:
        name: Of that sink.
        alerts: Of that sink; alerts that are not for it are not among them.
        filtered: Alerts that were not for it.
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
        self.filtered = 0
        self._sink = sink
        self._accepts = accepts
        self._encode = encode

    def write(self, lines: Sequence[bytes]) -> None:
        """Take alerts in ECS."""
        wanted = []
        for line in lines:
            document = msgspec.json.decode(line, type=dict[str, Any])
            if self._accepts is not None and not self._accepts(document):
                self.filtered += 1
            else:
                wanted.append(line if self._encode is None else self._encode(document))
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
