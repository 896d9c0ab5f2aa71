"""`custom.plan`, `custom.holdout`: whether flows are enough, what is cut, what is held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap_training.custom import hold_out, plan
from metatap_training.custom.plan import in_parts
from metatap_training.datasets import BENIGN, MALICIOUS, Flows, concat
from metatap_training.datasets.sources import DataError
from metatap_training.episodes import Sizes
from metatap_training.learners import Recipe
from metatap_training.learners.fit import samplers
from tests.training import synthetic

SIZES = Sizes(tasks=4, background=96, negatives=128, queries=12, own=8)


def one_network(rows: int = 150) -> Flows:
    """Everything seen at one site, one attacker for every threat."""
    flows = synthetic.flows(rows)
    return replace(
        flows.take(np.argsort(flows.ts, kind="stable")), network=np.full(len(flows), "site")
    )


def test_many_networks_are_left_as_they_are() -> None:
    """The recipe's own sizes, as for the shipped model."""
    parts = [synthetic.flows(60, seed=0), synthetic.flows(60, seed=1)]
    other = replace(parts[1], network=np.char.add(parts[1].network, "-b"))
    flows = concat([parts[0], other])
    planned = plan(flows, SIZES)
    assert planned.parts == 1
    assert planned.flows is flows
    assert planned.sizes == SIZES


def test_one_network_is_cut_by_time_class_by_class() -> None:
    """Every part has its share of each; all of a part is before all of the next."""
    flows = one_network()
    planned = plan(flows, SIZES)
    assert planned.parts == 6
    assert set(planned.flows.network) == {f"site {at}/6" for at in range(1, 7)}
    cut = planned.flows
    for family in synthetic.FAMILIES:
        rows = np.flatnonzero(cut.family == family)
        rows = rows[np.argsort(flows.ts[rows], kind="stable")]
        names, counts = np.unique(cut.network[rows], return_counts=True)
        assert len(names) == 6
        assert counts.max() - counts.min() <= 1
        assert cut.network[rows].tolist() == sorted(cut.network[rows])
    assert np.array_equal(cut.features, flows.features, equal_nan=True)


@pytest.mark.parametrize("rows", [16, 24, 150])
def test_episodes_can_be_drawn_from_what_was_planned(rows: int) -> None:
    """Whichever networks the background takes; few flows give fewer networks to it."""
    planned = plan(one_network(rows), SIZES)
    recipe = Recipe(sizes=planned.sizes)
    make, _ = samplers(planned.flows, recipe, 0)
    sampler = make(0)
    for _ in range(30):
        episode = sampler.draw()
        assert episode.positive.any(1).all()
        ground = set(planned.flows.network[episode.background])
        support = planned.flows.network[episode.support[episode.positive]]
        assert not ground & set(support)


def test_parts_are_the_same_without_times() -> None:
    """A flow table has no `ts`: its order stands for it."""
    flows = one_network(20)
    dated = in_parts(flows, 3)
    undated = in_parts(replace(flows, ts=np.full(len(flows), np.nan)), 3)
    assert np.array_equal(dated.network, undated.network)


def test_too_few_flows_are_refused() -> None:
    """With how many there are, and how many are needed."""
    flows = one_network()
    with pytest.raises(DataError, match="no benign flows"):
        plan(flows.take(flows.label != BENIGN), SIZES)
    two = flows.take((flows.label == BENIGN) | np.isin(flows.family, ["worm", "tunnel"]))
    with pytest.raises(DataError, match=r"2 families .* \(tunnel, worm\), 3 are needed"):
        plan(two, SIZES)
    few = one_network(10)
    with pytest.raises(DataError, match="200 benign flows in the largest network, 300 are needed"):
        plan(few, SIZES)


def test_what_is_held_out_is_not_trained_on() -> None:
    """The families' flows, and the latest fifth of each network's benign flows."""
    flows = synthetic.flows()
    kept, held = hold_out(flows, ["worm", "worm"])
    assert held is not None
    assert held.families == ("worm",)
    assert len(kept) + len(held.flows) == len(flows)
    assert "worm" not in kept.family
    assert set(held.flows.family[held.flows.label == MALICIOUS]) == {"worm"}
    for network in synthetic.NETWORKS:
        before = kept.ts[(kept.network == network) & (kept.label == BENIGN)]
        after = held.flows.ts[(held.flows.network == network) & (held.flows.label == BENIGN)]
        assert len(after) == (len(before) + len(after)) // 5
        assert before.max() <= after.min()
    draws = [held._draw("worm", number, 0) for number in range(3)]
    for draw in draws:
        parts = (draw.support, draw.background, draw.positive, draw.negative)
        assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts))


def test_nothing_is_held_out_unless_asked_for() -> None:
    """And a family that is too small, or not there, is an error."""
    flows = synthetic.flows(20)
    assert hold_out(flows, []) == (flows, None)
    with pytest.raises(DataError, match="family typo: 0 flows, to hold it out 10 are needed"):
        hold_out(flows, ["typo"])
    with pytest.raises(DataError, match="80 benign flows would be held out"):
        hold_out(flows, ["worm"])
