"""From raw messages to batches, with everything counted: what both wire sources share.

In: messages of four parts. Out: batches. Dropped: messages under a name of `zeek_wire.REASONS` or
`duplicate`; flows as `lost` or `duplicate` (see `sequence`), or as `discard` is told. Each reason
is logged at most once a minute, with node, batch and field.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import structlog

from metatap.counters import Counters
from metatap.errors import WireError
from metatap.flow import FlowBatch
from metatap.sources.broker_bin import Buffer
from metatap.sources.joining import joiner
from metatap.sources.messages import NAME_MAX_BYTES, Header, Hello
from metatap.sources.nodes import SourceStatus
from metatap.sources.options import WireOptions
from metatap.sources.sequence import SequenceTracker
from metatap.sources.zeek_wire import decode_text, open_message

_log = structlog.get_logger(__name__)

LOG_EVERY_S = 60.0
"""A reason is logged at most once in so many seconds."""


class WireSession:
    """Decoding and accounting of a stream of messages.

    Attributes:
        flows: Flows received, passed on and dropped; passed on means decoded, `take` may hold some.
        messages: Messages received, passed on (batches and heartbeats) and dropped.
        bytes: Bytes of the messages received, whatever became of them.
        unknown_values: Column → flows whose value is not in the column's vocabulary.
    """

    def __init__(
        self,
        source: str,
        options: WireOptions,
        joined_at: float | None = None,
        *,
        compiled: bool | None = None,
    ) -> None:
        """Start with nothing known.

        Args:
            source: Kind of the source, for the batches' origin.
            options: See there.
            joined_at: See `SequenceTracker`.
            compiled: Whether messages are read by the compiled twin, see `joiner`.

        Raises:
            ImportError: `compiled` is asked for and the twin is not there or does it wrong.
        """
        make = joiner(compiled=compiled)
        self._joined = make(source, options.batch_rows)
        self._next = make(source, options.batch_rows)
        self.flows = Counters()
        self.messages = Counters()
        self.bytes = 0
        self.unknown_values: dict[str, int] = {}
        self._source = source
        self._options = options
        self._tracker = SequenceTracker(self.flows, options, joined_at=joined_at)
        self._waiting: deque[FlowBatch] = deque()
        self._waiting_rows = 0
        self._logged: dict[str, tuple[float, int]] = {}

    def accept(self, parts: Sequence[Buffer], now: float) -> None:
        """Take one message in; a bad one is counted, logged and skipped.

        Args:
            parts: The parts of the message.
            now: Seconds on any steady clock.
        """
        self._read(parts, now, decode=True)

    def turn_away(self, parts: Sequence[Buffer], now: float, reason: str) -> int:
        """Account for one message by its header, and drop its flows for `reason`; their number."""
        passed = self.flows.passed
        self._read(parts, now, decode=False)
        return self._drop(self.flows.passed - passed, reason)

    def _read(self, parts: Sequence[Buffer], now: float, *, decode: bool) -> None:
        header = None
        lost = self._lost()
        self.bytes += sum(map(len, parts))
        try:
            message = open_message(parts, self._options)
            if isinstance(message, Hello):
                self._tracker.hello(message, now)
                self.messages.passes(1)
                self._say_lost(message.node, self._lost() - lost, now)
                return
            header = message.header
            into = self._joined if self._fits(header.rows) else self._next
            unknown = into.read(message) if decode else {}
            new = self._tracker.batch(header, now)
        except WireError as error:
            self.skip(error, parts, now, header)
            return
        if not new:
            self.messages.drop("duplicate")
            self._warn("batch_duplicate", "duplicate", now, node=header.node, batch=header.batch)
            return
        self.messages.passes(1)
        self._say_lost(header.node, self._lost() - lost, now, header.batch)
        if not decode:
            return
        for column, rows in unknown.items():
            self.unknown_values[column] = self.unknown_values.get(column, 0) + rows
            self._warn("value_unknown", column, now, node=header.node, column=column, flows=rows)
        if header.rows:
            if into is self._next:
                self._waiting.append(self._joined.take())
                self._joined, self._next = self._next, self._joined
            self._joined.keep()
            self._waiting_rows += header.rows

    def _fits(self, rows: int) -> bool:
        """Whether so many flows more belong to the same batch as the last ones."""
        joined = self._joined.rows
        return not joined or joined + rows <= self._options.batch_rows

    def skip(
        self, error: WireError, parts: Sequence[Buffer], now: float, header: Header | None = None
    ) -> None:
        """Count and log a message that can't be read."""
        self.messages.drop(error.reason)
        self._warn(
            "message_skipped",
            error.reason,
            now,
            node=header.node if header else _node_of(parts),
            batch=header.batch if header else None,
            field=error.field,
            detail=str(error),
        )

    @property
    def waiting(self) -> bool:
        """Whether decoded batches wait to be taken."""
        return self._waiting_rows > 0

    def full(self) -> bool:
        """Whether the next batch is complete: one message, or `batch_rows` flows."""
        return self._waiting_rows >= max(1, self._options.batch_rows)

    def take(self) -> FlowBatch | None:
        """The next batch, None if there is none: one message's, or as many as `batch_rows` says."""
        if not self._waiting_rows:
            return None
        batch = self._waiting.popleft() if self._waiting else self._joined.take()
        self._waiting_rows -= batch.rows
        return batch

    def discard(self, reason: str) -> int:
        """Drop the decoded batches that wait to be taken; the number of their flows."""
        rows = self._waiting_rows
        self._waiting.clear()
        if self._joined.rows:
            self._joined.take()
        self._waiting_rows = 0
        return self._drop(rows, reason)

    def check(self, now: float) -> None:
        """Notice nodes that have gone silent."""
        self._tracker.check(now)

    def status(self, now: float) -> SourceStatus:
        """What is known of the nodes, and what was lost."""
        return SourceStatus(
            self._tracker.status(now),
            self._lost(),
            self._tracker.before_join,
            dict(self.unknown_values),
            self._tracker.forgotten,
            self.bytes,
        )

    def _drop(self, rows: int, reason: str) -> int:
        """Count flows that were counted as passed on as dropped after all."""
        if rows:
            self.flows.passed -= rows
            self.flows.dropped[reason] = self.flows.dropped.get(reason, 0) + rows
        return rows

    def _lost(self) -> int:
        return self.flows.dropped.get("lost", 0)

    def _say_lost(self, node: str, flows: int, now: float, batch: int | None = None) -> None:
        if flows:
            self._warn("flows_lost", "lost", now, node=node, before_batch=batch, flows=flows)

    def _warn(self, event: str, reason: str, now: float, **values: object) -> None:
        """Log, unless the same was logged within the last minute; says how often it was not."""
        last, held_back = self._logged.get(reason, (-LOG_EVERY_S, 0))
        if now - last < LOG_EVERY_S and reason in self._logged:
            self._logged[reason] = (last, held_back + 1)
            return
        self._logged[reason] = (now, 0)
        _log.warning(event, reason=reason, source=self._source, held_back=held_back, **values)


def _node_of(parts: Sequence[Buffer]) -> str:
    """Node by the topic, as far as that can be read."""
    if not parts or len(parts[0]) > 2 * NAME_MAX_BYTES:
        return ""
    topic = decode_text(parts[0]) or ""
    words = topic.rstrip(".").split(".")
    start = 4 if topic.startswith("metatap.flows.") else 3
    return ".".join(words[start:])
