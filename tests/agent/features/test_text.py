"""metatap.features.text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.features.text import SPLIT_MAX_BYTES, byte_classes, class_counts, words
from metatap.flow import Strings

ITEMS = st.lists(st.none() | st.binary(max_size=40), max_size=30)


@given(ITEMS)
def test_counts_equal_python(items: list[bytes | None]) -> None:
    """Counts of byte classes are those a loop over the bytes gives."""
    got = class_counts(Strings.from_items(items), byte_classes(b"0123456789", b"abc"), 2)
    want = [
        [sum(b in b"0123456789" for b in item or b""), sum(b in b"abc" for b in item or b"")]
        for item in items
    ]
    np.testing.assert_array_equal(got, np.array(want, float).reshape(-1, 2))


VOCABULARY = [b"http", b"dns", b"ldap_udp", b"a", b"ab"]
NEAR = st.sampled_from([*VOCABULARY, b"", b"http\0", b"\0", b"ldap_udpx", b"HTTP", b"-", b"\xff"])
LISTS = st.lists(NEAR | st.binary(max_size=3), max_size=5).map(b",-".join)


def python_words(item: bytes | None) -> list[int]:
    """What `words` must give for one string."""
    parts = [part.lstrip(b"-") for part in (item or b"").lower().split(b",")] if item else []
    return [VOCABULARY.index(part) if part in VOCABULARY else -1 for part in parts]


@given(st.lists(st.none() | LISTS, max_size=30), st.integers(0, 3))
def test_words_equal_python(items: list[bytes | None], skip: int) -> None:
    """Those that a loop finds, of any slice of a column: a word alone, longer or with a NUL."""
    whole = Strings.from_items([*[b"dns,x"] * skip, *items])
    view = Strings(whole.offsets[skip:], whole.data)
    rows, index = words(view, VOCABULARY, separator=b",", strip=b"-", lower=True)
    want = [(at, word) for at, item in enumerate(items) for word in python_words(item)]
    assert list(zip(rows.tolist(), index.tolist(), strict=True)) == want


@given(st.lists(st.none() | NEAR, max_size=30))
def test_without_a_separator_a_string_is_one_word(items: list[bytes | None]) -> None:
    """To the letter."""
    rows, index = words(Strings.from_items(items), VOCABULARY)
    want = [
        (at, VOCABULARY.index(item) if item in VOCABULARY else -1)
        for at, item in enumerate(items)
        if item
    ]
    assert list(zip(rows.tolist(), index.tolist(), strict=True)) == want


def test_only_the_start_of_a_string_is_divided() -> None:
    """What comes after the last separator there is one word."""
    commas = b"," * SPLIT_MAX_BYTES
    rows, index = words(
        Strings.from_items([commas + b"dns", commas + b"a,a"]), VOCABULARY, separator=b","
    )
    assert rows.tolist() == [0] * (SPLIT_MAX_BYTES + 1) + [1] * (SPLIT_MAX_BYTES + 1)
    assert index.tolist() == [-1] * SPLIT_MAX_BYTES + [1] + [-1] * (SPLIT_MAX_BYTES + 1)


@pytest.mark.parametrize("word", [b"", b"a\0b", b"ninebytes"])
def test_a_vocabulary_of_other_words_is_refused(word: bytes) -> None:
    """They could not be told apart."""
    with pytest.raises(ValueError, match="a word has 1 to 8 bytes"):
        words(Strings.from_items([b"x"]), [word])
