"""Counts of the labelled data that is kept in the repository, as a Markdown table."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_PLACES = ("office", "branch", "clinic", "plant")


class Kind(NamedTuple):
    """What a labelled connection is; technique and tool are empty where it is benign."""

    label: str
    family: str
    technique: str
    tool: str


def count(labels: Path) -> Counter[Kind]:
    """Connections of each kind in a file of labels."""
    with labels.open(encoding="utf-8", newline="") as file:
        return Counter(
            Kind(row["label"], row["family"], row["technique"], row["tool"])
            for row in csv.DictReader(file)
        )


def table(folder: Path) -> str:
    """One row a family, one column a network: connections and, of an attack, its tool."""
    counts = {place: count(folder / f"{place}.labels.csv") for place in _PLACES}
    kinds = sorted({kind[:3] for found in counts.values() for kind in found})
    lines = [_row("label", "family", "technique", *_PLACES), _row(*["---"] * (3 + len(_PLACES)))]
    lines += [_row(*kind, *(_cell(found, kind) for found in counts.values())) for kind in kinds]
    for label in sorted({kind[0] for kind in kinds}):
        sums = [
            f"{sum(number for kind, number in found.items() if kind.label == label):,}"
            for found in counts.values()
        ]
        lines.append(_row(label, "all", "", *sums))
    return "\n".join(lines) + "\n"


def _cell(found: Mapping[Kind, int], kind: Sequence[str]) -> str:
    parts = [f"{number:,} {of.tool}".strip() for of, number in found.items() if of[:3] == kind]
    return ", ".join(parts)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
