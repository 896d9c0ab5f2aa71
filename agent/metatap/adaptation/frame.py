"""Arrays and a few facts as one string of bytes, checked when it is read.

Layout: magic, version (u16), length of the header (u32), header (JSON: `facts`, and name, dtype and
shape of each array), the arrays in that order as C-ordered little-endian bytes, SHA-256 of all
before it. Nothing in it can run or make more memory than its own length.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.errors import StateError

VERSION = 1
MAX_HEADER = 2**20
"""Bytes of a header, at most."""

_MAGIC = b"MTADAPT\n"
_START = struct.Struct("<8sHI")
_DIGEST = 32
_DTYPES = {"<f4", "<f8", "<i8", "<i4", "<u8", "|b1"}
_MAX_DIMENSIONS = 3

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """What is in it.

    Attributes:
        facts: Values of JSON.
        arrays: By name.
    """

    facts: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The frame as bytes."""
        parts = {name: np.ascontiguousarray(value) for name, value in self.arrays.items()}
        table = [[name, value.dtype.str, list(value.shape)] for name, value in parts.items()]
        header = json.dumps({"facts": self.facts, "arrays": table}).encode()
        content = _START.pack(_MAGIC, VERSION, len(header)) + header
        content += b"".join(value.tobytes() for value in parts.values())
        return content + hashlib.sha256(content).digest()

    @classmethod
    def decode(cls, content: bytes) -> Frame:
        """The frame that `encode` made.

        Raises:
            StateError: it is damaged, of another version, or not one.
        """
        if len(content) < _START.size + _DIGEST:
            raise StateError(f"adaptation: {len(content)} bytes are too few")
        magic, version, length = _START.unpack_from(content)
        if magic != _MAGIC:
            raise StateError("adaptation: not a frame of this agent's")
        if version != VERSION:
            raise StateError(f"adaptation: version {version}, this agent reads {VERSION}")
        if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
            raise StateError("adaptation: its bytes are not those that were kept")
        body = _START.size + length
        if length > MAX_HEADER or body > len(content) - _DIGEST:
            raise StateError(f"adaptation: a header of {length} bytes")
        try:
            header = json.loads(content[_START.size : body])
            facts, table = header["facts"], header["arrays"]
            arrays = _arrays(table, content[body:-_DIGEST])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StateError(f"adaptation: header: {str(error)[:200]}") from None
        if not isinstance(facts, dict):
            raise StateError("adaptation: header: facts are not a mapping")
        return cls(facts, arrays)

    def part(self, name: str) -> Frame:
        """A frame that `joined` put into this one.

        Raises:
            StateError: there is none of that name.
        """
        facts = self.facts.get(name)
        if not isinstance(facts, dict):
            raise StateError(f"adaptation: {name}: missing")
        start = f"{name}."
        found = {key[len(start) :]: at for key, at in self.arrays.items() if key.startswith(start)}
        return Frame(facts, found)

    def array(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> Array:
        """An array of a certain form.

        Args:
            name: Of the array.
            dtype: As NumPy spells it, e.g. `<f4`.
            shape: Its axes, None where any length is right.

        Raises:
            StateError: it is missing or of another form.
        """
        found = self.arrays.get(name)
        if found is None or found.dtype.str != dtype or found.ndim != len(shape):
            raise StateError(f"adaptation: {name}: missing, or not {dtype} of {len(shape)} axes")
        if any(want not in (None, have) for want, have in zip(shape, found.shape, strict=True)):
            raise StateError(f"adaptation: {name}: shape {list(found.shape)}")
        return found


def joined(facts: Mapping[str, Any], parts: Mapping[str, Frame]) -> Frame:
    """One frame of several, and some facts; the names of parts have no dot."""
    arrays = {
        f"{name}.{key}": value for name, part in parts.items() for key, value in part.arrays.items()
    }
    return Frame({**facts, **{name: part.facts for name, part in parts.items()}}, arrays)


def _arrays(table: Any, content: bytes) -> dict[str, Array]:
    """The arrays of a header's table, which must use up all bytes.

    Raises:
        ValueError: the table is not one, or does not fit the bytes.
        TypeError: likewise.
    """
    arrays: dict[str, Array] = {}
    at = 0
    for name, dtype, shape in table:
        if dtype not in _DTYPES or len(shape) > _MAX_DIMENSIONS or not isinstance(name, str):
            raise ValueError(f"{name!r}: {dtype!r} is no type of ours")
        if not all(type(size) is int and 0 <= size <= len(content) for size in shape):
            raise ValueError(f"{name!r}: shape {shape!r}")
        kind = np.dtype(dtype)
        size = prod(shape) * kind.itemsize
        if name in arrays or size > len(content) - at:
            raise ValueError(f"{name!r}: twice, or longer than the frame")
        arrays[name] = np.frombuffer(content, kind, prod(shape), at).reshape(shape).copy()
        at += size
    if at != len(content):
        raise ValueError(f"{len(content) - at} bytes too many")
    return arrays
