"""The work of `metatap-train founding`: read, split, choose features, train, compare, export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from metatap.errors import MetatapError
from metatap_training.datasets import Source, Terms, find_flows, read_sources
from metatap_training.datasets.sources import DataError
from metatap_training.founding.columns import Columns, choose_columns
from metatap_training.founding.export import write_model
from metatap_training.founding.families import FAMILIES, PER_CAPTURE, Split, SplitBy, split, thin
from metatap_training.founding.networks import NETWORKS, Cnn, Network, Rnn
from metatap_training.founding.report import Figures, confusion, figures
from metatap_training.founding.sequences import (
    FloatArray,
    IntArray,
    Sequences,
    concat,
    read_sequences,
)
from metatap_training.founding.train import EPOCHS, probabilities, train

PARITY_ROWS = 256
QUICK_LIMIT, QUICK_EPOCHS = 30, 2
"""Sequences of a family and capture, and epochs, of a quick run."""

Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is.

    Attributes:
        seeds: Each trains every network once; the first one's is exported.
        epochs: Passes over the data.
        limit: Sequences of a family and capture, at most.
        command: What was run, for the report.
    """

    seeds: Sequence[int]
    epochs: int
    limit: int
    command: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """Sequences ready for the networks.

    Attributes:
        parts: Training and test part.
        columns: Chosen on the training part.
        classes: Names of the C families.
        sources: Sources the sequences are of.
        left_out: Windows left out, by reason.
    """

    parts: Split
    columns: Columns
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    left_out: dict[str, int]


def prepare(flows: Path | None, plan: Plan, on_source: Step | None = None) -> Prepared:
    """Read the sources that may train a model and split their sequences.

    Raises:
        DataError: the flows are not there or malformed, or a family has too few sequences.
    """
    folder = find_flows(flows)
    parts: list[Sequences] = []
    left: Counter[str] = Counter()
    names: list[str] = []
    for source in usable(read_sources(folder)):
        found, out = read_sequences(folder, source, FAMILIES)
        if len(found):
            parts.append(found)
            names.append(source.name)
            left += out
        if on_source is not None:
            on_source()
    if not parts:
        raise DataError(f"{folder}: no flow of the families of the founding article's systems")
    halves = split(thin(concat(parts), plan.limit), FAMILIES)
    return Prepared(halves, choose_columns(halves.train), FAMILIES, tuple(names), dict(left))


def usable(sources: Sequence[Source]) -> list[Source]:
    """Sources whose terms let them train a model."""
    return [source for source in sources if source.terms is not Terms.NO]


def run(data: Prepared, plan: Plan, out: Path | None, on_epoch: Step | None = None) -> Figures:
    """Train and test both networks; write their files.

    Args:
        data: From `prepare`.
        plan: Size of the run.
        out: Folder for `cnn.onnx` and `rnn.onnx`; None: none is written.
        on_epoch: Called after each epoch.

    Returns:
        The report.

    Raises:
        MetatapError: an exported file is not what the agent takes.
    """
    torch.set_num_threads(1)
    return {
        "founding": [_network(kind, data, plan, out, on_epoch) for kind in NETWORKS],
        "command": plan.command,
        "seeds": list(plan.seeds),
        "epochs": plan.epochs,
        "data": list(data.sources),
        "left_out": data.left_out,
        "features": list(data.columns.names),
    }


def _network(
    kind: type[Cnn | Rnn], data: Prepared, plan: Plan, out: Path | None, on_epoch: Step | None
) -> Figures:
    parts, columns, classes = data.parts, data.columns, data.classes
    images, code = _inputs(parts.train, columns, classes)
    tested, truth = _inputs(parts.test, columns, classes)
    trained: list[Network] = []
    counts = []
    for seed in plan.seeds:
        network = train(
            kind,
            images,
            parts.train.mask,
            code,
            classes=len(classes),
            seed=seed,
            epochs=plan.epochs,
            on_epoch=on_epoch,
        )
        said = probabilities(network, tested, parts.test.mask).argmax(1)
        trained.append(network)
        counts.append(confusion(truth, said, len(classes)))
    entry: Figures = {
        "model": kind.name,
        "classes": list(classes),
        **figures(counts[0]),
        "accuracy_by_seed": [figures(each)["accuracy"] for each in counts],
        "train_sequences": len(code),
        "test_sequences": len(truth),
        "train_by_class": np.bincount(code, minlength=len(classes)).tolist(),
        "split": {name: SplitBy(by).value for name, by in parts.by.items()},
        "parameters": sum(value.numel() for value in trained[0].parameters()),
    }
    if out is not None:
        card = {**entry, "command": plan.command, "seed": plan.seeds[0], "data": data.sources}
        rows = np.random.default_rng(0).permutation(len(truth))[:PARITY_ROWS]
        entry["parity"] = write_model(
            out / f"{kind.name.lower()}.onnx",
            trained[0],
            columns,
            classes=classes,
            sample=parts.test.take(rows),
            card=card,
        )
    return entry


def _inputs(
    part: Sequences, columns: Columns, classes: Sequence[str]
) -> tuple[FloatArray, IntArray]:
    """Images and classes of a part."""
    code = {name: at for at, name in enumerate(classes)}
    return columns.apply(part.features, part.mask), np.array([code[name] for name in part.family])


def plan_of(*, seed: int, seeds: int, quick: bool, command: str) -> Plan:
    """The plan that the options ask for.

    Raises:
        MetatapError: no seed is asked for.
    """
    if seeds < 1:
        raise MetatapError("--seeds: at least one")
    if quick:
        return Plan((seed,), QUICK_EPOCHS, QUICK_LIMIT, command)
    return Plan(tuple(range(seed, seed + seeds)), EPOCHS, PER_CAPTURE, command)
