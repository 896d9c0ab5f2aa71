"""`bench.cells`: the committed list is what the rule makes of the data."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metatap_training.bench.cells import (
    HOST_LIMIT,
    LAB_LIMITS,
    LIMITS,
    MIN_HOME,
    NETWORKS,
    Table,
    make_cells,
    parse,
    read_cells,
    text_of,
)
from metatap_training.bench.folds import FOLDS, BenchError, fold_named
from metatap_training.bench.lab import RING, all_groups, load_lab
from metatap_training.build import prepare
from metatap_training.datasets import concat, find_flows
from metatap_training.preprocess import read_groups
from tests.training.bench import made
from tests.training.published import CACHE, published

LAB_DATA = Path(__file__).parents[2] / "data" / "lab"


def test_the_list_keeps_its_own_limits() -> None:
    """At most 150 cells, so many of a role and table, and networks that are the fold's."""
    cells, groups = read_cells(), all_groups()
    assert sum(LIMITS.values()) + HOST_LIMIT + sum(LAB_LIMITS.values()) == 150
    lab = Counter(fold_named(cell.fold).role for cell in cells if cell.of_lab)
    assert all(lab[role] <= most for role, most in LAB_LIMITS.items())
    assert sum(cell.of_host for cell in cells) <= HOST_LIMIT
    plain = [cell for cell in cells if not (cell.of_lab or cell.of_host)]
    counts = Counter((fold_named(cell.fold).role, Table(cell.table)) for cell in plain)
    assert all(counts[at] <= most for at, most in LIMITS.items())
    for cell in cells:
        fold = fold_named(cell.fold)
        if cell.table != Table.NULL:
            assert groups[cell.family] == cell.group
            assert cell.group in fold.groups
        own = cell.table == Table.OWN or cell.of_host
        assert own == (cell.network == cell.support_network)
        if not (own or cell.of_lab):
            assert cell.network in fold.networks


def test_every_fold_and_own_network_has_a_null_pack() -> None:
    """Of another network beside each fold, of a host beside each network of table own."""
    cells = read_cells()
    null = [cell for cell in cells if cell.table == Table.NULL]
    assert {cell.fold for cell in null if not cell.of_host} == {fold.name for fold in FOLDS}
    own = {cell.network for cell in cells if cell.table == Table.OWN}
    assert {cell.network for cell in null if cell.of_host} == own


def test_cells_of_the_lab_cross_tools() -> None:
    """Both networks are the lab's, and never the two that share their tools."""
    lab = [cell for cell in read_cells() if cell.of_lab]
    assert len({network for cell in lab for network in (cell.support_network, cell.network)}) == 4
    for cell in lab:
        pair = {cell.support_network, cell.network}
        assert cell.table == Table.TECHNIQUE
        assert len(pair & set(RING)) == 2
        assert pair != {"lab-office", "lab-branch"}


def test_the_list_has_no_cell_twice() -> None:
    """And reads as it is written."""
    cells = read_cells()
    assert len(set(cells)) == len(cells)
    assert parse(text_of(cells)) == cells


def test_small_families_make_no_cell() -> None:
    """A family needs twenty different flows where its support is from, or ten and kin elsewhere."""
    flows = made.flows()
    cells = make_cells(flows, made.GROUPS)
    assert ("worm", "random") in {(cell.family, cell.table) for cell in cells}
    rows = np.flatnonzero(flows.family == "worm")
    alike = flows.features.copy()
    alike[rows] = alike[rows[0]]
    cells = make_cells(replace(flows, features=alike), made.GROUPS)
    assert "worm" not in {cell.family for cell in cells if cell.table in ("random", "capture")}


def test_a_family_is_looked_for_in_its_own_network_only_if_that_is_large() -> None:
    """Fewer negatives could not show one false alert in a thousand."""
    flows = made.flows(rows=MIN_HOME // 4 + 1)
    own = {(c.family, c.network) for c in make_cells(flows, made.GROUPS) if c.table == "own"}
    assert {("beacon", "m57-office"), ("flood", "far-west"), ("tunnel", "far-south")} <= own
    small = make_cells(made.flows(rows=100), made.GROUPS)
    assert not [cell for cell in small if cell.table == "own"]


def test_a_family_is_looked_for_in_few_networks() -> None:
    """So that no family fills the list."""
    cells = make_cells(made.flows(), made.GROUPS)
    counts = Counter((c.table, c.family) for c in cells if c.table == "random")
    assert counts
    assert max(counts.values()) <= NETWORKS


@pytest.mark.shared
def test_the_committed_list_is_what_the_rule_makes_of_the_flows() -> None:
    """Only where the labelled flows are."""
    published()
    data = prepare(find_flows(), CACHE)
    flows = concat([data.flows, load_lab(LAB_DATA)])
    assert text_of(make_cells(flows, read_groups())) == text_of(read_cells())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "first line"),
        ("family\tnetwork\n", "first line"),
        (text_of([]) + "random\tno fold\tc2\tworm\tlab\thall\n", "cells.tsv:2"),
        (text_of([]) + "random\tscans\n", "cells.tsv:2"),
    ],
)
def test_a_list_that_is_none_is_refused(text: str, fault: str) -> None:
    """With the line."""
    with pytest.raises(BenchError, match=fault):
        parse(text)
