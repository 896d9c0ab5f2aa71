"""Words → codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.flow import Strings
from metatap.flow.schema import CONN_STATES
from metatap.sources.vocabulary import codes_of

WORDS = st.sampled_from(CONN_STATES).map(str.encode) | st.binary(min_size=1, max_size=12)


@given(st.lists(WORDS, max_size=20))
def test_known_words_have_their_code_and_others_are_unknown(words: list[bytes]) -> None:
    """Also words that only begin like a known one, or are longer than any."""
    codes, known = codes_of(Strings.from_items(words), "conn_state")
    vocabulary = [state.encode() for state in CONN_STATES]
    assert known.tolist() == [word in vocabulary for word in words]
    for word, code, there in zip(words, codes.tolist(), known.tolist(), strict=True):
        assert not there or vocabulary[code] == word


@pytest.mark.parametrize("word", [b"S", b"S0\0", b"SF ", b"RSTOS0RST", b"RSTOS0\0\0\0"])
def test_words_close_to_known_ones_are_unknown(word: bytes) -> None:
    """Nothing is cut, padded or trimmed to fit."""
    _, known = codes_of(Strings.from_items([word]), "conn_state")
    assert known.tolist() == [False]


def test_a_vocabulary_of_long_words_is_a_mistake() -> None:
    """`unknown_transport` does not fit eight bytes; `proto` comes as a number instead."""
    with pytest.raises(ValueError, match="proto"):
        codes_of(Strings.from_items([b"tcp"]), "proto")
