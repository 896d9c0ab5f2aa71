"""What the sources of wire messages can be told: one table of options with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any, Self, cast

from metatap.errors import SourceError

SHARDS = 1000
"""Shards there can be: a topic has three digits for them."""


def _fields(options: Any) -> tuple[Field[Any], ...]:
    return fields(options)


class OptionValues:
    """Options that are set by name; a frozen dataclass derives from it."""

    __slots__ = ()

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """These options with some changed.

        Raises:
            SourceError: no such option, or a value out of its bounds.
        """
        known = [field.name for field in _fields(self)]
        for name in values:
            if name not in known:
                raise SourceError(f"{name}: no such option; there are {', '.join(known)}")
        changed: Self = replace(cast(Any, self), **values)
        return changed

    def with_text(self, values: Mapping[str, str]) -> Self:
        """These options with some changed, from the text of a URL's query.

        Raises:
            SourceError: no such option, or a value that is not of its type or out of its bounds.
        """
        parsed: dict[str, Any] = {}
        for name, text in values.items():
            try:
                parsed[name] = self._parse(name, text)
            except ValueError:
                raise SourceError(f"{name}: {text!r} is not a number") from None
        return self.with_values(parsed)

    def _parse(self, name: str, text: str) -> Any:
        """A value from its text, by the type of the default; an unknown name's stays text."""
        of = next((item.type for item in _fields(self) if item.name == name), "")
        if of == "tuple[int, ...]":
            return tuple(int(part) for part in text.split(",") if part)
        if of == "tuple[str, ...]":
            return tuple(part for part in text.split(",") if part)
        return float(text) if of == "float" else int(text) if of == "int" else text


@dataclass(frozen=True, slots=True)
class WireOptions(OptionValues):
    """Options of `zeek+zmq` and `recording`.

    Attributes:
        shards: Shards to read, each 0 … 999; none means all of them.
        batch_rows: Join batches that are already there into one of about this many flows, since
            scoring has a cost per batch; 0 passes each message on by itself.
        max_message_bytes: A larger message is skipped. 16 MiB is a hundred times a usual batch.
        max_rows: A batch of more flows is skipped.
        rcvhwm: Messages ZeroMQ holds for us before it drops some (counted as lost); 0 is no limit.
        silent_s: A node not heard of for so long (seconds) is dead; its heartbeat comes each
            second.
        join_s: A Zeek first heard of within so many seconds of the first message (or of binding)
            was running before: what it had sent by then is `before_join`, not lost.
    """

    shards: tuple[int, ...] = ()
    batch_rows: int = 4096
    max_message_bytes: int = 16 << 20
    max_rows: int = 65_536
    rcvhwm: int = 1000
    silent_s: float = 5.0
    join_s: float = 3.0

    def __post_init__(self) -> None:
        if any(not 0 <= shard < SHARDS for shard in self.shards):
            raise SourceError(f"shards: {self.shards}: a shard is 0 to {SHARDS - 1}")
        for name in ("max_message_bytes", "max_rows"):
            if getattr(self, name) < 1:
                raise SourceError(f"{name}: {getattr(self, name)}: must be above 0")
        for name in ("batch_rows", "rcvhwm", "silent_s", "join_s"):
            if not 0 <= getattr(self, name) < 2**31:
                raise SourceError(f"{name}: {getattr(self, name)}: must be from 0 to 2^31 - 1")
