"""The whole path against gradient boosted trees that score alone, on ready features.

LightGBM, 200 trees of 31 leaves, trained on the lab's flows with their labels; it predicts on one
thread, batches of 4,096, from the matrix of the same flows ready-made. Whole path: that of
`benchmarks.path`, from the socket to the encoded alerts, 64 packs. Both in turns on one core, times
of the processor.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import lightgbm
import numpy as np

from benchmarks.harness import Options, run
from benchmarks.path import (
    FLOWS,
    MESSAGE_ROWS,
    FloatArray,
    ready_features,
    rules_of,
    scored_batches,
    whole_path,
)
from benchmarks.pool import recorded
from benchmarks.result import Report, Row
from benchmarks.timing import Spread, in_turns, timed
from metatap.context import Context
from metatap.detector import Model, shipped_model
from metatap.features import encode

TARGET = 3.0
TREES, LEAVES = 200, 31


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--flows", type=int, default=FLOWS, help="in a turn")
    parser.add_argument("--turns", type=int, default=9)


def measure(given: Options) -> Report:
    """Measure."""
    flows = max(1, given.flows // MESSAGE_ROWS) * MESSAGE_ROWS
    model = Model(shipped_model())
    rules = rules_of(model, given.packs)
    ready = ready_features(model, scored_batches(flows), Context())
    booster = trained(model)
    leaves = np.mean([tree["num_leaves"] for tree in booster.dump_model()["tree_info"]])
    with whole_path(rules, flows=flows) as path:

        def trees() -> None:
            for features in ready:
                booster.predict(features, num_threads=1)

        jobs = {
            "whole": lambda: path.run(rules, flows),
            "trees": lambda: timed(trees, time.process_time),
        }
        times = in_turns(jobs, given.turns)
    ratio = Spread.ratio(times["trees"], times["whole"])
    return Report(
        (Row.of("whole path / LightGBM alone, flows/s", ratio, target=TARGET),),
        {
            "LightGBM, ns a flow": Spread.of(times["trees"]).median / flows * 1e9,
            "whole path, ns a flow": Spread.of(times["whole"]).median / flows * 1e9,
            "trees": booster.num_trees(),
            "leaves a tree": float(leaves),
        },
    )


def trained(model: Model) -> Any:
    """The trees: told hostile flows from benign ones of the lab."""
    pool = recorded()
    features: FloatArray = model.select(encode(pool.flows, Context().update(pool.flows)))
    label = (np.arange(pool.flows.rows) >= pool.benign).astype(np.float32)
    settings = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "min_data_in_leaf": 1,
        "learning_rate": 0.02,
        "num_threads": 1,
        "verbosity": -1,
        "seed": 0,
        "deterministic": True,
    }
    return lightgbm.train(settings, lightgbm.Dataset(features, label), TREES)


if __name__ == "__main__":
    run("trees", __doc__, options, measure)
