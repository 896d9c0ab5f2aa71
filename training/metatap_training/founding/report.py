"""How well a network tells the families apart: figures as data and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType
from rich.table import Table

from metatap_training.founding.sequences import IntArray

Figures = dict[str, Any]
Confusion = npt.NDArray[np.int64]


def confusion(truth: IntArray, said: IntArray, classes: int) -> Confusion:
    """int64 [C, C]: row = the family, column = what the network said."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, said), 1)
    return counts


def figures(counts: Confusion) -> Figures:
    """Accuracy, precision and recall of a confusion matrix.

    Precision is 0 where the network never said the class, recall 0 where no sequence is of it.
    `balanced_accuracy` is the mean of the recalls, `majority` the accuracy of always saying the
    class with the most sequences.
    """
    right = np.diag(counts).astype(np.float64)
    recall = right / np.maximum(counts.sum(1), 1)
    total = max(int(counts.sum()), 1)
    return {
        "confusion": counts.tolist(),
        "accuracy": float(right.sum() / total),
        "balanced_accuracy": float(recall.mean()),
        "majority": float(counts.sum(1).max() / total),
        "precision": (right / np.maximum(counts.sum(0), 1)).tolist(),
        "recall": recall.tolist(),
    }


def render(entries: Sequence[Figures]) -> Iterator[RenderableType]:
    """For each network its figures by family and its confusion matrix."""
    for entry in entries:
        seeds = ", ".join(f"{value:.3f}" for value in entry["accuracy_by_seed"])
        table = _table(
            f"{entry['model']}: accuracy {entry['accuracy']:.3f} (by seed: {seeds}), balanced "
            f"{entry['balanced_accuracy']:.3f}; the largest family alone {entry['majority']:.3f}; "
            f"{entry['train_sequences']} sequences trained on, {entry['test_sequences']} tested",
            ("split by", "train", "test", "precision", "recall"),
        )
        for at, name in enumerate(entry["classes"]):
            table.add_row(
                name,
                entry["split"][name],
                str(entry["train_by_class"][at]),
                str(sum(entry["confusion"][at])),
                f"{entry['precision'][at]:.3f}",
                f"{entry['recall'][at]:.3f}",
            )
        yield table
        heads = [str(at) for at in range(len(entry["classes"]))]
        matrix = _table(f"{entry['model']}: family × what it said", heads)
        for at, (name, row) in enumerate(zip(entry["classes"], entry["confusion"], strict=True)):
            matrix.add_row(f"{at} {name}", *(str(count) if count else "·" for count in row))
        yield matrix


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("family")
    for name in columns:
        table.add_column(name, justify="right")
    return table
