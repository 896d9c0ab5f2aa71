"""The labelled logs that are kept in the repository."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from metatap.context import Context
from metatap.offline.labels import UNKNOWN, FileLabels
from metatap.offline.stream import flows, open_sources
from metatap.offline.uids import uid_texts
from tests.lab.counts import count, table
from tests.lab.networks import NETWORKS

DATA = Path(__file__).parents[1] / "data" / "lab"
PLACES = {"office": "A", "branch": "B", "clinic": "C", "plant": "D"}
LARGEST_BYTES = 700_000


def test_the_readme_shows_the_counts() -> None:
    """Families, techniques, tools and numbers of the page are those of the files."""
    assert table(DATA) in (DATA / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", PLACES)
def test_every_flow_of_the_logs_has_one_label(place: str) -> None:
    """As the commands read them: no flow without a label, no label without a flow."""
    labels = FileLabels(DATA / f"{place}.labels.csv")
    uids: list[str] = []
    for source in open_sources([str(DATA / f"{place}-logs")]):
        for batch, _ in flows([source], Context()):
            uids += uid_texts(batch)
            found = labels.of(source, batch, np.arange(batch.rows))
            assert all(label.label != UNKNOWN for label in found)
    assert len(uids) == len(set(uids)) == len(labels)
    tally = labels.tally()
    assert (tally.unmatched, tally.repeated, tally.unknown) == ({}, 0, {})


@pytest.mark.parametrize("place", PLACES)
def test_labels_are_those_of_the_networks_table(place: str) -> None:
    """Every attack of the table was seen, under its technique and tool, and nothing else."""
    attacks = NETWORKS[PLACES[place]].attacks
    wanted = {(attack.family, attack.technique, attack.tool) for attack in attacks}
    kinds = count(DATA / f"{place}.labels.csv")
    assert {kind[1:] for kind in kinds if kind.label == "malicious"} == wanted
    assert not any(kind.technique or kind.tool for kind in kinds if kind.label == "benign")
    assert sum(number for kind, number in kinds.items() if kind.label == "benign") >= 2_500


@pytest.mark.parametrize("place", PLACES)
def test_labels_and_logs_stay_small(place: str) -> None:
    """Neither the labels nor the logs of a network weigh more than 700 kB."""
    labels = DATA / f"{place}.labels.csv"
    assert labels.stat().st_size <= LARGEST_BYTES
    logs = sum(path.stat().st_size for path in (DATA / f"{place}-logs").iterdir())
    assert logs <= LARGEST_BYTES
    with labels.open(encoding="utf-8") as file:
        assert next(csv.reader(file)) == ["uid", "label", "family", "technique", "tool"]
