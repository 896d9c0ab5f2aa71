"""Side files: a map of embeddings, calibration, the founding article's networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metatap_training.report.read import MAX_TEXT, ReportError
from metatap_training.report.results import Floats

MAX_POINTS = 6_000
MAX_ROWS = 1_000_000
MAX_JSON = 16 << 20
MAX_ITEMS = 50
MAX_BINS = 200


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of one method in bins.

    Attributes:
        method: Its name.
        score: Mean score of each bin, 0 to 1.
        share: Share of positives in it.
        count: Flows in it.
    """

    method: str
    score: tuple[float, ...]
    share: tuple[float, ...]
    count: tuple[int, ...] = ()


class Founding(msgspec.Struct, frozen=True, kw_only=True):
    """A classifier of named families.

    Attributes:
        model: Its name.
        classes: Names, C of them.
        confusion: [C][C] counts, truth by row.
        accuracy: Over all.
        precision: By class.
        recall: By class.
        train_sequences: How many.
        test_sequences: How many.
    """

    model: str
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    accuracy: float
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    train_sequences: int = 0
    test_sequences: int = 0


class Extra(msgspec.Struct, frozen=True):
    """What a JSON file may add; other keys are left alone."""

    founding: tuple[Founding, ...] = ()
    calibration: tuple[Calibration, ...] = ()


@dataclass(frozen=True)
class Embedding:
    """A map of flows.

    Attributes:
        x: float64 [n].
        y: float64 [n].
        label: Name of each point's kind: its family, or `benign`.
        total: Flows in the file, of which n are kept.
    """

    x: Floats
    y: Floats
    label: tuple[str, ...]
    total: int


def read_extra(path: Path) -> Extra:
    """A JSON file's additions.

    Raises:
        ReportError: It is too large, no JSON, or a field is not as stated.
    """
    try:
        if path.stat().st_size > MAX_JSON:
            raise ReportError(f"{path}: larger than {MAX_JSON} bytes")
        extra = msgspec.json.decode(path.read_bytes(), type=Extra)
    except (OSError, msgspec.MsgspecError) as error:
        raise ReportError(f"{path}: {error}") from error
    for at, one in enumerate(extra.founding):
        _check_founding(one, f"{path}: founding[{at}]")
    for at, bins in enumerate(extra.calibration):
        _check_bins(bins, f"{path}: calibration[{at}]")
    if max(len(extra.founding), len(extra.calibration)) > MAX_ITEMS:
        raise ReportError(f"{path}: more than {MAX_ITEMS} entries")
    return extra


def _check_founding(one: Founding, where: str) -> None:
    size = len(one.classes)
    _short((one.model, *one.classes), where)
    if not 1 <= size <= MAX_ITEMS:
        raise ReportError(f"{where}.classes: not 1 to {MAX_ITEMS}")
    if len(one.confusion) != size or any(len(row) != size for row in one.confusion):
        raise ReportError(f"{where}.confusion: not {size} × {size}")
    if any(value < 0 for row in one.confusion for value in row):
        raise ReportError(f"{where}.confusion: a count below 0")
    for name in ("precision", "recall"):
        values: Sequence[float | None] = getattr(one, name)
        if len(values) != size:
            raise ReportError(f"{where}.{name}: not {size} values")
        _shares([value for value in values if value is not None], f"{where}.{name}")
    _shares([one.accuracy], f"{where}.accuracy")


def _check_bins(bins: Calibration, where: str) -> None:
    _short((bins.method,), where)
    if not 1 <= len(bins.score) <= MAX_BINS or len(bins.share) != len(bins.score):
        raise ReportError(f"{where}: score and share are not lists of 1 to {MAX_BINS}, alike")
    _shares((*bins.score, *bins.share), where)


def _shares(values: Sequence[float], where: str) -> None:
    if not all(0 <= value <= 1 for value in values):
        raise ReportError(f"{where}: a value outside [0, 1]")


def _short(texts: Sequence[str], where: str) -> None:
    if any(len(text) > MAX_TEXT for text in texts):
        raise ReportError(f"{where}: a text longer than {MAX_TEXT}")


def read_embedding(path: Path, seed: int = 0) -> Embedding:
    """Columns x, y and family (empty: benign) of a Parquet file.

    At most MAX_POINTS flows are kept, drawn at random.

    Raises:
        ReportError: It is no Parquet file, too large, or lacks a column.
    """
    try:
        if (rows := pq.read_metadata(path).num_rows) > MAX_ROWS:
            raise ReportError(f"{path}: more than {MAX_ROWS} rows")
        table = pq.read_table(path, columns=["x", "y", "family"])
        kinds = {"x": pa.float64(), "y": pa.float64(), "family": pa.string()}
        read = {name: table.column(name).cast(kind).to_numpy() for name, kind in kinds.items()}
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ReportError(f"{path}: no map of x, y and family: {error}") from error
    x, y = np.asarray(read["x"], np.float64), np.asarray(read["y"], np.float64)
    if not rows or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ReportError(f"{path}: column x or y: empty or not finite")
    kept = np.sort(np.random.default_rng(seed).permutation(rows)[:MAX_POINTS])
    label = [str(read["family"][at] or "benign") for at in kept]
    _short(label, f"{path}: column family")
    return Embedding(x[kept], y[kept], tuple(label), rows)
