"""The compiled twin of `wire_columns.read_group`. Extra `fast`.

Same arguments, same result, same errors: a group that is not as it must be is read again by the
reference, which says what is wrong. The loop is in `compiled`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.flow.columns import BoolArray, Column, Numeric, Strings
from metatap.flow.schema import Group, Kind
from metatap.sources import wire_columns
from metatap.sources.broker_bin import WORD, Reader
from metatap.sources.compiled import ADDRESSES, PORTS, TEXT, WORDS, read_rows
from metatap.sources.wire_columns import EMPTY, PLANS, Plan, add_codes
from metatap.sources.wire_layout import LENGTHS, Layout, Words, layout

Array = npt.NDArray[Any]

_KINDS = {Kind.STRING: TEXT, Kind.ADDR: ADDRESSES, Kind.PORT: PORTS}


@dataclass(frozen=True, slots=True)
class _Form:
    """A group's layout as `read_rows` takes it, see there.

    Attributes:
        addresses: Names of the address columns, in order.
        ports: Names of the port columns, in order.
        enums: Names of the enumerations.
    """

    layout: Layout
    kinds: Array
    tags: Array
    length_rows: Array
    masks: Array
    addresses: tuple[str, ...]
    ports: tuple[str, ...]
    enums: tuple[str, ...]

    @classmethod
    def of(cls, group: Group) -> _Form:
        made = layout(group)
        fields: list[tuple[int, int]] = []
        for step in made.steps:
            if isinstance(step, Words):
                fields += [(WORDS, tag[0]) for tag in step.tags]
            else:
                fields.append((_KINDS[step.kind], 0))
        kinds, tags = np.array(fields, np.uint8).T
        by_kind = {
            kind: tuple(name for name, found in made.kinds.items() if found is kind)
            for kind in (Kind.ADDR, Kind.PORT, Kind.ENUM)
        }
        return cls(
            layout=made,
            kinds=np.ascontiguousarray(kinds),
            tags=np.ascontiguousarray(tags),
            length_rows=np.array([made.words.index(name + LENGTHS) for name in made.texts]),
            masks=np.array([[plan[3], plan[4]] for plan in PLANS[group]], np.uint64),
            addresses=by_kind[Kind.ADDR],
            ports=by_kind[Kind.PORT],
            enums=by_kind[Kind.ENUM],
        )


_FORMS = {group: _Form.of(group) for group in Group}


def read_group(
    reader: Reader, group: Group, rows: int, columns: dict[str, Column], unknown: dict[str, int]
) -> None:
    """As `wire_columns.read_group`.

    Raises:
        WireError: the record breaks the contract.
    """
    if group in EMPTY and reader.starts_with(EMPTY[group]):
        return
    form, sparse = _FORMS[group], group is not Group.CONN
    width = len(form.layout.words)
    if not sparse and width * WORD * rows > reader.left():
        wire_columns.read_group(reader, group, rows, columns, unknown)
        return
    words = np.empty((width, rows), np.uint64)
    texts, data = len(form.length_rows), reader.array()
    offsets, there = np.empty((texts, rows + 1), np.int64), np.empty((texts, rows), np.bool_)
    spans, told = np.empty((texts, 3), np.int64), np.empty(3, np.uint64)
    addresses = np.empty((len(form.addresses), rows, 16), np.uint8)
    ports = np.empty((len(form.ports), rows), np.uint16)
    protocols = np.empty((len(form.ports), rows), np.uint8)
    member = np.empty(rows if sparse else 0, np.bool_)
    bits = np.empty((2, len(form.masks), rows), np.bool_)
    end = read_rows(
        data, reader.at, sparse, form.kinds, form.tags, form.length_rows, form.masks,
        words, offsets, there, spans, addresses, ports, protocols, member, bits, told,
    )  # fmt: skip
    if end < 0:
        wire_columns.read_group(reader, group, rows, columns, unknown)
        return
    reader.at = end
    size, some, every = told.tolist()
    if not size:
        return
    strings: dict[str, Strings] = {}
    for at, (start, stop, whole) in enumerate(spans.tolist()):
        if stop > start:
            valid = None if whole else there[at]
            strings[form.layout.texts[at]] = Strings(offsets[at], data[start:stop], valid)
    singles = dict(zip(form.addresses, addresses, strict=True))
    singles |= dict(zip(form.ports, ports, strict=True))
    if form.ports:
        singles["proto"] = protocols[form.ports.index("id.resp_p")]
    partly = member if size < rows else None
    _numbers(PLANS[group], words, singles, partly, bits, some=some, every=every, columns=columns)
    for name in form.enums:
        add_codes(name, singles.get(name, strings.pop(name, None)), columns, unknown)
    columns.update(strings)


def _numbers(
    plan: Plan,
    words: Array,
    singles: dict[str, Array],
    member: BoolArray | None,
    bits: Array,
    *,
    some: int,
    every: int,
    columns: dict[str, Column],
) -> None:
    """The columns of fixed width that some row has, but enumerations; see `read_rows`."""
    for at, (name, kind, row, present, value) in enumerate(plan):
        valid = member
        if present & ~every:
            if not present & some:
                continue
            valid = bits[0, at]
        if value:
            columns[name] = Numeric(bits[1, at], valid)
        elif row is not None:
            values = words[row]
            columns[name] = Numeric(values if kind is Kind.COUNT else values.view(np.int64), valid)
        elif kind is not Kind.ENUM:
            columns[name] = Numeric(singles[name], valid)


def recompile() -> None:
    """Compile anew, whatever is cached."""
    read_rows.recompile()
