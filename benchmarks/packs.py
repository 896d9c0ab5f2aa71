"""The whole path with 64 packs, and with 1,024, against one pack.

The path is that of `benchmarks.path`; the same flows go through it in turns with other rules each
time. Packs beyond the four starter packs are copies of their heads that never alert: their cost is
in the model and in finding the hits.
"""

from __future__ import annotations

import argparse

from benchmarks.harness import Options, run
from benchmarks.path import FLOWS, MESSAGE_ROWS, rules_of, whole_path
from benchmarks.result import Report, Row
from benchmarks.timing import Spread, in_turns
from metatap.detector import Model, shipped_model

TARGETS = {64: 1.2, 1024: 3.0}
"""Packs → how much longer than with one pack, at most."""


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--flows", type=int, default=FLOWS, help="in a turn")
    parser.add_argument("--turns", type=int, default=15)


def measure(given: Options) -> Report:
    """Measure."""
    flows = max(1, given.flows // MESSAGE_ROWS) * MESSAGE_ROWS
    model = Model(shipped_model())
    rules = {packs: rules_of(model, packs) for packs in (1, *TARGETS)}
    with whole_path(rules[1], flows=flows) as path:
        jobs = {
            str(packs): lambda made=made: path.run(made, flows) for packs, made in rules.items()
        }
        times = in_turns(jobs, given.turns)
    rows = [
        Row.of(
            f"whole path, {packs:,} packs / 1 pack, time",
            Spread.ratio(times[str(packs)], times["1"]),
            target=target,
            bound="at most",
        )
        for packs, target in TARGETS.items()
    ]
    spent = {packs: Spread.of(found).median / flows * 1e9 for packs, found in times.items()}
    return Report(tuple(rows), {f"{packs} packs, ns a flow": ns for packs, ns in spent.items()})


if __name__ == "__main__":
    run("packs", __doc__, options, measure)
