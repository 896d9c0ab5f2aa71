"""What flows are: labels kept from a log, or from a CSV of uids."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from metatap.errors import MetatapError
from metatap.flow import FlowBatch
from metatap.offline.uids import uid_texts
from metatap.sources import Source

BENIGN, MALICIOUS, UNKNOWN = "benign", "malicious", "unknown"

NO_FAMILY = "(none)"
"""Family of a labelled flow without one."""

ABSENT = "(none)"
"""What is shown for a flow without a label."""


class Label(NamedTuple):
    """What a flow is.

    Attributes:
        label: `benign`, `malicious` or `unknown`.
        family: The threat, or the kind of benign traffic; "" for `unknown`.
    """

    label: str
    family: str


NOTHING = Label(UNKNOWN, "")


class Labels(Protocol):
    """Gives flows their labels.

    Attributes:
        unknown: Text of a label that is neither → flows that have it.
    """

    unknown: Counter[str]

    def of(self, source: Source, batch: FlowBatch) -> list[Label]:
        """The label of each of n flows of the batch the source gave last."""
        ...


@dataclass(slots=True)
class _Reader:
    """Text → label. Upper and lower case are alike."""

    malicious: str
    known: dict[tuple[str | None, str | None], Label] = field(default_factory=dict)

    def read(self, label: str | None, family: str | None) -> Label:
        found = self.known.get((label, family))
        if found is None:
            words = {self.malicious.casefold(): MALICIOUS, BENIGN: BENIGN}
            word = words.get((label or "").casefold(), UNKNOWN)
            found = NOTHING if word == UNKNOWN else Label(word, family or NO_FAMILY)
            self.known[label, family] = found
        return found


class FieldLabels:
    """Labels from fields that a source keeps beside its batches."""

    def __init__(self, label: str, family: str | None, malicious: str = MALICIOUS) -> None:
        """Keep the names.

        Args:
            label: Field of the label.
            family: Field of the family; None: there is none.
            malicious: The label's value for a threat.
        """
        self.unknown: Counter[str] = Counter()
        self.fields = (label,) if family is None else (label, family)
        self._label, self._family = label, family
        self._reader = _Reader(malicious)

    def of(self, source: Source, batch: FlowBatch) -> list[Label]:
        """The label of each flow of the batch the source gave last.

        Raises:
            MetatapError: the source keeps no fields, or not these.
        """
        kept: dict[str, list[str | None]] = getattr(source, "kept", {})
        if self._label not in kept:
            raise MetatapError(
                f"{source.name}: keeps no field {self._label}: its labels must come from a CSV file"
            )
        labels = kept[self._label]
        families: Sequence[str | None] = [None] * batch.rows
        if self._family is not None:
            families = kept[self._family]
        found = [self._reader.read(*pair) for pair in zip(labels, families, strict=True)]
        _count(self.unknown, labels, found)
        return found


class FileLabels:
    """Labels from a CSV with the columns `uid`, `label` and, if there are any, `family`."""

    def __init__(self, path: Path, malicious: str = MALICIOUS) -> None:
        """Read the file; it is held in memory.

        Raises:
            MetatapError: a column is missing, or a uid has two labels; names file and line.
            OSError: it can't be read.
        """
        self.unknown: Counter[str] = Counter()
        self._reader = _Reader(malicious)
        self._labels: dict[str, tuple[str | None, str | None]] = {}
        self._read(path)

    def __len__(self) -> int:
        return len(self._labels)

    def of(self, source: Source, batch: FlowBatch) -> list[Label]:  # noqa: ARG002 - see `Labels`
        """The label of each flow, by its uid."""
        nothing = (None, None)
        pairs = [self._labels.get(uid, nothing) for uid in uid_texts(batch)]
        found = [self._reader.read(*pair) for pair in pairs]
        _count(self.unknown, (label for label, _ in pairs), found)
        return found

    def _read(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            try:
                missing = {"uid", "label"} - set(reader.fieldnames or ())
                if missing:
                    raise MetatapError(f"{path}:1: no column {', '.join(sorted(missing))}")
                for row in reader:
                    self._add(f"{path}:{reader.line_num}", row)
            except (csv.Error, UnicodeDecodeError) as error:
                raise MetatapError(f"{path}:{reader.line_num + 1}: {error}") from None

    def _add(self, place: str, row: dict[str, str | None]) -> None:
        uid, pair = row["uid"] or "", (row["label"], row.get("family"))
        before = self._labels.setdefault(uid, pair) if uid else pair
        if before != pair:
            raise MetatapError(f"{place}: {uid}: is {pair[0]} here, {before[0]} above")


def _count(unknown: Counter[str], texts: Iterable[str | None], found: Sequence[Label]) -> None:
    unknown.update(
        text or ABSENT for text, label in zip(texts, found, strict=True) if label is NOTHING
    )
