"""metatap.alerts.cutting."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from metatap.alerts.cutting import CUTS, MAX_DEPTH, cut, line_within, shorten


def test_what_fits_is_not_touched() -> None:
    """The line is the document's own up to the last byte."""
    document = {"a": "x" * 2000}
    line = msgspec.json.encode(document)
    assert line_within(len(line), document, msgspec.json.encode) == line
    cut_ = line_within(len(line) - 1, document, msgspec.json.encode)
    assert msgspec.json.decode(cut_) == {"a": "x" * 1023 + "…"}


def test_no_more_is_cut_than_needed() -> None:
    """Each step is tried; the last one's line is given even if it is still too long."""
    document = {"a": ["x" * 300] * 100, "b": 1}
    for limit, (characters, entries) in zip((6000, 4500, 1000, 0), CUTS, strict=True):
        line = line_within(limit, document, msgspec.json.encode)
        found = msgspec.json.decode(line)
        assert (len(found["a"]), len(found["a"][0])) == (entries, min(300, characters))
        assert found["b"] == 1


@given(st.text(), st.integers(1, 20))
def test_a_cut_text_says_so(text: str, characters: int) -> None:
    """`…` counts as one of the characters."""
    short = shorten(text, characters)
    assert len(short) <= characters
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


def test_depth_has_a_bound() -> None:
    """A container beyond it is None."""
    deep: list[object] = []
    for _ in range(MAX_DEPTH * 2):
        deep = [deep]
    found, depth = cut(deep, 16, 2), 0
    while found:
        (found,), depth = found, depth + 1
    assert (found, depth) == (None, MAX_DEPTH)
