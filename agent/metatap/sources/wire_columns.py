"""One group's fields on the wire → columns of the batch.

In: a reader at the start of the group's record. Out: `Numeric` and `Strings` of n rows, added to a
mapping. All eight-byte fields of a group become the rows of one matrix [fields, n], so that what is
done to them is done to all at once. `conn` is dense; the other groups are sparse, so that their
values are spread to their rows and everything else is masked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.errors import WireError
from metatap.flow.columns import BoolArray, Column, Numeric, Strings
from metatap.flow.schema import BY_NAME, STRING_MAX_BYTES, Group, Kind
from metatap.sources.broker_bin import WORD, Reader, U8Array, U64Array
from metatap.sources.vocabulary import codes_of
from metatap.sources.wire_layout import LENGTHS, ROW, Layout, Words, empty_group, layout

Array = npt.NDArray[Any]
Plan = tuple[tuple[str, Kind, int | None, int, int], ...]

_LAYOUTS = {group: layout(group) for group in Group}
EMPTY = {group: empty_group(group) for group in Group if group is not Group.CONN}
"""A sparse group nobody has, as it usually comes."""
_LENGTH_ROWS = {
    group: np.array([made.words.index(name + LENGTHS) for name in made.texts])
    for group, made in _LAYOUTS.items()
}
"""Rows of the matrix that hold the lengths of the strings, in the order of `Layout.texts`."""


def _mask(bit: int | None) -> int:
    return 0 if bit is None else 1 << bit


def _plan(made: Layout) -> Plan:
    """Of each column that is no string: name, kind, row of the matrix, masks of its flag bits."""
    return tuple(
        (
            name,
            kind,
            made.words.index(name) if name in made.words else None,
            _mask(made.bits(name).present),
            _mask(made.bits(name).value),
        )
        for name, kind in made.kinds.items()
        if name not in made.texts
    )


PLANS = {group: _plan(made) for group, made in _LAYOUTS.items()}
"""Columns of each group that are no strings, see `_plan`."""


def read_group(
    reader: Reader, group: Group, rows: int, columns: dict[str, Column], unknown: dict[str, int]
) -> None:
    """One group's record.

    Args:
        reader: At the start of the record; left behind it.
        group: Which group.
        rows: Flows of the batch, n.
        columns: The columns are added here, of n rows each.
        unknown: Flows with a value that is not in a vocabulary are added here, by column name.

    Raises:
        WireError: the record breaks the contract.
    """
    if group in EMPTY and reader.starts_with(EMPTY[group]):
        return
    made = _LAYOUTS[group]
    name = f"flows.{group}"
    reader.record(name, made.fields)
    size = rows if group is Group.CONN else reader.peek_vector(f"{name}.{ROW}")
    if size > rows:
        raise WireError("rows", f"{name}.{ROW}", f"{size} rows in a batch of {rows}")
    if len(made.words) * WORD * size > reader.left():
        raise WireError("too_short", name, f"{reader.left()} bytes can't hold {size} rows")
    fields = _Fields(np.empty((len(made.words), size), np.uint64))
    fields.read(reader, made)
    words, member = fields.words, None
    if group is not Group.CONN and size:
        words, member = _spread(words, rows, f"{name}.{ROW}")
    strings = _strings(made, words[_LENGTH_ROWS[group]], fields.texts, sparse=member is not None)
    if size:
        _numbers(PLANS[group], words, fields, member, columns)
        for column, kind in made.kinds.items():
            if kind is Kind.ENUM:
                found = fields.singles.get(column, strings.pop(column, None))
                add_codes(column, found, columns, unknown)
        columns.update(strings)


@dataclass(slots=True)
class _Fields:
    """The fields of a group of k entries as they came.

    Attributes:
        words: uint64 [fields, k], the eight-byte ones.
        texts: Joined bytes of each string column.
        singles: Addresses, ports and `proto` by column name.
    """

    words: U64Array
    texts: list[U8Array] = field(default_factory=list)
    singles: dict[str, Array] = field(default_factory=dict)

    def read(self, reader: Reader, made: Layout) -> None:
        """All of them, in the order of the wire."""
        size = self.words.shape[1]
        at = 0
        for step in made.steps:
            if isinstance(step, Words):
                start, at = at, at + len(step.names)
                reader.words(step.labels, step.tags, self.words[start:at])
            elif step.kind is Kind.STRING:
                self.texts.append(np.frombuffer(reader.string(step.label), np.uint8))
            elif step.kind is Kind.ADDR:
                self.singles[step.name] = reader.addrs(step.label, size)
            else:
                self.singles[step.name], protocols = reader.ports(step.label, size)
                if step.name == "id.resp_p":
                    self.singles["proto"] = protocols


def _spread(words: U64Array, rows: int, label: str) -> tuple[U64Array, BoolArray | None]:
    """A sparse group's matrix [fields, k] at its rows.

    Returns:
        The matrix [fields, n], 0 where a row has no entry, and bool [n], True where it has one;
        None instead if all have.
    """
    row = words[0]
    if not (row[1:] > row[:-1]).all():
        raise WireError("rows", label, "not increasing")
    if row[-1] >= rows:
        raise WireError("rows", label, f"row {row[-1]} in a batch of {rows}")
    if len(row) == rows:
        return words, None
    index = row.astype(np.intp)
    spread = np.zeros((len(words), rows), np.uint64)
    spread[:, index] = words
    member = np.zeros(rows, np.bool_)
    member[index] = True
    return spread, member


def _strings(
    made: Layout, lengths: U64Array, texts: list[U8Array], *, sparse: bool
) -> dict[str, Strings]:
    """The string columns that some row has; an empty string is absent.

    Args:
        made: The group.
        lengths: uint64 [strings, n].
        texts: Joined bytes of each string column.
        sparse: Whether some row lacks the group, so that no string is in every row.
    """
    _, rows = lengths.shape
    if rows and lengths.max() > STRING_MAX_BYTES:
        column, row = divmod(int(lengths.argmax()), rows)
        label = f"{_length_label(made.texts[column])}[flow {row}]"
        raise WireError("range", label, f"{lengths[column, row]} bytes")
    offsets = np.zeros((len(texts), rows + 1), np.int64)
    np.add.accumulate(lengths.view(np.int64), axis=1, out=offsets[:, 1:])
    there: Array = lengths.astype(np.bool_)
    totals = offsets[:, -1].tolist()
    found: dict[str, Strings] = {}
    for at, (name, text) in enumerate(zip(made.texts, texts, strict=True)):
        if totals[at] != len(text):
            detail = f"{totals[at]} bytes in all, there are {len(text)}"
            raise WireError("length", _length_label(name), detail)
        if totals[at]:
            whole = not sparse and there[at].all()
            found[name] = Strings(offsets[at], text, None if whole else there[at])
    return found


def _length_label(column: str) -> str:
    spec = BY_NAME[column]
    return f"flows.{spec.group}.{spec.wire_name}{LENGTHS}"


def _numbers(
    plan: Plan,
    words: U64Array,
    fields: _Fields,
    member: BoolArray | None,
    columns: dict[str, Column],
) -> None:
    """The columns of fixed width that some row has, but enumerations.

    Args:
        plan: Of the group.
        words: Its matrix [fields, n].
        fields: Its fields as they came.
        member: Rows that have an entry, None if all have.
        columns: The columns are added here.
    """
    flags, entries = words[-1], fields.words[-1]
    some = int(np.bitwise_or.reduce(entries))
    every = int(np.bitwise_and.reduce(entries))
    for name, kind, row, present, value in plan:
        valid = member
        if present & ~every:
            if not present & some:
                continue
            valid = (flags & present).astype(np.bool_)
        if value:
            columns[name] = Numeric((flags & value).astype(np.bool_), valid)
        elif row is None:
            if kind is not Kind.ENUM:
                columns[name] = Numeric(fields.singles[name], valid)
        elif kind is Kind.COUNT:
            columns[name] = Numeric(words[row], valid)
        else:
            columns[name] = Numeric(words[row].view(np.int64), valid)


def add_codes(
    name: str, found: U8Array | Strings | None, columns: dict[str, Column], unknown: dict[str, int]
) -> None:
    """An enumeration, from its codes or its words."""
    if found is None:
        return
    if isinstance(found, Strings):
        codes, known = codes_of(found, name)
        there = found.valid
    else:
        codes, known, there = found, found < len(BY_NAME[name].vocabulary), None
    if not known.all():
        valid = known if there is None else known & there
        rows = len(known) if there is None else np.count_nonzero(there)
        if foreign := int(rows - np.count_nonzero(valid)):
            unknown[name] = foreign
        there = valid
    if there is None or there.any():
        columns[name] = Numeric(codes, there)
