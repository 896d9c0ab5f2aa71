"""Where each field of a batch message goes in the buffers of the compiled decoder.

All columns of one form are rows of one buffer: eight-byte values, offsets of strings, addresses,
ports, codes, and bits (presence, values of bools). A group's rows follow each other in each buffer.
The tables here tell `compiled` what comes next on the wire and where it goes, and `kernel` which
rows make a column. All of it is derived from `wire_layout`, as the reference is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metatap.flow.schema import BY_NAME, COLUMNS, Group, Kind
from metatap.sources.broker_bin import WORD, U64Array
from metatap.sources.wire_layout import FLAGS, LENGTHS, ROW, Layout, Single, layout

RECORD, ROWS, WORDS, TEXT, SIZES, ADDRESSES, PORTS, BITS = range(8)
"""What a step reads: the head of a group; row numbers; eight-byte values; joined bytes of strings;
their lengths; addresses; ports; flags."""

STEP = 8
"""Numbers of a step, see `Slots.steps`."""

ADDRESS, PORT = 17, 4
"""Bytes of an address and of a port with its tag."""

KEY_BYTES = 7
"""Longest word of a vocabulary, which is a key together with its length."""

NONE = -1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column is.

    Attributes:
        name: Its name.
        kind: Its kind.
        row: Row of the buffer of its kind: `words`, `offsets`, `addresses`, `ports`, `codes` or
            `bits`.
        valid: Row of `bits` that tells which flows have it, `NONE` where all do.
    """

    name: str
    kind: Kind
    row: int
    valid: int


@dataclass(frozen=True, slots=True)
class GroupRows:
    """A sparse group's rows of each buffer.

    Attributes:
        member: Row of `bits` that tells which flows have the group.
        words: Its rows of `words`.
        offsets: Its rows of `offsets`.
        bits: Its rows of `bits`.
    """

    member: int
    words: slice
    offsets: slice
    bits: slice


@dataclass(slots=True)
class Slots:
    """The tables; shared, not to be changed.

    Attributes:
        steps: int64 [steps, `STEP`]: kind of the step, then by kind as follows, and at the end the
            bytes of one element:
            `RECORD` number of fields, group, row of `bits` for members (`NONE`: dense);
            `ROWS`, `WORDS` tag, row of `words`;
            `TEXT` 0, row of `offsets`;
            `SIZES` tag, row of `offsets`, row of `bits`, row of `codes` (`NONE`: no enumeration),
            first key, end of the keys;
            `ADDRESSES` 0, row of `addresses`;
            `PORTS` 0, row of `ports`, row of `bits` for known protocols (`NONE`: the protocol byte
            is no column), row of `codes`, number of protocols;
            `BITS` tag, first mask, end of the masks, row of `bits` for the first one.
        masks: uint64 [m], bits of flags.
        keys: uint64 [v], words of vocabularies, see `key_of`.
        words: Rows of `words`.
        offsets: Rows of `offsets`.
        addresses: Rows of `addresses`.
        ports: Rows of `ports`.
        codes: Column name of each row of `codes`.
        bits: Rows of `bits`.
        columns: Where the columns are, in schema order.
        groups: Rows of each group, None for a dense one.
    """

    steps: npt.NDArray[np.int64]
    masks: U64Array
    keys: U64Array
    words: int
    offsets: int
    addresses: int
    ports: int
    codes: tuple[str, ...]
    bits: int
    columns: tuple[Place, ...]
    groups: tuple[GroupRows | None, ...]


def key_of(word: bytes) -> int:
    """A word of up to `KEY_BYTES` bytes as one integer: big-endian, above it the length.

    Raises:
        ValueError: the word is empty or too long.
    """
    if not 0 < len(word) <= KEY_BYTES:
        raise ValueError(f"{word!r}: a word of a vocabulary has 1 to {KEY_BYTES} bytes")
    return len(word) << 56 | int.from_bytes(word, "big")


@dataclass(slots=True)
class _Making:
    """The tables as they grow, group by group."""

    steps: list[list[int]] = field(default_factory=list)
    masks: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    groups: list[GroupRows | None] = field(default_factory=list)
    words: int = 0
    offsets: int = 0
    addresses: int = 0
    ports: int = 0
    bits: int = 0

    def group(self, number: int, made: Layout) -> None:
        """All steps of one group."""
        words, offsets, bits = self.words, self.offsets, self.bits
        member = NONE if made.group is Group.CONN else self._bit()
        self._step(RECORD, made.fields, number, member)
        for step in made.steps:
            if isinstance(step, Single):
                self._single(step)
                continue
            for name, tag in zip(step.names, step.tags, strict=True):
                self._word(made, name, tag[0], member)
        sparse = GroupRows(
            member,
            slice(words, self.words),
            slice(offsets, self.offsets),
            slice(bits, self.bits),
        )
        self.groups.append(None if member == NONE else sparse)

    def _step(self, *numbers: int) -> None:
        width = {TEXT: 1, ADDRESSES: ADDRESS, PORTS: PORT}.get(numbers[0], WORD)
        self.steps.append([*numbers, *[0] * (STEP - 1 - len(numbers)), width])

    def _bit(self) -> int:
        self.bits += 1
        return self.bits - 1

    def _code(self, name: str) -> int:
        self.codes.append(name)
        return len(self.codes) - 1

    def _place(self, name: str, row: int, valid: int) -> None:
        self.places[name] = Place(name, BY_NAME[name].kind, row, valid)

    def _single(self, step: Single) -> None:
        if step.kind is Kind.STRING:
            self._step(TEXT, 0, self.offsets)
        elif step.kind is Kind.ADDR:
            self._step(ADDRESSES, 0, self.addresses)
            self._place(step.name, self.addresses, NONE)
            self.addresses += 1
        else:
            known = code = NONE
            if step.name == "id.resp_p":
                known, code = self._bit(), self._code("proto")
                self._place("proto", code, known)
            self._step(PORTS, 0, self.ports, known, code, len(BY_NAME["proto"].vocabulary))
            self._place(step.name, self.ports, NONE)
            self.ports += 1

    def _word(self, made: Layout, name: str, tag: int, member: int) -> None:
        if name == ROW:
            self._step(ROWS, tag)
        elif name == FLAGS:
            self._flags(made, tag, member)
        elif name.endswith(LENGTHS) and name.removesuffix(LENGTHS) in made.texts:
            self._sizes(name.removesuffix(LENGTHS), tag)
        else:
            self._step(WORDS, tag, self.words)
            self._place(name, self.words, member)
            self.words += 1

    def _sizes(self, name: str, tag: int) -> None:
        code, keys, bit, row = NONE, len(self.keys), self._bit(), self.offsets
        if BY_NAME[name].kind is Kind.ENUM:
            code = self._code(name)
            self.keys += [key_of(word.encode()) for word in BY_NAME[name].vocabulary]
        self._step(SIZES, tag, row, bit, code, keys, len(self.keys))
        self._place(name, row if code == NONE else code, bit)
        self.offsets += 1

    def _flags(self, made: Layout, tag: int, member: int) -> None:
        masks, first = len(self.masks), self.bits
        for name in made.kinds:
            bits, valid = made.bits(name), member
            for which in (bits.present, bits.value):
                if which is not None:
                    self.masks.append(1 << which)
                    row = self._bit()
            if bits.present is not None:
                valid = row if bits.value is None else row - 1
            if bits.value is not None:
                self._place(name, row, valid)
            elif bits.present is not None:
                self._place(name, self.places[name].row, valid)
        self._step(BITS, tag, masks, len(self.masks), first)


def _slots() -> Slots:
    made = _Making()
    for number, group in enumerate(Group):
        made.group(number, layout(group))
    return Slots(
        steps=np.array(made.steps, np.int64),
        masks=np.array(made.masks, np.uint64),
        keys=np.array(made.keys, np.uint64),
        words=made.words,
        offsets=made.offsets,
        addresses=made.addresses,
        ports=made.ports,
        codes=tuple(made.codes),
        bits=made.bits,
        columns=tuple(made.places[spec.name] for spec in COLUMNS),
        groups=tuple(made.groups),
    )


SLOTS = _slots()
"""Of the contract's version that this agent reads."""
