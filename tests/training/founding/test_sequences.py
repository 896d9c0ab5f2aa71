"""`founding.sequences` and `founding.families`: labelled windows, split without leaks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.features import WIDTH
from metatap_training.datasets import Source, Terms
from metatap_training.datasets.sources import DataError
from metatap_training.founding.families import FAMILIES, Split, SplitBy, split, thin
from metatap_training.founding.sequences import LENGTH, Sequences, read_sequences
from tests.training.founding.made_up import records, write_folder

SOURCE = Source("made-up", "MIT", Terms.YES, "")


def made(family: Sequence[str], capture: Sequence[str], pair: Sequence[int]) -> Sequences:
    """Sequences of one flow each."""
    rows = len(family)
    mask = np.zeros((rows, LENGTH), np.float32)
    mask[:, 0] = 1
    keys = np.zeros((rows, 4), np.uint64)
    keys[:, 0] = pair
    return Sequences(
        np.zeros((rows, LENGTH, WIDTH), np.float32),
        mask,
        np.array(family, np.str_),
        np.array(capture, np.str_),
        keys,
        np.arange(rows, dtype=np.int64),
    )


def test_logs_become_sequences(tmp_path: Path) -> None:
    """60 flows of a pair are windows of 28, 28 and 4; benign ones are left out and counted."""
    found, left = read_sequences(write_folder(tmp_path), SOURCE, FAMILIES)
    assert left["other"] == 9
    assert left["mixed"] == 0
    assert set(found.family) == set(FAMILIES)
    own = found.take((found.family == "symbiote") & (found.capture == "made-up/c1"))
    assert sorted(own.mask.sum(1).tolist()) == [4, 28, 28]
    assert not np.isnan(own.features[..., 1][own.mask > 0]).any()
    assert found.features.shape[1:] == (LENGTH, WIDTH)


def test_a_window_is_of_the_family_of_most_of_its_flows(tmp_path: Path) -> None:
    """More than half decides; a window without such a family is left out as mixed."""
    lines = records("symbiote", 1, "c", 0)[:28] + records("empire", 2, "c", 0)[:20]
    for line in lines[:10]:
        line.update(label="benign", family="dns")
    for line in lines[28:38]:
        line.update(family="portscan")
    (tmp_path / "made-up").mkdir()
    log = tmp_path / "made-up" / "conn.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found, left = read_sequences(tmp_path, SOURCE, FAMILIES)
    assert found.family.tolist() == ["symbiote"]
    assert left["mixed"] == 1


def test_faults_name_the_source(tmp_path: Path) -> None:
    """No log, and a line that can't be read."""
    with pytest.raises(DataError, match="made-up"):
        read_sequences(tmp_path, SOURCE, FAMILIES)
    write_folder(tmp_path)
    with (tmp_path / "made-up" / "conn.jsonl").open("a") as log:
        log.write('{"uid": 7, "capture": "c0"}\n')
    with pytest.raises(DataError, match="made-up: conn lines"):
        read_sequences(tmp_path, SOURCE, FAMILIES)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=60),
    st.integers(0, 3),
)
def test_nothing_is_on_both_sides(rows: list[tuple[int, int]], seed: int) -> None:
    """Captures, or in a single one pairs or times, are apart; nothing is lost, no side empty."""
    captures, pairs = zip(*rows, strict=True)
    whole = made(["a"] * len(rows), [f"c{at}" for at in captures], pairs)
    found = split(whole, ("a",), seed)
    assert len(found.train)
    assert len(found.test)
    assert sorted([*found.train.place, *found.test.place]) == list(range(len(rows)))
    by = found.by["a"]
    assert by is SplitBy.CAPTURE or len(set(captures)) == 1
    assert not _shared(found, by)


def _shared(found: Split, by: SplitBy) -> bool:
    """Whether the sides share what must not be shared."""
    if by is SplitBy.TIME:
        return bool(found.train.place.max() > found.test.place.min())
    if by is SplitBy.PAIR:
        return bool(set(found.train.pair[:, 0]) & set(found.test.pair[:, 0]))
    return bool(set(found.train.capture) & set(found.test.capture))


def test_a_single_capture_is_split_by_pairs_if_they_suffice() -> None:
    """The last pairs test; if one pair holds nearly all, the split is by time."""
    found = split(made(["a"] * 10, ["c"] * 10, [1] * 7 + [2] * 3), ("a",))
    assert found.by == {"a": SplitBy.PAIR}
    assert found.test.place.tolist() == [7, 8, 9]
    found = split(made(["a"] * 10, ["c"] * 10, [1] * 9 + [2]), ("a",))
    assert found.by == {"a": SplitBy.TIME}
    assert found.test.place.tolist() == [6, 7, 8, 9]


def test_a_family_with_one_sequence_is_an_error() -> None:
    """It can't be trained and tested; the message names it. Others are left aside."""
    whole = made(["a", "a", "b"], ["c", "d", "c"], [1, 1, 1])
    with pytest.raises(DataError, match="b: 1 sequences"):
        split(whole, ("a", "b"))
    assert set(split(whole, ("a",)).train.family) == {"a"}


def test_floods_are_thinned_evenly() -> None:
    """At most so many of a family and capture, from its beginning to its end."""
    whole = made(["a"] * 100 + ["b"] * 3, ["c"] * 103, [1] * 103)
    found = thin(whole, 10)
    assert found.place[found.family == "a"].tolist() == list(range(0, 100, 10))
    assert (found.family == "b").sum() == 3
