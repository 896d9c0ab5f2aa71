"""`metatap-train founding`: the founding article's CNN and an RNN, trained, tested, exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from metatap.offline.writers import check_folder, write_whole
from metatap_training.build import command_line
from metatap_training.datasets import find_flows, read_sources
from metatap_training.founding.networks import NETWORKS
from metatap_training.founding.report import Figures, render
from metatap_training.founding.run import plan_of, prepare, run, usable

WIDTH = 140
_PATH = click.Path(path_type=Path)
_CONSOLE = Console(stderr=True, highlight=False, markup=False, emoji=False)


@click.command()
@click.option("--flows", type=_PATH, help="Folder of labelled flows.")
@click.option("--out", type=_PATH, help="Folder for cnn.onnx and rnn.onnx.")
@click.option("--json", "json_path", type=_PATH, help="Write the report to this file.")
@click.option("--seed", default=0, show_default=True, help="The first seed; its model is exported.")
@click.option("--seeds", default=3, show_default=True, help="How many seeds train each network.")
@click.option("--quick", is_flag=True, help="A small run: one seed, two epochs, few sequences.")
def founding(
    *,
    flows: Path | None,
    out: Path | None,
    json_path: Path | None,
    seed: int,
    seeds: int,
    quick: bool,
) -> None:
    """Train the founding article's CNN, and an RNN, on sequences of 28 flows of two hosts.

    Ten families of threats, split by capture. Prints accuracy, precision, recall and the
    confusion matrix; `metatap score --model cnn.onnx` runs what is exported.
    """
    plan = plan_of(seed=seed, seeds=seeds, quick=quick, command=command_line(sys.argv[1:]))
    if json_path is not None:
        check_folder(json_path)
    bars = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*bars, TimeRemainingColumn(), console=_CONSOLE) as progress:
        sources = usable(read_sources(find_flows(flows)))
        read = progress.add_task("read", total=len(sources))
        data = prepare(flows, plan, lambda: progress.advance(read))
        total = len(NETWORKS) * len(plan.seeds) * plan.epochs
        epochs = progress.add_task("train", total=total)
        report = run(data, plan, out, lambda: progress.advance(epochs))
    if json_path is not None:
        write_whole(json_path, (json.dumps(report, indent=1) + "\n").encode())
    _print(report)


def _print(report: Figures) -> None:
    width = None if sys.stdout.isatty() else WIDTH
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    for part in render(report["founding"]):
        console.print(part)
    console.print("features: " + ", ".join(report["features"]))
    left = ", ".join(f"{name} {count:,}" for name, count in report["left_out"].items())
    console.print(f"windows left out: {left or 'none'}")
