"""What a user names on the command line → logs with their labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metatap.offline.labels import FieldLabels, FileLabels, Labels
from metatap.offline.tables import counted
from metatap_training.datasets.arrow import find_parquet, read_flows
from metatap_training.datasets.flows import UNKNOWN, Flows
from metatap_training.datasets.intervals import IntervalLabels
from metatap_training.datasets.own import LabelledLogs, nothing_known
from metatap_training.datasets.sources import DataError

_NAMED = re.compile(r"([\w.-]{1,64})=(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `cli_train.label_options`, as they stand there."""

    data: tuple[str, ...]
    label_field: str | None
    family_field: str
    network_field: str | None
    labels: tuple[Path, ...]
    intervals: tuple[Path, ...]
    malicious: str
    benign: tuple[str, ...]


class Inputs:
    """All logs and encoded files to read.

    Attributes:
        logs: Each folder with its labels.
    """

    def __init__(self, asked: Asked, encoded: tuple[Path, ...]) -> None:
        """Find everything and read the labels.

        Raises:
            DataError: nothing is given, labels are missing or given twice, or a name is taken.
            MetatapError: see the labels.
        """
        self._encoded = [file for path in encoded for file in find_parquet(path)]
        self._labels: list[Labels] = []
        self._known = False
        self.logs: list[LabelledLogs] = []
        if not asked.data and not encoded:
            raise DataError("no flows: --data or --encoded is needed")
        labels = self._labels_of(asked)
        for text, known in zip(asked.data, labels, strict=True):
            name, folder = _named(text)
            logs = LabelledLogs(
                folder,
                known,
                name=name,
                network_field=asked.network_field,
                scope="filter" if asked.intervals else "flow",
            )
            if logs.name in {other.name for other in self.logs}:
                raise DataError(
                    f"--data {text}: another folder is called {logs.name}: name it, --data NAME=DIR"
                )
            self.logs.append(logs)

    def flows(self) -> Iterator[Flows]:
        """All flows, a part at a time.

        Raises:
            DataError: no flow of the logs has a label that is known.
            MetatapError: see `LabelledLogs` and `read_flows`.
        """
        yield from read_flows(self._encoded)
        for logs in self.logs:
            yield from self.of(logs)

    def of(self, logs: LabelledLogs) -> Iterator[Flows]:
        """The flows of one of the logs, a part at a time; after the last of these as `flows`."""
        for part in logs.batches():
            self._known = self._known or bool((part.label != UNKNOWN).any())
            yield part
        if logs is self.logs[-1]:
            self._require_labels()

    def _require_labels(self) -> None:
        for labels in self._labels:
            absent = labels.tally().absent
            if isinstance(labels, FieldLabels) and labels.fields[0] in absent:
                raise DataError(nothing_known(labels))
        if not self._known:
            raise DataError(nothing_known(self._labels[0]))

    def remarks(self) -> list[str]:
        """What of flows and labels did not find each other, once all is read."""
        found = [remark for logs in self.logs for remark in logs.remarks()]
        for labels in self._labels:
            tally = labels.tally()
            found += [f"field {name}: in no record" for name in tally.absent]
            if tally.unknown:
                total = sum(tally.unknown.values())
                found.append(f"{total:,} flows are neither: {counted(tally.unknown)}")
            if tally.unmatched:
                total = sum(tally.unmatched.values())
                found.append(f"{total:,} labels have no flow: {counted(tally.unmatched)}")
            if tally.repeated:
                found.append(f"{tally.repeated:,} labelled uids are on several flows")
        return found

    def _labels_of(self, asked: Asked) -> list[Labels]:
        """The labels of each folder."""
        if not asked.data:
            return []
        given = [asked.label_field is not None, bool(asked.labels), bool(asked.intervals)]
        if sum(given) != 1:
            raise DataError("one of --label-field, --labels and --intervals is needed")
        threat, benign = asked.malicious, asked.benign
        if asked.label_field is not None:
            fields = asked.label_field, asked.family_field
            self._labels = [FieldLabels(*fields, threat, benign=benign)]
        elif asked.labels:
            self._labels = [FileLabels(path, threat, benign=benign) for path in asked.labels]
        else:
            self._labels = [IntervalLabels(path, threat, benign=benign) for path in asked.intervals]
        if len(self._labels) == len(asked.data):
            return self._labels
        if len(self._labels) > 1:
            option = "--labels" if asked.labels else "--intervals"
            raise DataError(f"{option}: one is needed, or one for each --data, in their order")
        return self._labels * len(asked.data)


def _named(text: str) -> tuple[str, Path]:
    """Name, "" if none is given, and folder of `[NAME=]DIR`."""
    found = _NAMED.fullmatch(text)
    return (found[1], Path(found[2])) if found else ("", Path(text))
