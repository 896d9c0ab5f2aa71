"""Messages → one batch of all their flows.

In: messages whose headers are read. Out: a `FlowBatch` of the flows of those that were kept, in
order, with the first one's origin. `BatchJoiner` decodes each and joins the columns; its compiled
twin (`kernel`, extra `fast`) decodes all into one set of columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Protocol

import numpy as np

from metatap.compiling import twin
from metatap.flow import FlowBatch, Group, Kind, Numeric, Row, Strings, concat, from_rows
from metatap.flow.columns import Column
from metatap.flow.schema import group_columns
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header
from metatap.sources.zeek_wire import FlowsMessage, open_message


class Joiner(Protocol):
    """Joins messages to a batch.

    Attributes:
        rows: Flows kept.
    """

    rows: int

    def read(self, message: FlowsMessage) -> dict[str, int]:
        """Read a message, without keeping it: the one before is forgotten if it was not kept.

        Returns:
            Column name → flows whose value is not in the column's vocabulary.

        Raises:
            WireError: the message breaks the contract; what was kept stays.
        """
        ...

    def keep(self) -> None:
        """What the last `read` gave belongs to the batch; nothing does if that raised."""
        ...

    def take(self) -> FlowBatch:
        """The batch, of one message at least; afterwards nothing is kept."""
        ...


MakeJoiner = Callable[[str, int], Joiner]
"""Makes a `Joiner` from the kind of the source and the usual number of flows of a batch."""


class BatchJoiner:
    """The reference; a `Joiner`.

    Attributes:
        rows: Flows kept.
    """

    def __init__(self, source: str, batch_rows: int = 0) -> None:  # noqa: ARG002 - any number
        self.rows = 0
        self._source = source
        self._parts: list[FlowBatch] = []
        self._read: FlowBatch | None = None

    def read(self, message: FlowsMessage) -> dict[str, int]:
        """See `Joiner`."""
        self._read = None
        decoded = message.decode(self._source)
        self._read = decoded.batch
        return decoded.unknown

    def keep(self) -> None:
        """See `Joiner`."""
        if self._read is not None:
            self._parts.append(self._read)
            self.rows += self._read.rows
        self._read = None

    def take(self) -> FlowBatch:
        """See `Joiner`."""
        parts, self._parts, self.rows = self._parts, [], 0
        return concat(parts)


@cache
def joiner(*, compiled: bool | None = None) -> MakeJoiner:
    """What joins messages: `BatchJoiner`, or its twin that does the same.

    Args:
        compiled: Whether to use the compiled twin; None: if it is there (extra `fast`).

    Raises:
        ImportError: `compiled` is asked for and numba is not there or does it wrong.
    """
    kernel = twin("decoder", compiled, _load, _sound)
    return BatchJoiner if kernel is None else kernel.ColumnJoiner


def _load() -> ModuleType:
    return import_module("metatap.sources.kernel")


def _sound(kernel: ModuleType) -> bool:
    """Whether the twin joins three messages as the reference does, the second without summaries."""
    found = []
    for make in (kernel.ColumnJoiner, BatchJoiner):
        joined: Joiner = make("trial", 0)
        for number, rows in enumerate((slice(9), slice(4, 5), slice(4))):
            batch = from_rows(_trial()[rows])
            message = open_message(flows_message(batch, Header("trial", "trial", 0, number)))
            if not isinstance(message, FlowsMessage):
                return False
            joined.read(message)
            joined.keep()
        found.append(joined.take().columns)
    one, two = found
    return one.keys() == two.keys() and all(_same(one[name], two[name]) for name in one)


def _same(one: Column, two: Column) -> bool:
    """Whether two columns have the same values; what is absent has none."""
    mask = one.mask()
    if (one.valid is None) != (two.valid is None) or not np.array_equal(mask, two.mask()):
        return False
    if isinstance(one, Strings) and isinstance(two, Strings):
        return np.array_equal(one.offsets, two.offsets) and np.array_equal(one.data, two.data)
    if isinstance(one, Numeric) and isinstance(two, Numeric):
        return np.array_equal(one.values[mask], two.values[mask])
    return False


def _trial() -> list[Row]:
    """Nine flows, each group at some."""

    def required(group: Group) -> Row:
        specs = [spec for spec in group_columns(group) if not spec.optional]
        return {spec.name: spec.kind is Kind.BOOL or len(spec.name) for spec in specs}

    flow: Row = {
        "uid": "CTrial",
        "id.orig_h": "10.0.0.1",
        "id.resp_h": "2001:db8::7",
        "id.orig_p": 40_000,
        "id.resp_p": 53,
        "proto": "udp",
        "conn_state": "SF",
        "duration": 1.5,
        "orig_bytes": 2**40,
        "partial": False,
    }
    extra = [
        required(Group.DNS) | {"dns.query": "a.example.org"},
        required(Group.HTTP) | {"http.uri": "/a", "http.status_code": 200},
        required(Group.SSL) | {"ssl.version": "TLSv13"},
        {"ssh.auth_success": True, "ssh.version": 2},
        {"ts": 1.7e9, "history": "Dd", "local_orig": True},
    ]
    return [flow | extra[at % len(extra)] for at in range(9)]
