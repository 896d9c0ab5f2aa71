"""Arrays and facts as bytes."""

from __future__ import annotations

import contextlib
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.adaptation.frame import Frame, joined
from metatap.errors import StateError

FRAME = Frame({"at": 3}, {"a": np.arange(6, dtype=np.float32).reshape(2, 3)})


def signed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def test_what_is_kept_is_what_comes_back() -> None:
    """Facts, values, types and shapes are the same, empty arrays too; parts stay apart."""
    both = joined({"x": 1}, {"one": FRAME, "two": Frame({}, {"a": np.zeros((0, 4), np.uint64)})})
    found = Frame.decode(both.encode())
    assert found.facts["x"] == 1
    np.testing.assert_array_equal(found.part("one").array("a", "<f4", (2, 3)), FRAME.arrays["a"])
    assert found.part("two").array("a", "<u8", (None, 4)).shape == (0, 4)
    with pytest.raises(StateError, match="three: missing"):
        found.part("three")


@given(st.data())
def test_any_damage_is_an_error_and_no_more(data: st.DataObject) -> None:
    """A changed byte is found by the digest; a lie under a right digest by the header's checks."""
    content = FRAME.encode()
    at = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda v: v != content[at]))
    with pytest.raises(StateError):
        Frame.decode(content[:at] + bytes([value]) + content[at + 1 :])
    with pytest.raises(StateError):
        Frame.decode(content[:at])
    body = content[:-32]
    if at < len(body):
        with contextlib.suppress(StateError):
            Frame.decode(signed(body[:at] + bytes([value]) + body[at + 1 :]))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error(content: bytes) -> None:
    """Nothing but a frame is one."""
    with pytest.raises(StateError):
        Frame.decode(content)


@pytest.mark.parametrize(
    "table",
    [
        '[["a", "|O", [1]]]',
        '[["a", "<f4", [4611686018427387904]]]',
        '[["a", "<f4", [-1]]]',
        '[["a", "<f4", [true]]]',
        '[["a", "<f4", [1]], ["a", "<f4", [1]]]',
        '[["a", "<f4", [1, 1, 1, 1]]]',
        '[["a", "<f4"]]',
        "{}",
        "7",
        "[" * 100_000,
    ],
)
def test_a_header_that_lies_is_refused(table: str) -> None:
    """Types that could run, sizes that are not there, names twice: none makes an array."""
    header = f'{{"facts": {{}}, "arrays": {table}}}'.encode()
    start = b"MTADAPT\n" + (1).to_bytes(2, "little") + len(header).to_bytes(4, "little")
    with pytest.raises(StateError, match="adaptation"):
        Frame.decode(signed(start + header + bytes(8)))
