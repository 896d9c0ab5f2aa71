"""A made-up world for the benchmark: synthetic flows in networks and families of real folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metatap_training.bench.cells import Cell, Table
from metatap_training.bench.world import World
from metatap_training.datasets import Flows
from tests.training import synthetic

FOLD = "command and control"
NETWORKS = {"north": "lab", "south": "hall", "east": "m57-office", "west": "ctu-sme11-host",
            "centre": "ndpi-mix"}  # fmt: skip
GROUPS = {"worm": "c2", "tunnel": "dns-tunnel", "beacon": "c2", "flood": "flood"}


def flows(rows: int = 150, seed: int = 0) -> Flows:
    """Synthetic flows, their networks named as those of `FOLD` and two beside it."""
    made = synthetic.flows(rows, seed)
    for old, new in NETWORKS.items():
        made = replace(made, network=np.where(made.network == old, new, made.network))
    return made


def world(made: Flows | None = None) -> World:
    """A world of flows whose terms allow all."""
    return World(flows() if made is None else made, {}, GROUPS)


def cell(table: Table = Table.RANDOM, network: str = "ndpi-mix", family: str = "worm") -> Cell:
    """A cell of worm, which lives in lab and in hall."""
    home = network if table is Table.OWN else "lab"
    return Cell(table, FOLD, GROUPS[family], family, home, network)
