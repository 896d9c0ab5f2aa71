"""A user's own Zeek logs, with labels → `Flows`.

The agent's source `zeek+logs` reads them, and context takes them in the order they stand in, just
as `metatap score` does. A flow without a label is unknown. A capture is what the log or the labels
call one, else a day: support and queries of a task then come from different days. A conn line that
can't be read is left out and told: real archives have some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from metatap.context import Context
from metatap.errors import SourceError
from metatap.features import encode
from metatap.flow import FlowBatch
from metatap.offline.labels import BENIGN as BENIGN_WORD
from metatap.offline.labels import MALICIOUS as MALICIOUS_WORD
from metatap.offline.labels import NO_FAMILY, Label, Labels, RowArray
from metatap.offline.stream import flows as with_context
from metatap.offline.tables import counted
from metatap.offline.uids import uid_texts
from metatap.sources import LogOptions, ZeekLogs
from metatap_training.datasets.flows import BENIGN, MALICIOUS, UNKNOWN, FloatArray, Flows, concat
from metatap_training.datasets.sources import DataError

CODES = {BENIGN_WORD: BENIGN, MALICIOUS_WORD: MALICIOUS}
"""Word → code; every other is `UNKNOWN`."""

UNNAMED = "unnamed"
"""Family of malicious flows whose label names none."""

TEXT_MAX = 256
"""Characters of a family, network or capture at most: arrays are as wide as their longest text."""

_KEEP = ("proto", "id.resp_p", "id.orig_h")
_NS = 1e9


@runtime_checkable
class Captured(Protocol):
    """Labels that say which capture a flow is of."""

    def captures(self, batch: FlowBatch, rows: RowArray) -> list[str]:
        """The captures of k rows, "" where not said."""
        ...


class LabelledLogs:
    """A folder of logs (or a conn log) with labels; read once."""

    def __init__(
        self,
        folder: Path,
        labels: Labels,
        *,
        name: str = "",
        network_field: str | None = None,
        scope: str = "flow",
    ) -> None:
        """Find the files.

        Args:
            folder: Zeek's logs, see docs/logs.md.
            labels: Of their flows: `FieldLabels`, `FileLabels`, `IntervalLabels`.
            name: Of the source, and of its network where `network_field` names none; the folder's
                where empty.
            network_field: Field of conn.log with the network a flow was seen in.
            scope: How the labels were given: `flow`, `filter` or `capture`.

        Raises:
            DataError: there is no conn log, or it can't be looked at.
        """
        self.name = name or folder.resolve().name
        self._folder, self._labels, self._scope = folder, labels, scope
        self._network_field = network_field
        self._networks = 0
        named = () if network_field is None else (network_field,)
        keep = tuple(dict.fromkeys((*getattr(labels, "fields", ()), *named, *_KEEP)))
        try:
            self._source = ZeekLogs(folder, LogOptions(keep=keep))
        except SourceError as error:
            raise DataError(str(error)) from None

    def batches(self) -> Iterator[Flows]:
        """All flows, a few thousand at a time, in the order of the logs.

        Raises:
            DataError: a text is too long, or the field of networks is in no record.
            MetatapError: see the labels.
        """
        context = Context(seed=0)
        for batch, past in with_context([self._source], context):
            yield self._flows(batch, encode(batch, past))
        if self._network_field is not None and not self._networks:
            raise DataError(f"{self._folder}: field {self._network_field}: in no record")

    def remarks(self) -> list[str]:
        """What was left out of what was read so far."""
        lost = self._source.flows.dropped.items()
        found = [f"{self._folder}: {lines:,} conn lines dropped: {why}" for why, lines in lost]
        if gone := self._source.messages.dropped.get("file_unreadable"):
            found.append(f"{self._folder}: {gone:,} files that can't be read")
        return found

    def _flows(self, batch: FlowBatch, features: FloatArray) -> Flows:
        kept, rows = self._source.kept, np.arange(batch.rows)
        labels = self._labels.of(self._source, batch, rows)
        start = _starts(batch)
        capture = self._captures(batch, rows, start)
        uids = uid_texts(batch)
        return Flows(
            features=features,
            label=np.array([CODES.get(label.label, UNKNOWN) for label in labels], np.int8),
            family=self._texts("family", [_family(label) for label in labels]),
            network=self._texts("network", self._network_names(batch.rows)),
            source=np.full(batch.rows, self.name),
            capture=self._texts("capture", capture),
            scope=np.full(batch.rows, self._scope),
            service=_joined(kept["proto"], kept["id.resp_p"]),
            ts=start,
            host=self._texts("id.orig_h", [host or "" for host in kept["id.orig_h"]]),
            uid_hash=np.array(list(map(uid_hash, capture, uids)), np.uint64),
        )

    def _network_names(self, rows: int) -> list[str]:
        if self._network_field is None:
            return [self.name] * rows
        named = self._source.kept[self._network_field]
        self._networks += sum(bool(text) for text in named)
        return [text or self.name for text in named]

    def _captures(
        self, batch: FlowBatch, rows: RowArray, start: npt.NDArray[np.float64]
    ) -> list[str]:
        if batch.origin.capture:
            return [f"{self.name}/{batch.origin.capture}"] * batch.rows
        said = [""] * batch.rows
        if isinstance(self._labels, Captured):
            said = self._labels.captures(batch, rows)
        dated = np.isfinite(start)
        seconds = np.where(dated, start, 0).astype("datetime64[s]")
        days = np.where(dated, np.datetime_as_string(seconds, unit="D"), "undated").tolist()
        return [f"{self.name}/{text or day}" for text, day in zip(said, days, strict=True)]

    def _texts(self, name: str, texts: list[str]) -> npt.NDArray[np.str_]:
        longest = max(map(len, texts), default=0)
        if longest > TEXT_MAX:
            raise DataError(f"{self._folder}: {name}: longer than {TEXT_MAX} characters")
        return np.array(texts, np.str_)


def load_logs(
    folder: Path,
    labels: Labels,
    *,
    name: str = "",
    network_field: str | None = None,
    scope: str = "flow",
) -> Flows:
    """All flows of a folder of logs, in memory; arguments as `LabelledLogs`.

    Raises:
        DataError: there are no logs, or no flow has a label that is known.
        MetatapError: see the labels.
    """
    logs = LabelledLogs(folder, labels, name=name, network_field=network_field, scope=scope)
    parts = list(logs.batches())
    if not parts or all((part.label == UNKNOWN).all() for part in parts):
        raise DataError(f"{folder}: {nothing_known(labels)}")
    return concat(parts)


def nothing_known(labels: Labels) -> str:
    """Why labels gave no flow a label, for a message."""
    tally = labels.tally()
    if tally.absent:
        return f"field {tally.absent[0]}: in no record, so no flow has a label"
    found = f"; labels found: {counted(tally.unknown)}" if tally.unknown else ""
    return f"no flow is labelled benign or malicious{found}"


def uid_hash(capture: str, uid: str) -> int:
    """64 bits of capture and uid, the same on every machine."""
    text = repr((capture, uid)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest())


def _family(label: Label) -> str:
    if label.family != NO_FAMILY:
        return label.family
    return UNNAMED if label.label == MALICIOUS_WORD else ""


def _starts(batch: FlowBatch) -> npt.NDArray[np.float64]:
    """float64 [n], s since 1970, NaN where not known."""
    column = batch.numeric("ts")
    if column is None:
        return np.full(batch.rows, np.nan)
    return np.where(column.mask(), column.values.astype(np.float64) / _NS, np.nan)


def _joined(kinds: Sequence[str | None], ports: Sequence[str | None]) -> npt.NDArray[np.str_]:
    return np.array([f"{kind}/{port}" for kind, port in zip(kinds, ports, strict=True)], np.str_)
