"""A source's logs → `Flows`, with a cache of the encoded matrix.

The cache's key is a hash over the source's log files, the feature table and the code that reads and
encodes them, so a changed file or feature is never served stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from metatap import context as context_package
from metatap.context import Context
from metatap.errors import SourceError
from metatap.features import FEATURES_VERSION, NAMES, encode
from metatap.flow import FlowBatch
from metatap.flow import concat as join
from metatap.sources import LogOptions, ZeekLogs, logs
from metatap.sources.logs.files import find_folders
from metatap_training.datasets.flows import LABELS, UNKNOWN, FloatArray, Flows, IntArray, concat
from metatap_training.datasets.sources import DataError, Source

REQUIRED = ("capture", "label", "network", "label_scope")
"""What every conn line must say beside its columns."""

KEEP = (*REQUIRED, "family", "proto", "id.resp_p", "id.orig_h", "ts", "uid")
"""What is read beside the columns."""

CHUNK = 4096
"""Flows encoded at once."""

Kept = dict[str, list[str | None]]


def load_sources(
    folder: Path,
    sources: Sequence[Source],
    cache: Path | None = None,
    on_source: Callable[[Source], None] | None = None,
) -> Flows:
    """Flows of several sources.

    Args:
        folder: Where the sources lie.
        sources: Which ones, in order.
        cache: Folder for the encoded matrices; None reads the logs each time.
        on_source: Called after each source, for progress.
    """
    parts = []
    for source in sources:
        parts.append(load_source(folder, source, cache))
        if on_source is not None:
            on_source(source)
    return concat(parts)


def load_source(folder: Path, source: Source, cache: Path | None = None) -> Flows:
    """Flows of one source, from the cache where it has them.

    Raises:
        DataError: the source has no conn log, or a conn line can't be read or lacks a field.
    """
    if cache is None:
        return _read(folder / source.name, source)
    path = cache / f"{source.name}-{_digest(folder / source.name)}.npz"
    if path.is_file():
        return Flows.read(path)
    flows = _read(folder / source.name, source)
    cache.mkdir(parents=True, exist_ok=True)
    flows.save(path)
    return flows


def _digest(folder: Path) -> str:
    state = hashlib.sha256(f"{FEATURES_VERSION} {NAMES}".encode())
    code = [Path(encode.__code__.co_filename)]
    for package in (logs, context_package):
        code += sorted(Path(package.__file__ or "").parent.glob("*.py"))
    try:
        files = [
            file for part in find_folders([folder]) for log in part.files.values() for file in log
        ]
    except SourceError as error:
        raise DataError(str(error)) from None
    for path in (*code, Path(__file__), *(file.path for file in files)):
        state.update(path.name.encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:16]


def _read(folder: Path, source: Source) -> Flows:
    try:
        reader = ZeekLogs(folder, LogOptions(keep=KEEP))
    except SourceError as error:
        raise DataError(str(error)) from None
    batches: list[FlowBatch] = []
    kept: Kept = {name: [] for name in KEEP}
    while not reader.done:
        batch = reader.read(1.0)
        if batch is None:
            continue
        batches.append(batch)
        for name, values in reader.kept.items():
            if name in REQUIRED and None in values:
                raise DataError(f"{folder / batch.origin.node}: a conn line without {name}")
            kept[name] += values
    if reader.flows.dropped:
        raise DataError(f"{folder}: conn lines that can't be read: {reader.flows.dropped}")
    if vanished := reader.messages.dropped.get("file_unreadable"):
        raise DataError(f"{folder}: {vanished} files that can't be read")
    return _flows(folder, source, _features(batches), kept)


def _features(batches: Sequence[FlowBatch]) -> FloatArray:
    """float32 [n, F] of flows in their order, with what their hosts did before.

    Context takes the flows of a capture in the order they ended in, as Zeek sends them; these logs
    are sorted by start.
    """
    parts = [np.zeros((0, len(NAMES)), np.float32)]
    context = Context(seed=0)
    for _, group in groupby(batches, lambda batch: batch.origin.capture):
        flows = join(list(group))
        order = np.argsort(_ends(flows), kind="stable")
        features = np.empty((flows.rows, len(NAMES)), np.float32)
        start = 0
        for part in flows.take(order).chunks(CHUNK):
            rows = order[start : start + part.rows]
            features[rows] = encode(part, context.update(part))
            start += part.rows
        parts.append(features)
    return np.concatenate(parts)


def _ends(flows: FlowBatch) -> IntArray:
    """int64 [n], ns, when each flow ended; what is not known counts as 0."""
    ends = np.zeros(flows.rows, np.int64)
    for name in ("ts", "duration"):
        column = flows.numeric(name)
        if column is not None:
            ends += np.where(column.mask(), column.values, 0).astype(np.int64)
    return ends


def _flows(folder: Path, source: Source, features: FloatArray, kept: Kept) -> Flows:
    """The labels of n conn lines and their features, float32 [n, F]."""
    labels = kept["label"]
    unknown = {label for label in labels if label not in LABELS}
    if unknown:
        raise DataError(f"{folder}: labels that are not known: {unknown}")
    family = [
        family if family and label != LABELS[UNKNOWN] else ""
        for family, label in zip(kept["family"], labels, strict=True)
    ]
    captures = [f"{source.name}/{name}" for name in kept["capture"]]
    return Flows(
        features=features,
        label=np.array([LABELS.index(label or "") for label in labels], np.int8),
        family=np.array(family, np.str_),
        network=np.array(kept["network"], np.str_),
        source=np.full(len(labels), source.name),
        capture=np.array(captures, np.str_),
        scope=np.array(kept["label_scope"], np.str_),
        service=np.array(
            [f"{kind}/{port}" for kind, port in zip(kept["proto"], kept["id.resp_p"], strict=True)],
            np.str_,
        ),
        ts=np.array([np.nan if ts is None else float(ts) for ts in kept["ts"]], np.float64),
        host=np.array([host or "" for host in kept["id.orig_h"]], np.str_),
        uid_hash=np.array(
            [_hash(*key) for key in zip(captures, kept["uid"], strict=True)], np.uint64
        ),
    )


def _hash(*parts: str | None) -> int:
    """64 bits of texts, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest())
