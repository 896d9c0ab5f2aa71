"""`metatap-train train` and `metatap-train encode`: a model from a user's own logs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from metatap.offline.labels import BENIGN, MALICIOUS
from metatap.runtime.logs import configure_logs
from metatap_training.custom.inputs import Asked, Inputs
from metatap_training.custom.run import Order, train_file
from metatap_training.datasets.arrow import SUFFIX, write_flows
from metatap_training.datasets.reservoir import POOL_ROWS
from metatap_training.distributed import World, join

F = TypeVar("F", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_CONSOLE = Console(stderr=True, highlight=False, markup=False, emoji=False)


def label_options(function: F) -> F:
    """`--data` and how its flows are labelled."""
    decorators = [
        click.option("--data", multiple=True, metavar="[NAME=]DIR", help="Folder of Zeek's logs."),
        click.option("--label-field", help="Field of conn.log with the label."),
        click.option("--family-field", default="family", show_default=True,
                     help="Field of conn.log with the threat's name."),
        click.option("--network-field", help="Field of conn.log with the network."),
        click.option("--labels", multiple=True, type=_PATH,
                     help="CSV with the labels: uid,label[,family][,capture]."),
        click.option("--intervals", multiple=True, type=_PATH,
                     help="CSV with the labels: start,end,orig_h,resp_h,label[,family][,capture]."),
        click.option("--malicious", default=MALICIOUS, show_default=True,
                     help="Label of a threat; * for every label that is not that of benign flows."),
        click.option("--benign", multiple=True, default=(BENIGN, "normal"), show_default=True,
                     help="Label of benign flows."),
    ]  # fmt: skip
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


@click.command()
@label_options
@click.option("--encoded", multiple=True, type=_PATH, help="Parquet files of `encode`.")
@click.option("--with-flows", type=_PATH, help="Folder of published flows to train on as well.")
@click.option("--cache", type=_PATH, help="Folder for the encoded matrices of published flows.")
@click.option("--holdout", multiple=True, metavar="FAMILY", help="Not to train on, but to find.")
@click.option("--pool", type=click.IntRange(1000), default=POOL_ROWS, show_default=True,
              help="Own flows held in memory at most.")  # fmt: skip
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", type=click.IntRange(1), help="Training steps, if not the recipe's.")
@click.option("--out", type=_PATH, required=True, help="The .onnx file.")
def train(
    *,
    encoded: tuple[Path, ...],
    with_flows: Path | None,
    cache: Path | None,
    holdout: tuple[str, ...],
    pool: int,
    seed: int,
    steps: int | None,
    out: Path,
    **asked: Any,
) -> None:
    """Train a model on your own labelled flows.

    From Zeek's logs (--data) or what `encode` made of them (--encoded), by the recipe of the
    shipped model. Under `torchrun` several processes train it together.
    """
    configure_logs("warning", "text")
    inputs = Inputs(Asked(**asked), encoded)
    order = Order(inputs, with_flows, cache, holdout, pool, seed, steps, out, sys.argv[1:])
    with join() as world, _bar(world) as say:
        card = train_file(order, world, say)
    if world.rank:
        return
    _remarks(inputs)
    for family, row in (card["held_out"] or {"families": {}})["families"].items():
        rates = "  ".join(f"{name} {value:.3f}" for name, value in row["tpr"].items())
        _CONSOLE.print(f"held out: {family}: TPR at FPR 1e-3: {rates}")
    if card["held_out"] is None:
        _CONSOLE.print("no held-out evaluation was made; --holdout FAMILY makes one")
    _CONSOLE.print(f"{out}: {card['measured']['bytes']:,} bytes")


@click.command()
@label_options
@click.option("--out", type=_PATH, required=True, help="Folder for a Parquet file a --data.")
def encode(*, out: Path, **asked: Any) -> None:
    """Encode labelled flows to Parquet, in bounded memory."""
    configure_logs("warning", "text")
    inputs = Inputs(Asked(**asked), ())
    out.mkdir(parents=True, exist_ok=True)
    for logs in inputs.logs:
        path = out / f"{logs.name}{SUFFIX}"
        _CONSOLE.print(f"{path}: {write_flows(path, inputs.of(logs)):,} flows")
    _remarks(inputs)


def _remarks(inputs: Inputs) -> None:
    for remark in inputs.remarks():
        _CONSOLE.print(remark)


@contextmanager
def _bar(world: World) -> Iterator[Callable[[str, float], Callable[[float], None]]]:
    """Bars with elapsed and remaining time, of the first process only."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    hidden = world.rank > 0
    with Progress(*columns, TimeRemainingColumn(), console=_CONSOLE, disable=hidden) as progress:

        def bar(title: str, total: float) -> Callable[[float], None]:
            task = progress.add_task(title, total=total)
            return lambda amount: progress.advance(task, amount)

        yield bar
