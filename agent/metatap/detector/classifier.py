"""A plain classifier, as scikit-learn, LightGBM and others export it: a rule for each class.

Its embedding is the row of probabilities, and a rule's head the unit vector of its class, so that
it is scored by the same product as packs are.

A row of its output that is no row of probabilities belongs to a flow that can't be scored: all its
scores are NaN, which no threshold is reached by, and `why_unscored` says what is wrong. The other
flows of the batch are scored. An output of another shape is the fault of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.bounded import read_bounded
from metatap.detector.classes import Description, parse_description
from metatap.detector.contract import OFF, require_probabilities
from metatap.detector.onnx_file import SHOWN, OnnxFile
from metatap.errors import ModelError
from metatap.features.table import INDEX
from metatap.yamlfile import MAX_BYTES, shown

FloatArray = npt.NDArray[np.float32]

DESCRIPTION = "metatap.classifier"
"""Metadata property that holds the description, where it is not in a file beside the model's."""

NOT_FINITE, OUT_OF_RANGE, NOT_ONE = "not finite", "outside [0, 1]", "sum is not 1"
"""Why a row is no row of probabilities; of several reasons the first counts."""

BoolArray = npt.NDArray[np.bool_]

_NO_ZIPMAP = (
    "a list of maps (ZipMap); export the probabilities as a matrix: "
    "to_onnx(…, options={'zipmap': False}) in skl2onnx, convert_lightgbm(…, zipmap=False) in "
    "onnxmltools"
)


def description_path(path: Path) -> Path:
    """Where the description of a model file without metadata lies: `NAME.yaml` beside it."""
    return path.with_suffix(".yaml")


class Classifier:
    """A classifier, checked and ready.

    Attributes:
        path: The file.
        sha256: Hex digest of the file.
        meta: Its description: name, version, features, classes, rules.
        width: F, features it takes.
    """

    def __init__(self, file: OnnxFile) -> None:
        """Check a classifier.

        Args:
            file: The open file.

        Raises:
            ModelError: file or description break docs/model.md; names the file and the fault.
        """
        self._file = file
        self.path, self.sha256 = file.path, file.sha256
        self.meta: Description = parse_description(*_description(file), file.path, file.sha256)
        self.width = len(self.meta.features)
        self._columns = np.array([INDEX[name] for name in self.meta.features])
        try:
            self._input = _input(file, self.width)
            self._output = _output(file, len(self.meta.classes))
        except ModelError as error:
            raise ModelError(f"{file.path}: {error}") from None
        self._try_out()

    @property
    def typical(self) -> FloatArray:
        """float32 [F], what stands for a feature that is left out of an explanation: absence."""
        return np.full(self.width, np.nan, np.float32)

    def select(self, features: FloatArray) -> FloatArray:
        """The columns this model takes, [n, F], of the agent's full matrix."""
        return features[:, self._columns]

    def score(self, features: FloatArray, heads: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Score flows.

        Args:
            features: float32 [n, F], NaN = absent.
            heads: float32 [C, P], from `stack`.

        Returns:
            Scores float32 [n, P], the probability of each rule's class, NaN in all of a row that
            the model gave no probabilities for; and what it gave, float32 [n, C].

        Raises:
            ModelError: the model fails, or its output has another shape.
        """
        found = self._run(features)
        if found.shape != (len(features), len(self.meta.classes)):
            shape = [len(features), len(self.meta.classes)]
            raise ModelError(f"{self._where}: shape {list(found.shape)}, not {shape}")
        wrong = no_probabilities(found)
        if not wrong.any():
            return found @ heads, found
        scores: FloatArray = np.where(wrong[:, None], np.float32(0), found) @ heads
        scores[wrong] = np.nan
        return scores, found

    @staticmethod
    def why_unscored(found: FloatArray) -> dict[str, int]:
        """Reason → rows of what `score` gave second, float32 [n, C], that are no probabilities."""
        counts = {reason: int(rows.sum()) for reason, rows in row_faults(found).items()}
        return {reason: count for reason, count in counts.items() if count}

    def stack(self, columns: Sequence[int]) -> FloatArray:
        """Heads float32 [C, P]: for each of P columns of the probabilities its unit vector."""
        heads = np.zeros((len(self.meta.classes), len(columns)), np.float32)
        heads[list(columns), np.arange(len(columns))] = 1.0
        return heads

    @property
    def _where(self) -> str:
        return f"{self.path}: output {shown(self._output)}"

    def _run(self, features: FloatArray) -> FloatArray:
        """What the model gives, unchecked."""
        if not len(features):
            return np.zeros((0, len(self.meta.classes)), np.float32)
        if not np.isnan(self.meta.absent):
            absent = np.float32(self.meta.absent)
            features = np.where(np.isnan(features), absent, features)
        feed = {self._input: np.ascontiguousarray(features)}
        return np.asarray(self._file.run([self._output], feed)[0])

    def _try_out(self) -> None:
        """Score rows of zeros and of nothing: what comes must be probabilities."""
        rows = np.zeros((2, self.width), np.float32)
        rows[1] = np.nan
        try:
            require_probabilities(self._where, self._run(rows), 2, len(self.meta.classes))
        except ModelError as error:
            raise ModelError(
                f"{error}; it was given a flow of zeros and one whose features are all absent "
                "(NaN): a model that takes no NaN needs an imputer in its pipeline, or `absent` in "
                "its description"
            ) from None


def no_probabilities(found: FloatArray) -> BoolArray:
    """bool [n], the rows of float32 [n, C] that are no probabilities for whatever reason."""
    return np.asarray(np.logical_or.reduce(list(row_faults(found).values())))


def row_faults(found: FloatArray) -> dict[str, BoolArray]:
    """Reason → bool [n], the rows of float32 [n, C] that it is true of; no row is in two."""
    known = np.asarray(np.isfinite(found).all(1))
    values = found if known.all() else np.where(known[:, None], found, np.float32(0))
    fits = (values.min(1) >= -OFF) & (values.max(1) <= 1 + OFF)
    off = np.abs(values.sum(1, dtype=np.float64) - 1.0) > OFF
    return {
        NOT_FINITE: ~known,
        OUT_OF_RANGE: known & ~fits,
        NOT_ONE: known & fits & off,
    }


def _description(file: OnnxFile) -> tuple[bytes, str]:
    """The description and its name in messages."""
    if (text := file.props.get(DESCRIPTION)) is not None:
        return text.encode("utf-8", "surrogateescape"), f"{file.path}: {DESCRIPTION}"
    path = description_path(file.path)
    try:
        return read_bounded(path, MAX_BYTES), str(path)
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from None


def _input(file: OnnxFile, width: int) -> str:
    inputs = file.session.get_inputs()
    if len(inputs) != 1:
        names = shown(", ".join(item.name for item in inputs), SHOWN)
        raise ModelError(f"inputs {names}: a classifier takes one matrix of features")
    given = inputs[0]
    where = f"input {shown(given.name)}"
    if given.type != "tensor(float)" or len(given.shape) != 2:
        raise ModelError(f"{where}: {given.type} {shown(given.shape)}, not float32 [n, F]")
    if isinstance(given.shape[0], int) or given.shape[1] not in (width, None):
        raise ModelError(
            f"{where}: shape {shown(given.shape)}, but any number of flows and {width} features "
            "are described"
        )
    return str(given.name)


def _output(file: OnnxFile, classes: int) -> str:
    """The output with the probabilities; labels are left aside."""
    outputs = file.session.get_outputs()
    for item in outputs:
        if item.type.startswith(("seq(", "map(")):
            raise ModelError(f"output {shown(item.name)}: {_NO_ZIPMAP}")
    found = [item for item in outputs if _is_probability(item, classes)]
    if len(found) != 1:
        shapes = ", ".join(f"{item.name} {item.type} {item.shape}" for item in outputs)
        raise ModelError(
            f"outputs {shown(shapes, SHOWN)}: not one of float32 [n, {classes}] for the {classes} "
            "classes described"
        )
    return str(found[0].name)


def _is_probability(item: Any, classes: int) -> bool:
    fits = len(item.shape) == 2 and not (
        isinstance(item.shape[1], int) and item.shape[1] != classes
    )
    return item.type == "tensor(float)" and fits
