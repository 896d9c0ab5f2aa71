"""What flows are: labels kept from a log, or from a CSV of uids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from metatap.errors import MetatapError
from metatap.flow import FlowBatch
from metatap.offline.label_rows import label_rows
from metatap.offline.printable import printable
from metatap.offline.uids import uid_texts
from metatap.sources import Source

RowArray = npt.NDArray[np.intp]

BENIGN, MALICIOUS, UNKNOWN = "benign", "malicious", "unknown"

ANY = "*"
"""As the label of a threat: every label that is not that of benign flows, and it is the family
where there is none."""

_SAY_NOTHING = ("", "-", UNKNOWN)

NO_FAMILY = "(none)"
"""Family of a labelled flow without one."""

ABSENT = "(none)"
"""What is shown for a flow without a label."""

OTHER = "(other)"
"""What is shown for labels beyond the `MAX_TEXTS` different ones that are counted by their text."""

MAX_TEXTS, MAX_GROUPS = 10_000, 10_000
"""Different texts held, and different labels with their families, at most: a field that is another
for each flow is none of labels."""


class Label(NamedTuple):
    """What a flow is.

    Attributes:
        label: `benign`, `malicious` or `unknown`.
        family: The threat, or the kind of benign traffic; "" for `unknown`.
    """

    label: str
    family: str


NOTHING = Label(UNKNOWN, "")


@dataclass(frozen=True, slots=True)
class Tally:
    """What of flows and labels did not find each other.

    Attributes:
        unknown: Text of a label that is neither benign nor malicious → flows that have it.
        unmatched: Family, or the label where it has none → uids of labels that no flow has.
        repeated: Labelled uids that are on several flows.
        absent: Fields that no record has.
    """

    unknown: dict[str, int] = field(default_factory=dict)
    unmatched: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    absent: tuple[str, ...] = ()


class Labels(Protocol):
    """Gives flows their labels."""

    def of(self, source: Source, batch: FlowBatch, rows: RowArray) -> list[Label]:
        """The labels of k flows of the batch the source gave last.

        Args:
            source: It.
            batch: Its n flows.
            rows: intp [k], which of them.
        """
        ...

    def tally(self) -> Tally:
        """What did not find each other so far."""
        ...


@dataclass(slots=True)
class LabelReader:
    """Text → label. Upper and lower case are alike.

    Attributes:
        malicious: The label of a threat, or `ANY`.
        benign: The labels of benign flows.
        known: What was read before, at most `MAX_TEXTS`.
        groups: Labels that were found, but `NOTHING`.
    """

    malicious: str
    benign: Sequence[str] = (BENIGN,)
    known: dict[tuple[str | None, str | None], Label] = field(default_factory=dict)
    groups: set[Label] = field(default_factory=set)

    def read(self, label: str | None, family: str | None) -> Label:
        """The label that two texts, None where absent, say.

        Raises:
            MetatapError: there are more than `MAX_GROUPS` different ones.
        """
        found = self.known.get((label, family))
        if found is None:
            found = self._made(_stripped(label), _stripped(family))
            if found is not NOTHING:
                self._bound(found)
            if len(self.known) < MAX_TEXTS:
                self.known[label, family] = found
        return found

    def _bound(self, found: Label) -> None:
        self.groups.add(found)
        if len(self.groups) > MAX_GROUPS:
            raise MetatapError(
                printable(
                    f"more than {MAX_GROUPS:,} different families, {found.family[:80]} among them: "
                    "is the field of the family the right one?"
                )
            )

    def _made(self, label: str, family: str) -> Label:
        if label.casefold() in {word.strip().casefold() for word in self.benign}:
            return Label(BENIGN, family or NO_FAMILY)
        if self.malicious == ANY and label.casefold() not in _SAY_NOTHING:
            return Label(MALICIOUS, family or label)
        if label and label.casefold() == self.malicious.strip().casefold():
            return Label(MALICIOUS, family or NO_FAMILY)
        return NOTHING


class FieldLabels:
    """Labels from fields that a source keeps beside its batches."""

    def __init__(
        self,
        label: str,
        family: str | None,
        malicious: str = MALICIOUS,
        *,
        benign: Sequence[str] = (BENIGN,),
    ) -> None:
        """Keep the names.

        Args:
            label: Field of the label.
            family: Field of the family; None: there is none.
            malicious: The label's value for a threat, or `ANY`.
            benign: Its values for benign flows.
        """
        self.fields = (label,) if family is None else (label, family)
        self._label, self._family = label, family
        self._reader = LabelReader(malicious, benign)
        self._unknown: Counter[str] = Counter()
        self._absent = dict.fromkeys(self.fields)

    def of(self, source: Source, batch: FlowBatch, rows: RowArray) -> list[Label]:
        """The labels of k rows of the batch the source gave last.

        Raises:
            MetatapError: the source keeps no fields, or not these.
        """
        kept: dict[str, list[str | None]] = getattr(source, "kept", {})
        if self._label not in kept:
            raise MetatapError(
                f"{source.name}: keeps no field {self._label}: its labels must come from a CSV file"
            )
        for name in list(self._absent):
            if any(text is not None for text in kept[name]):
                del self._absent[name]
        labels = kept[self._label]
        families: Sequence[str | None] = [None] * batch.rows
        if self._family is not None:
            families = kept[self._family]
        pairs = [(labels[row], families[row]) for row in rows.tolist()]
        found = [self._reader.read(*pair) for pair in pairs]
        _count(self._unknown, (label for label, _ in pairs), found)
        return found

    def tally(self) -> Tally:
        """Other labels, and the fields that no record had so far."""
        return Tally(dict(self._unknown.most_common()), absent=tuple(self._absent))


class FileLabels:
    """Labels from a CSV: columns `uid`, `label` and, if there are any, `family`, `capture`."""

    def __init__(
        self, path: Path, malicious: str = MALICIOUS, *, benign: Sequence[str] = (BENIGN,)
    ) -> None:
        """Read the file; it is held in memory.

        Args:
            path: The file.
            malicious: The label's value for a threat, or `ANY`.
            benign: Its values for benign flows.

        Raises:
            MetatapError: as `label_rows`; or a label has no uid, or a uid two labels.
            OSError: it can't be read.
        """
        self._reader = LabelReader(malicious, benign)
        self._unknown: Counter[str] = Counter()
        self._labels: dict[str, tuple[str, str]] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._captures: dict[str, str] = {}
        self._seen: set[str] = set()
        self._repeated: set[str] = set()
        for place, row in label_rows(path):
            self._add(place, row)

    def __len__(self) -> int:
        return len(self._labels)

    def of(
        self,
        source: Source,  # noqa: ARG002 - see `Labels`
        batch: FlowBatch,
        rows: RowArray,
    ) -> list[Label]:
        """The labels of k rows, by their uids."""
        every = uid_texts(batch)
        uids = [every[row] for row in rows.tolist()]
        for uid in uids:
            if uid in self._labels:
                (self._repeated if uid in self._seen else self._seen).add(uid)
        pairs = [self._labels.get(uid, ("", "")) for uid in uids]
        found = [self._reader.read(*pair) for pair in pairs]
        _count(self._unknown, (label for label, _ in pairs), found)
        return found

    def captures(self, batch: FlowBatch, rows: RowArray) -> list[str]:
        """The captures of k rows as the file names them, "" where it names none."""
        if not self._captures:
            return [""] * len(rows)
        every = uid_texts(batch)
        return [self._captures.get(every[row], "") for row in rows.tolist()]

    def tally(self) -> Tally:
        """Other labels, labels that no flow had so far, and uids on several flows."""
        unmatched = Counter(
            family or label or NO_FAMILY
            for uid, (label, family) in self._labels.items()
            if uid not in self._seen
        )
        return Tally(
            dict(self._unknown.most_common()), dict(unmatched.most_common()), len(self._repeated)
        )

    def _add(self, place: str, row: dict[str, str]) -> None:
        uid, pair = row["uid"], (row["label"], row["family"])
        if not uid:
            if any(pair):
                raise MetatapError(f"{place}: a label without a uid")
            return
        pair = self._pairs.setdefault(pair, pair)
        before = self._labels.setdefault(uid, pair)
        if before != pair:
            here, above = (" ".join(filter(None, found)) for found in (pair, before))
            raise MetatapError(printable(f"{place}: {uid}: is {here} here, {above} above"))
        if row["capture"]:
            self._captures[uid] = row["capture"]


def _stripped(text: str | None) -> str:
    return (text or "").strip()


def _count(unknown: Counter[str], texts: Iterable[str | None], found: Sequence[Label]) -> None:
    for text, label in zip(texts, found, strict=True):
        if label is NOTHING:
            name = _stripped(text) or ABSENT
            unknown[name if name in unknown or len(unknown) < MAX_TEXTS else OTHER] += 1
