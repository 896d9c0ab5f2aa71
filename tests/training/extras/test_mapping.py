"""The map of embeddings: what is on it, and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from metatap_training.bench.folds import Fold, Role
from metatap_training.datasets import BENIGN
from metatap_training.extras.mapping import PER_FAMILY, components, held_out, table
from metatap_training.report.page import read_embedding
from tests.training import synthetic


def test_only_what_is_held_out_is_on_the_map(tmp_path: Path) -> None:
    """Families of the fold's groups, benign flows of its networks, thinned; the report reads it."""
    flows = synthetic.flows()
    threats = flows.family[flows.label != BENIGN]
    family = str(np.unique(threats[threats != ""])[0])
    network = str(flows.network[flows.label == BENIGN][0])
    fold = Fold("made up", Role.TEST, ("held",), (network,))
    rows = held_out(flows, fold, {family: "held"}, seed=0)
    benign = flows.label[rows] == BENIGN
    assert set(flows.family[rows][~benign]) == {family}
    assert set(flows.network[rows][benign]) == {network}
    assert 0 < (~benign).sum() <= PER_FAMILY
    places = components(np.random.default_rng(0).random((len(rows), 8)).astype(np.float32))
    pq.write_table(table(flows, rows, places), tmp_path / "map.parquet")
    shown = read_embedding(tmp_path / "map.parquet")
    assert set(shown.label) == {family, "benign"}
    assert shown.total == len(rows)


def test_two_clouds_stay_apart() -> None:
    """The first component is the direction that tells most flows apart; constant units are none."""
    rng = np.random.default_rng(1)
    cloud = rng.normal(size=(200, 6)).astype(np.float32)
    cloud[100:, :4] += 8
    cloud[:, 5] = 1
    places = components(cloud)
    assert np.isfinite(places).all()
    sides = places[:, 0] > 0
    assert sides[:100].all() != sides[100:].all()
    assert (sides[:100] == sides[0]).all()
