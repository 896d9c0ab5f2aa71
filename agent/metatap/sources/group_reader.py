"""Who reads the groups of a wire message: the compiled twin if it is there and right."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np

from metatap.compiling import twin
from metatap.flow import FlowBatch, Group, Kind, Numeric, Row, Strings, from_rows
from metatap.flow.columns import Column
from metatap.flow.schema import group_columns
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header
from metatap.sources.wire_columns import read_group
from metatap.sources.zeek_wire import FlowsMessage, ReadGroup, open_message


@cache
def group_reader(*, compiled: bool | None = None) -> ReadGroup:
    """What reads a group: `wire_columns.read_group`, or its twin that does the same.

    Args:
        compiled: Whether to use the compiled twin; None: if it is there (extra `fast`).

    Raises:
        ImportError: `compiled` is asked for and numba is not there or does it wrong.
    """
    kernel = twin("decoder", compiled, _load, _sound)
    return read_group if kernel is None else kernel.read_group


def _load() -> ModuleType:
    return import_module("metatap.sources.kernel")


def _sound(kernel: ModuleType) -> bool:
    batch = _trial()
    parts = flows_message(batch, Header("trial", "trial", 0, 0, 0, batch.rows))
    found = []
    for read in (kernel.read_group, read_group):
        message = open_message(parts)
        if not isinstance(message, FlowsMessage):
            return False
        found.append(message.decode("", read).batch.columns)
    names = [sorted(columns) for columns in found]
    return names[0] == names[1] and all(_same(found[0][name], found[1][name]) for name in names[0])


def _same(one: Column, two: Column) -> bool:
    if isinstance(one, Strings) and isinstance(two, Strings):
        values = np.array_equal(one.offsets, two.offsets) and np.array_equal(one.data, two.data)
    else:
        values = isinstance(one, Numeric) and isinstance(two, Numeric)
        values = values and np.array_equal(one.values, two.values)  # type: ignore[union-attr]
    return values and np.array_equal(one.mask(), two.mask())


def _trial() -> FlowBatch:
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
    return from_rows([flow | extra[at % len(extra)] for at in range(9)])
