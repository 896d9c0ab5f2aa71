"""`bench.draws`: support and background are earlier, queries later; nothing is on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap.features.table import INDEX
from metatap_training.bench.cells import Table
from metatap_training.bench.draws import Drawer, Ground
from metatap_training.bench.sides import family_sides, network_sides
from metatap_training.bench.world import World
from metatap_training.datasets.flows import FloatArray, IntArray
from metatap_training.episodes.masks import ABSENT
from metatap_training.preprocess.clean import OWN
from tests.training.bench import made


def draw(world: World, table: Table, k: int = 5, number: int = 0) -> Ground:
    """The draw of worm in one network."""
    network = "lab" if table is Table.OWN else "ndpi-mix"
    (ground,) = Drawer(world, [made.cell(table, network)], 0).draw(k, number)
    return ground


def rows_of(world: World, features: FloatArray) -> IntArray:
    """Which flows of the world these are, by features no flow shares with another."""
    every = {row.tobytes(): at for at, row in enumerate(world.flows.features)}
    return np.array([every[row.tobytes()] for row in features])


@pytest.fixture(scope="module")
def world() -> World:
    """Of this module's tests."""
    return made.world()


@pytest.mark.parametrize("table", [Table.RANDOM, Table.OWN])
def test_queries_are_later_than_support_and_background(world: World, table: Table) -> None:
    """Inside each capture of the family, and in the network."""
    ground = draw(world, table)
    problem, flows = ground.problem, world.flows
    assert ground.split == "time"
    support = rows_of(world, problem.support)
    positive = rows_of(world, problem.queries[: problem.positives])
    for capture in np.unique(flows.capture[support]):
        here = support[flows.capture[support] == capture]
        later = positive[flows.capture[positive] == capture]
        assert flows.ts[here].max() < flows.ts[later].min()
    assert not set(rows_of(world, problem.background)) & set(
        rows_of(world, problem.queries[problem.positives :])
    )


def test_a_draw_is_always_the_same_and_another_is_not(world: World) -> None:
    """So that all methods have the same."""
    first, again, other = (draw(world, Table.RANDOM, number=n).problem for n in (0, 0, 1))
    assert np.array_equal(first.support, again.support, equal_nan=True)
    assert np.array_equal(first.queries, again.queries, equal_nan=True)
    assert not np.array_equal(first.support, other.support, equal_nan=True)


def test_support_and_positives_are_the_same_in_all_networks(world: World) -> None:
    """A job's networks differ in background and negatives alone."""
    cells = [made.cell(network=name) for name in ("ndpi-mix", "m57-office")]
    one, two = (ground.problem for ground in Drawer(world, cells, 0).draw(5, 0))
    assert np.array_equal(one.support, two.support, equal_nan=True)
    assert np.array_equal(
        one.queries[: one.positives], two.queries[: two.positives], equal_nan=True
    )


def test_the_support_of_capture_is_from_one_capture_and_no_positive_is(world: World) -> None:
    """Another draw takes another capture."""
    flows, seen = world.flows, set()
    for number in range(2):
        problem = draw(world, Table.CAPTURE, number=number).problem
        captures = set(flows.capture[rows_of(world, problem.support)])
        assert len(captures) == 1
        assert not captures & set(
            flows.capture[rows_of(world, problem.queries[: problem.positives])]
        )
        seen |= captures
    assert len(seen) == 2


def test_positives_of_technique_are_kin_in_other_networks(world: World) -> None:
    """Any family of the group counts."""
    problem = draw(world, Table.TECHNIQUE).problem
    positive = rows_of(world, problem.queries[: problem.positives])
    assert set(world.flows.family[positive]) == {"worm", "beacon"}
    assert "lab" not in set(world.flows.network[positive])


def test_a_positive_equal_to_a_support_flow_is_removed() -> None:
    """It would be found by looking it up."""
    flows = made.flows()
    rows = np.flatnonzero((flows.family == "worm") & (flows.network == "lab"))
    sides = family_sides(flows, rows)
    features = flows.features.copy()
    features[sides.late[0]] = features[sides.early[0]]
    world = made.world(replace(flows, features=features))
    for number in range(10):
        problem = draw(world, Table.RANDOM, k=10, number=number).problem
        support = {row.tobytes() for row in problem.support[:, OWN]}
        assert not support & {row.tobytes() for row in problem.queries[: problem.positives][:, OWN]}


def test_benign_flows_that_are_equal_are_on_one_side() -> None:
    """Or a threshold would be set on the very flows it is judged by."""
    flows = made.flows()
    rows = np.flatnonzero((flows.network == "ndpi-mix") & (flows.label == 0))
    features = flows.features.copy()
    features[rows[::3]] = features[rows[0]]
    world = made.world(replace(flows, features=features))
    sides = network_sides(world.flows, rows, world.ids)
    assert len(sides.early)
    assert len(sides.late)
    assert not set(world.ids[sides.early]) & set(world.ids[sides.late])


def test_what_one_network_lacks_all_flows_lack() -> None:
    """Missing columns must not tell who is who."""
    flows = made.flows()
    features = flows.features.copy()
    there = flows.network == "ndpi-mix"
    for name in ABSENT["history"]:
        features[there, INDEX[name]] = 0.0 if name.startswith("has.") else np.nan
    problem = draw(made.world(replace(flows, features=features)), Table.RANDOM).problem
    for part in (problem.support, problem.background, problem.queries):
        assert (part[:, INDEX["has.history"]] == 0).all()
        assert np.isnan(part[:, INDEX["history.length"]]).all()
        assert not np.isnan(part[:, INDEX["duration"]]).all()


def test_without_times_flows_are_split_by_a_hash_and_marked() -> None:
    """The same way each time."""
    flows = made.flows()
    untimed = replace(flows, ts=np.full(len(flows), np.nan))
    ground = draw(made.world(untimed), Table.RANDOM)
    assert ground.split == "hash"
    assert len(ground.problem.background)


def test_a_family_too_small_for_its_support_is_not_drawn() -> None:
    """Rather than drawn with less."""
    flows = made.flows()
    rows = np.flatnonzero((flows.family == "worm") & (flows.network == "lab"))
    few = flows.take(np.setdiff1d(np.arange(len(flows)), rows[16:]))
    assert Drawer(made.world(few), [made.cell()], 0).draw(10, 0) == []
    assert Drawer(made.world(few), [made.cell()], 0).draw(1, 0)
