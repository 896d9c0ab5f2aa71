"""metatap.sources.wire_slots: where fields go."""

from __future__ import annotations

import pytest

from metatap.flow import COLUMNS, Group, Kind
from metatap.sources.wire_layout import layout
from metatap.sources.wire_slots import KEY_BYTES, NONE, RECORD, SLOTS, key_of


def test_every_column_has_a_place_of_its_own() -> None:
    """In schema order; no two share a row of a buffer."""
    assert [place.name for place in SLOTS.columns] == [spec.name for spec in COLUMNS]
    words = {Kind.COUNT, Kind.TIME, Kind.INTERVAL}
    taken = [("words" if p.kind in words else p.kind, p.row) for p in SLOTS.columns]
    assert len(set(taken)) == len(COLUMNS)


def test_every_field_on_the_wire_is_a_step() -> None:
    """As many behind each group's head as its record has fields."""
    kinds = SLOTS.steps[:, 0].tolist()
    heads = [at for at, kind in enumerate(kinds) if kind == RECORD]
    counts = [end - at - 1 for at, end in zip(heads, [*heads[1:], len(kinds)], strict=True)]
    assert counts == [layout(group).fields for group in Group]
    assert [SLOTS.steps[at, 1] for at in heads] == counts


def test_only_flows_of_a_group_have_its_columns() -> None:
    """A column of a sparse group has a row that tells who has it; of conn, only what may lack."""
    for place, spec in zip(SLOTS.columns, COLUMNS, strict=True):
        tells = spec.optional or spec.group is not Group.CONN or spec.kind is Kind.ENUM
        assert (place.valid != NONE) is (tells or spec.kind is Kind.STRING), spec.name


def test_a_sparse_group_has_rows_that_follow_each_other() -> None:
    """So that the flows that lack it are filled at once."""
    for number, group in enumerate(Group):
        rows = SLOTS.groups[number]
        assert (rows is None) is (group is Group.CONN)
        if rows is None:
            continue
        for place, spec in zip(SLOTS.columns, COLUMNS, strict=True):
            if spec.kind in {Kind.STRING, Kind.BOOL, Kind.COUNT}:
                found = {Kind.STRING: rows.offsets, Kind.BOOL: rows.bits}.get(spec.kind, rows.words)
                inside = found.start <= place.row < found.stop
                assert inside is (spec.group is group), spec.name


def test_words_differ_by_their_length() -> None:
    """A zero byte at either end is a byte."""
    words = [b"SF", b"SF\0", b"\0SF", b"S", b"SFSFSFS"]
    assert len({key_of(word) for word in words}) == len(words)


@pytest.mark.parametrize("word", [b"", b"x" * (KEY_BYTES + 1)])
def test_a_word_that_is_no_key_is_refused(word: bytes) -> None:
    """A longer vocabulary needs another key."""
    with pytest.raises(ValueError, match="1 to 7 bytes"):
        key_of(word)
