"""The two forms of a column in memory: fixed-width values and strings, each with a mask.

Both are laid out as Apache Arrow lays them out, so that a batch becomes an Arrow RecordBatch
without copying (Arrow Columnar Format, "Fixed-size Primitive Layout" and "Variable-size Binary").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.errors import FlowError

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Numeric:
    """A column of fixed-width values.

    Attributes:
        values: [n] (or [n, 16] for addresses), dtype by the schema. Undefined where absent.
        valid: bool [n], or None where every flow has a value.
    """

    values: npt.NDArray[np.generic]
    valid: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def mask(self) -> BoolArray:
        """bool [n], True where the flow has a value."""
        return np.ones(len(self), np.bool_) if self.valid is None else self.valid

    def take(self, index: npt.NDArray[np.intp]) -> Numeric:
        """The rows at `index` (intp [m]), in that order."""
        return Numeric(self.values[index], None if self.valid is None else self.valid[index])


@dataclass(frozen=True, slots=True)
class Strings:
    """A column of byte strings.

    Attributes:
        offsets: int64 [n + 1], not decreasing; flow i is `data[offsets[i]:offsets[i + 1]]`.
        data: uint8 [≥ offsets[n]]; usually but not always UTF-8.
        valid: bool [n], or None where every flow has a value. An empty string is absent on the
            wire, so `valid` is False there.
    """

    offsets: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]
    valid: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def mask(self) -> BoolArray:
        """bool [n], True where the flow has a value."""
        return np.ones(len(self), np.bool_) if self.valid is None else self.valid

    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 [n], bytes of each string."""
        return np.diff(self.offsets)

    def item(self, row: int) -> bytes | None:
        """The string of one row, None where absent."""
        if self.valid is not None and not self.valid[row]:
            return None
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def take(self, index: npt.NDArray[np.intp]) -> Strings:
        """The rows at `index` (intp [m]), in that order."""
        lengths = self.lengths()[index]
        offsets = np.zeros(len(index) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        starts = np.repeat(self.offsets[:-1][index] - offsets[:-1], lengths)
        data = self.data[starts + np.arange(offsets[-1])]
        return Strings(offsets, data, None if self.valid is None else self.valid[index])

    @classmethod
    def from_lengths(cls, lengths: npt.NDArray[np.integer], data: npt.NDArray[np.uint8]) -> Strings:
        """Strings from joined bytes and each one's length; empty ones are absent.

        Raises:
            FlowError: the lengths do not add up to the bytes.
        """
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        if offsets[-1] != len(data) or (len(lengths) and int(lengths.min()) < 0):
            raise FlowError(f"lengths add up to {offsets[-1]}, there are {len(data)} bytes")
        valid: BoolArray = lengths > 0
        return cls(offsets, data, None if bool(valid.all()) else valid)

    @classmethod
    def from_items(cls, items: Sequence[bytes | None]) -> Strings:
        """Strings from Python objects; None is absent. Not for the hot path."""
        lengths = np.array([len(item or b"") for item in items], np.int64)
        offsets = np.zeros(len(items) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        data = np.frombuffer(b"".join(item or b"" for item in items), np.uint8)
        valid = np.array([item is not None for item in items], np.bool_)
        return cls(offsets, data, None if bool(valid.all()) else valid)


Column = Numeric | Strings


def concat_numeric(parts: Sequence[Numeric]) -> Numeric:
    """One column from several, in order."""
    valid = None
    if any(part.valid is not None for part in parts):
        valid = np.concatenate([part.mask() for part in parts])
    return Numeric(np.concatenate([part.values for part in parts]), valid)


def concat_strings(parts: Sequence[Strings]) -> Strings:
    """One column from several, in order."""
    offsets = [np.zeros(1, np.int64)]
    total = 0
    for part in parts:
        offsets.append(part.offsets[1:] - part.offsets[0] + total)
        total += int(part.offsets[-1] - part.offsets[0])
    data = np.concatenate([part.data[part.offsets[0] : part.offsets[-1]] for part in parts])
    valid = None
    if any(part.valid is not None for part in parts):
        valid = np.concatenate([part.mask() for part in parts])
    return Strings(np.concatenate(offsets), data, valid)
