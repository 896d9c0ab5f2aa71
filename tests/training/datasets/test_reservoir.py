"""`datasets.reservoir`: a bounded, even sample of a stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap_training.datasets import MALICIOUS, Flows
from metatap_training.datasets.reservoir import SLACK, Reservoir, even_share
from metatap_training.datasets.sources import DataError
from tests.training import synthetic


@pytest.fixture(scope="module")
def flows() -> Flows:
    found = synthetic.flows(60)
    return found.take(np.random.default_rng(5).permutation(len(found)))


def sampled(flows: Flows, rows: int, step: int) -> Flows:
    pool = Reservoir(rows, 1)
    for start in range(0, len(flows), step):
        pool.add(flows.take(np.arange(start, min(start + step, len(flows)))))
    assert pool.seen == len(flows)
    return pool.flows()


def groups(flows: Flows) -> dict[tuple[int, str, str], int]:
    keys = zip(flows.label.tolist(), flows.network.tolist(), flows.family.tolist(), strict=True)
    found: dict[tuple[int, str, str], int] = {}
    for key in keys:
        found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize("rows", [40, 333, 1000])
def test_the_sample_does_not_depend_on_how_the_stream_is_cut(flows: Flows, rows: int) -> None:
    """Nothing that was let go early is missed later."""
    one, other = sampled(flows, rows, 17), sampled(flows, rows, 5000)
    assert np.array_equal(one.uid_hash, other.uid_hash)
    assert len(one) <= rows


def test_groups_share_the_sample_alike(flows: Flows) -> None:
    """A group has all its flows or as many as any other; the order of the stream is kept."""
    sample = sampled(flows, 500, 100)
    every, kept = groups(flows), groups(sample)
    share = max(kept.values())
    assert {key: min(count, share) for key, count in every.items()} == kept
    place = {int(uid): at for at, uid in enumerate(flows.uid_hash)}
    order = [place[int(uid)] for uid in sample.uid_hash]
    assert order == sorted(order)


def test_a_stream_that_fits_is_kept_whole(flows: Flows) -> None:
    """Features, labels and all."""
    sample = sampled(flows, len(flows), 100)
    assert np.array_equal(sample.features, flows.features, equal_nan=True)
    assert np.array_equal(sample.family, flows.family)


def test_every_flow_of_a_group_has_the_same_chance() -> None:
    """The first and the last of a long stream alike."""
    flows = synthetic.block("worm", MALICIOUS, "north", 400, 0)
    counts = np.zeros(400)
    for seed in range(300):
        pool = Reservoir(40, seed)
        for start in range(0, 400, 50):
            pool.add(flows.take(np.arange(start, start + 50)))
        counts += np.isin(flows.uid_hash, pool.flows().uid_hash)
    halves = counts[:200].sum(), counts[200:].sum()
    assert sum(halves) == 300 * 40
    assert abs(halves[0] - halves[1]) < 5 * np.sqrt(300 * 40 * 0.9)


def test_no_more_is_held_than_the_bound_and_its_slack(flows: Flows) -> None:
    """Between two cuts, too."""
    pool = Reservoir(200, 0)
    for start in range(0, len(flows), 50):
        pool.add(flows.take(np.arange(start, min(start + 50, len(flows)))))
        assert sum(len(part) for part, _, _ in pool._held) <= SLACK * 200


def test_more_groups_than_rows_are_refused(flows: Flows) -> None:
    """A field of free text was taken for a family."""
    with pytest.raises(DataError, match="more than 5 different families and networks"):
        Reservoir(5).add(flows)
    with pytest.raises(DataError, match="no flows"):
        Reservoir(5).flows()


@settings(max_examples=200, deadline=None)
@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=20), more=st.integers(0, 300))
def test_an_even_share_is_the_largest_that_fits(counts: list[int], more: int) -> None:
    """One more would not fit, unless all are in."""
    total = len(counts) + more
    share = even_share(np.array(counts, np.intp), total)
    assert sum(min(count, share) for count in counts) <= total
    if max(counts) > share:
        assert sum(min(count, share + 1) for count in counts) > total
