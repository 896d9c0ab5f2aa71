"""Who encodes: the compiled twin where it is there and right, else the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt

from metatap.compiling import twin
from metatap.context import CONTEXT_WIDTH
from metatap.features.encode import encode
from metatap.flow import FlowBatch, Numeric, Strings
from metatap.flow.schema import COLUMNS, DTYPES, Group, Kind

FloatArray = npt.NDArray[np.float32]
Encode = Callable[[FlowBatch, FloatArray | None], FloatArray]


@cache
def encoder(*, compiled: bool | None = None) -> Encode:
    """What fills the feature matrix: `encode.encode`, or its twin that gives the same bits.

    Args:
        compiled: Whether to use the compiled twin; None: if it is there (extra `fast`).

    Raises:
        ImportError: `compiled` is asked for and numba is not there or does it wrong.
    """
    kernel = twin("encoder", compiled, _load, _sound)
    return encode if kernel is None else kernel.encode


def _load() -> ModuleType:
    return import_module("metatap.features.kernel")


def _sound(kernel: ModuleType) -> bool:
    batch = _trial()
    known = np.arange(batch.rows * CONTEXT_WIDTH, dtype=np.float32).reshape(batch.rows, -1)
    return np.array_equal(kernel.encode(batch, known), encode(batch, known), equal_nan=True)


def _trial() -> FlowBatch:
    """64 flows with every column, each group at some."""
    rows = 64
    index = np.arange(rows)
    member = {group: index % 5 != at for at, group in enumerate(Group)}
    columns: dict[str, Numeric | Strings] = {}
    for at, spec in enumerate(COLUMNS):
        if spec.kind is Kind.STRING:
            words = _WORDS.get(spec.name, (b"a1-\xe9.example.org", b"10.0.0.7:80"))
            items = [words[row % len(words)] if member[spec.group][row] else None for row in index]
            columns[spec.name] = Strings.from_items(items)
            continue
        top = len(spec.vocabulary) or (2 if spec.kind is Kind.BOOL else 60_000)
        values = (index * index * (at + 1) % top).astype(DTYPES[spec.kind])
        if spec.kind is Kind.ADDR:
            values = np.zeros((rows, 16), np.uint8)
        columns[spec.name] = Numeric(values, member[spec.group] | ~np.bool_(spec.optional))
    return FlowBatch(rows, columns)


_WORDS: dict[str, tuple[bytes, ...]] = {
    "history": (b"ShADadFf", b"^dDTtGgr", b"S"),
    "service": (b"dns", b"-ssl,krb_tcp", b"HTTP,modbus", b"gssapi,smb,ntlm"),
    "ssl.version": (b"TLSv13", b"TLSv12", b"SSLv3", b"other"),
}
