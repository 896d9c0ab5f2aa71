"""A made-up world for the benchmark: synthetic flows in networks and families of real folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from metatap_training.bench.cells import Cell, Table
from metatap_training.bench.world import World
from metatap_training.datasets import Flows, concat
from tests.training import synthetic

FOLD = "command and control"
NETWORKS = {"north": "lab", "south": "hall", "east": "m57-office", "west": "ctu-sme11-host",
            "centre": "ndpi-mix"}  # fmt: skip
FAR = {name: f"far-{name}" for name in NETWORKS}
GROUPS = {"worm": "c2", "tunnel": "dns-tunnel", "beacon": "c2", "flood": "flood"}


def flows(rows: int = 150, seed: int = 0) -> Flows:
    """Synthetic flows in networks of `FOLD`, two homes of its families, and five far away."""
    near = _renamed(synthetic.flows(rows, seed), NETWORKS)
    far = synthetic.flows(rows, seed + 1000)
    far = _renamed(far.take(~np.isin(far.family, ["worm", "beacon"])), FAR)
    return concat([near, far])


def _renamed(made: Flows, names: Mapping[str, str]) -> Flows:
    captures = np.char.add(np.array([names[name] for name in made.network]), "/")
    numbers = np.char.rpartition(made.capture, "/")[:, 2]
    network = np.array([names[name] for name in made.network])
    return replace(made, network=network, capture=np.char.add(captures, numbers))


def world(made: Flows | None = None) -> World:
    """A world of flows whose terms allow all."""
    return World(flows() if made is None else made, {}, GROUPS)


def cell(table: Table = Table.RANDOM, network: str = "ndpi-mix", family: str = "worm") -> Cell:
    """A cell of worm, which lives in lab and in hall."""
    home = network if table is Table.OWN else "lab"
    return Cell(table, FOLD, GROUPS[family], family, home, network)
