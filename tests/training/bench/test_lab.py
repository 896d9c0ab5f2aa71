"""`bench.lab` and null packs of hosts: what is looked for where, and that the lab never trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metatap_training.bench.cells import Cell, Table, host_rows, read_cells
from metatap_training.bench.draws import BACKGROUND, Drawer
from metatap_training.bench.folds import BenchError, fold_named, refuse_leaks
from metatap_training.bench.job import jobs_of
from metatap_training.bench.lab import RING, TECHNIQUES, load_lab
from metatap_training.bench.world import World
from metatap_training.datasets import BENIGN, MALICIOUS, Flows, Terms, concat
from tests.training.bench import made

DATA = Path(__file__).parents[2] / "data" / "lab"


@pytest.fixture(scope="module")
def lab() -> Flows:
    """The committed traffic."""
    return load_lab(DATA)


@pytest.fixture(scope="module")
def world(lab: Flows) -> World:
    """Made-up flows and the lab's."""
    return World(concat([made.flows(), lab]), {})


def test_families_are_techniques_and_captures_networks(lab: Flows) -> None:
    """And every network has enough benign flows to look for a threat in."""
    named = {name for name, _ in TECHNIQUES.values()}
    assert set(lab.family[lab.label == MALICIOUS]) == named
    assert set(lab.network) == set(RING)
    assert np.array_equal(lab.network, lab.capture)


def test_every_cell_of_the_lab_is_drawn(world: World) -> None:
    """At K = 5; positives are as many as the technique has in the network looked in."""
    cells = [cell for cell in read_cells() if cell.of_lab]
    flows = world.flows
    for job in jobs_of(cells):
        (ground,) = Drawer(world, job.cells, 0).draw(5, 0)
        cell, problem = ground.cell, ground.problem
        there = (flows.network == cell.network) & (flows.family == cell.family)
        assert 5 <= problem.positives <= there.sum()
        own = (flows.network == cell.network) & (flows.label == BENIGN)
        assert len(problem.background) + len(problem.queries) - problem.positives <= own.sum()


def test_the_lab_is_never_a_positive_of_published_cells(lab: Flows) -> None:
    """Their draws are the same with it and without it."""
    flows = made.flows()
    alone = World(flows, {}, made.GROUPS)
    kin = {**made.GROUPS, "T1071.001 web beacon": "c2"}
    beside = World(concat([flows, lab]), {}, kin)
    for table in (Table.RANDOM, Table.TECHNIQUE):
        one, two = (Drawer(w, [made.cell(table)], 0).draw(5, 0)[0] for w in (alone, beside))
        assert np.array_equal(one.problem.queries, two.problem.queries, equal_nan=True)
        assert np.array_equal(one.problem.support, two.problem.support, equal_nan=True)


def test_the_lab_never_trains(world: World, lab: Flows) -> None:
    """It is left out of every training, changes no trained model's name, and is looked for."""
    fold = fold_named(made.FOLD)
    part = world.part(tuple(Terms), fold, home=False)
    assert not set(part.network) & set(RING)
    alone = World(made.flows(), {})
    assert world.digest(training=True) == alone.digest(training=True)
    assert world.digest() != alone.digest()
    benign = lab.take(np.flatnonzero(lab.label == BENIGN)[:1])
    with pytest.raises(BenchError, match="lab-office"):
        refuse_leaks(concat([part, benign]), fold, made.GROUPS)


def test_a_folder_that_lacks_a_network_is_refused(tmp_path: Path) -> None:
    """By name."""
    with pytest.raises(BenchError, match=r"--lab: .*office"):
        load_lab(tmp_path)


def test_a_null_pack_of_a_host_is_looked_for_among_the_others() -> None:
    """Its support and positives are one host's, earlier and later; another draw takes another."""
    world = made.world()
    cell = Cell(Table.NULL, made.FOLD, "null", "lab host", "lab", "lab")
    (job,) = jobs_of([cell])
    assert job.home
    benign = int(((world.flows.network == "lab") & (world.flows.label == BENIGN)).sum())
    seen = set()
    for number in range(3):
        (ground,) = Drawer(world, job.cells, 0).draw(5, number)
        problem, q = ground.problem, ground.problem.positives
        (host,) = np.unique(problem.hosts[:q])
        assert host not in problem.hosts[q:]
        mine = int(((world.hosts == host) & (world.flows.label == BENIGN)).sum())
        assert len(problem.background) <= min(BACKGROUND, benign - mine)
        seen.add(int(host))
    assert len(seen) == 3


def test_flows_without_an_address_are_of_no_host() -> None:
    """A network without addresses has no null pack of hosts."""
    flows = made.flows()
    hidden = replace(flows, host=np.full(len(flows), ""))
    assert host_rows(flows, made.world(flows).ids, "lab")
    assert not host_rows(hidden, made.world(hidden).ids, "lab")
