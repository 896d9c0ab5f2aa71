"""A source's logs → `Flows`, with a cache of the encoded matrix.

The cache's key is a hash over the source's log files, the feature table and this package's join, so
a changed file or feature is never served stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from metatap.features import FEATURES_VERSION, NAMES, encode
from metatap.flow import from_rows
from metatap_training.datasets import join, summaries
from metatap_training.datasets.flows import LABELS, UNKNOWN, Flows, concat
from metatap_training.datasets.sources import DataError, Source

CHUNK = 20_000
"""Flows encoded at once."""


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
        DataError: the source has no conn.log, or a record lacks a field.
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


def _logs(folder: Path) -> dict[str, Path]:
    paths = {log: folder / f"{log}.jsonl.gz" for log in ("conn", *summaries.SUMMARISE)}
    return {log: path for log, path in paths.items() if path.is_file()}


def _digest(folder: Path) -> str:
    state = hashlib.sha256(f"{FEATURES_VERSION} {NAMES}".encode())
    code = [Path(module.__file__ or "") for module in (join, summaries)]
    encoder = Path(encode.__code__.co_filename)
    for path in (*code, encoder, Path(__file__), *_logs(folder).values()):
        state.update(path.name.encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:16]


def _read(folder: Path, source: Source) -> Flows:
    paths = _logs(folder)
    if "conn" not in paths:
        raise DataError(f"{folder}: no conn.jsonl.gz")
    conn = [record for record in join.read_log(paths["conn"]) if not record.get("partial")]
    rows = join.join(
        conn, {log: join.read_log(path) for log, path in paths.items() if log != "conn"}
    )
    starts = range(0, len(rows), CHUNK)
    features = [encode(from_rows(rows[start : start + CHUNK])) for start in starts]
    try:
        return Flows(
            features=np.concatenate(features),
            label=np.array([LABELS.index(r["label"]) for r in conn], np.int8),
            family=np.array([_family(r) for r in conn], np.str_),
            network=np.array([r["network"] for r in conn], np.str_),
            source=np.full(len(conn), source.name),
            capture=np.array([f"{source.name}/{r['capture']}" for r in conn], np.str_),
            scope=np.array([r["label_scope"] for r in conn], np.str_),
            service=np.array([f"{r['proto']}/{r['id.resp_p']}" for r in conn], np.str_),
        )
    except (KeyError, ValueError) as error:
        raise DataError(f"{paths['conn']}: a record without a known {error}") from None


def _family(record: summaries.Record) -> str:
    if record["label"] == LABELS[UNKNOWN]:
        return ""
    return str(record.get("family") or "")
