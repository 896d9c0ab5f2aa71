"""The cursor over broker-bin-v1."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import WireError
from metatap.sources.broker_bin import COUNT, INTERVAL, NONE, TIME, Reader, tag_name, varbyte

COUNTS = b"\x0e\x02" + b"\x02" + struct.pack(">Q", 7) + b"\x02" + struct.pack(">Q", 2**64 - 1)
TIMES = b"\x0e\x02" + b"\x09" + struct.pack(">q", -1) + b"\x09" + struct.pack(">q", 5)
TAGS = [bytes((COUNT,)), bytes((TIME,))]


def reason_of(reader: Reader, method: str, *args: object) -> tuple[str, str]:
    """Reason and field of the error that reading the field `f` gives."""
    with pytest.raises(WireError) as caught:
        getattr(reader, method)("f", *args)
    return caught.value.reason, caught.value.field


@given(st.integers(0, 2**64 - 1))
def test_a_varbyte_comes_back(value: int) -> None:
    """Lengths of up to 64 bits are read as they were written."""
    reader = Reader(varbyte(value))
    assert reader.varbyte("f") == value
    assert not reader.left()


def test_a_varbyte_may_be_longer_than_it_has_to_be() -> None:
    """The format does not forbid leading zero groups, up to ten bytes."""
    assert Reader(b"\x83\x80\x00").varbyte("f") == 3


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "too_short"),
        (b"\x80\x80", "too_short"),
        (b"\x80" * 10 + b"\x00", "range"),
        (b"\xff" * 9 + b"\x02", "range"),
    ],
)
def test_a_bad_varbyte_is_refused(payload: bytes, reason: str) -> None:
    """It ends within the message, after ten bytes, and fits 64 bits."""
    assert reason_of(Reader(payload), "varbyte") == (reason, "f")


@pytest.mark.parametrize(
    ("method", "payload", "reason"),
    [
        ("count", b"\x03" + b"\0" * 8, "bad_tag"),
        ("count", b"\x02" + b"\0" * 7, "too_short"),
        ("count", b"", "too_short"),
        ("boolean", b"\x01\x02", "range"),
        ("boolean", b"\x01", "too_short"),
        ("string", b"\x05\x04abc", "too_short"),
        ("string", b"\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "too_short"),
        ("string", b"\x0b\x01a", "bad_tag"),
        ("vector", b"\x0e\x05\0\0", "too_short"),
        ("vector", b"\x0d\x00", "bad_tag"),
    ],
)
def test_a_bad_value_is_refused(method: str, payload: bytes, reason: str) -> None:
    """Wrong tags, and lengths beyond the message, name the field."""
    assert reason_of(Reader(payload), method) == (reason, "f")


def test_scalars_are_read_in_turn() -> None:
    """The cursor is left behind each value."""
    reader = Reader(b"\x02" + struct.pack(">Q", 9) + b"\x01\x01" + b"\x05\x02hi" + b"\x0e\x00")
    assert reader.count("a") == 9
    assert reader.boolean("b") is True
    assert reader.text("c", 2) == "hi"
    assert reader.vector("d") == 0
    reader.end("e")


def test_text_must_be_utf8_and_short() -> None:
    """Names are text of a bounded size, other than the strings of flows."""
    assert reason_of(Reader(b"\x05\x01\xff"), "text", 9) == ("not_utf8", "f")
    assert reason_of(Reader(b"\x05\x02hi"), "text", 1) == ("too_big", "f")


def test_a_column_is_read_in_one_go() -> None:
    """Counts and times that follow each other fill the rows of one matrix."""
    reader = Reader(COUNTS + TIMES)
    out = np.zeros((2, 2), np.uint64)
    reader.words(["a", "b"], TAGS, out)
    assert out[0].tolist() == [7, 2**64 - 1]
    assert out[1].view(np.int64).tolist() == [-1, 5]
    reader.end("c")


def test_a_column_whose_length_is_written_long_is_read_too() -> None:
    """`82 00` is 2 as well; the fast way declines and the slow way reads it."""
    out = np.zeros((2, 2), np.uint64)
    Reader(b"\x0e\x82\x00" + COUNTS[2:] + TIMES).words(["a", "b"], TAGS, out)
    assert out[0].tolist() == [7, 2**64 - 1]
    assert out[1].view(np.int64).tolist() == [-1, 5]


@pytest.mark.parametrize(
    ("payload", "reason", "field"),
    [
        (COUNTS + TIMES[:-1], "too_short", "b"),
        (COUNTS + TIMES.replace(b"\x09", b"\x0a"), "bad_tag", "b[0]"),
        (COUNTS[:-9] + b"\x00" + COUNTS[-8:] + TIMES, "bad_tag", "a[1]"),
        (COUNTS + b"\x0e\x03" + TIMES[2:] + TIMES[-9:], "length", "b"),
        (COUNTS + b"\x00", "bad_tag", "b"),
        (b"\x0e\xff\xff\xff\xff\x0f" + COUNTS, "too_short", "a"),
    ],
)
def test_a_bad_column_names_vector_and_element(payload: bytes, reason: str, field: str) -> None:
    """Of several columns read in one go, the one at fault is named."""
    with pytest.raises(WireError) as caught:
        Reader(payload).words(["a", "b"], TAGS, np.zeros((2, 2), np.uint64))
    assert (caught.value.reason, caught.value.field) == (reason, field)


@given(
    st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3), min_size=1, max_size=4)
)
def test_columns_of_any_values_come_back(rows: list[list[int]]) -> None:
    """Each value is that of the wire, bit by bit."""
    tag = bytes((INTERVAL,))
    payload = b"".join(
        b"\x0e\x03" + b"".join(tag + struct.pack(">Q", value) for value in row) for row in rows
    )
    out = np.zeros((len(rows), 3), np.uint64)
    Reader(payload).words(["f"] * len(rows), [tag] * len(rows), out)
    assert out.tolist() == rows


def test_addresses_and_ports() -> None:
    """An address is its sixteen bytes; a port is its number and its protocol."""
    addr = bytes(range(16))
    reader = Reader(b"\x0e\x01\x06" + addr + b"\x0e\x02\x08\x01\xbb\x01\x08\x00\x35\x02")
    assert reader.addrs("a", 1).tobytes() == addr
    numbers, protocols = reader.ports("p", 2)
    assert numbers.tolist() == [443, 53]
    assert protocols.tolist() == [1, 2]
    assert reason_of(Reader(b"\x0e\x01\x06" + addr[:-1]), "addrs", 1) == ("too_short", "f")
    assert reason_of(Reader(b"\x0e\x01\x02\0\0\0"), "ports", 1) == ("bad_tag", "f[0]")
    assert reason_of(Reader(b"\x0e\x02\x08\0\0\0\x08\0\0\0"), "ports", 1) == ("length", "f")


def test_columns_without_elements() -> None:
    """An empty vector is a column of no rows, also at the very end of the message."""
    reader = Reader(b"\x0e\x00\x0e\x00\x0e\x00\x0e\x00")
    reader.words(["a", "b"], TAGS, np.zeros((2, 0), np.uint64))
    assert reader.addrs("c", 0).shape == (0, 16)
    assert reader.ports("d", 0)[0].shape == (0,)
    reader.end("e")


def test_skip_passes_over_any_value() -> None:
    """Tables, nested vectors and all kinds of scalars."""
    values = [
        b"\x0d\x01" + b"\x05\x01k" + b"\x0e\x02\x00\x01\x01",
        b"\x0c\x01\x07" + b"\0" * 17,
        b"\x0b\x02ab",
        b"\x04" + b"\0" * 8,
    ]
    reader = Reader(b"\x0e\x04" + b"".join(values))
    reader.skip("f", 20)
    reader.end("f")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x0e\x64" + b"\0" * 100, "too_big"),
        (b"\x0e\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "too_short"),
        (b"\x0f", "bad_tag"),
        (b"\x0e\x01" * 50, "too_big"),
        (b"\x02\0", "too_short"),
    ],
)
def test_skip_is_bounded(payload: bytes, reason: str) -> None:
    """Neither a long nor a deep value keeps the reader busy."""
    assert reason_of(Reader(payload), "skip", 20)[0] == reason


def test_peeking_leaves_the_cursor() -> None:
    """The number of elements is known before the vector is read."""
    reader = Reader(COUNTS)
    assert reader.peek_vector("f") == 2
    assert reader.at == 0


def test_tags_have_names_in_messages() -> None:
    """A message says what was found and what was due."""
    with pytest.raises(WireError, match="f: string, not count"):
        Reader(b"\x05").count("f")
    assert tag_name(NONE) == "none"
    assert tag_name(0xEE) == "tag 0xee"
