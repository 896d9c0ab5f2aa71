"""A plain classifier, as scikit-learn, LightGBM and others export it: a rule for each class.

Its embedding is the row of probabilities, and a rule's head the unit vector of its class, so that
it is scored by the same product as packs are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.detector.classes import Description, parse_description
from metatap.detector.contract import require_probabilities
from metatap.detector.onnx_file import SHOWN, OnnxFile
from metatap.errors import ModelError
from metatap.features.table import INDEX
from metatap.yamlfile import MAX_BYTES, shown

FloatArray = npt.NDArray[np.float32]

DESCRIPTION = "metatap.classifier"
"""Metadata property that holds the description, where it is not in a file beside the model's."""

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
            Scores float32 [n, P], the probability of each rule's class, and the probabilities of
            all classes float32 [n, C].

        Raises:
            ModelError: the model gives something else than probabilities.
        """
        probability = self._probability(features)
        scores: FloatArray = probability @ heads
        return scores, probability

    def stack(self, columns: Sequence[int]) -> FloatArray:
        """Heads float32 [C, P]: for each of P columns of the probabilities its unit vector."""
        heads = np.zeros((len(self.meta.classes), len(columns)), np.float32)
        heads[list(columns), np.arange(len(columns))] = 1.0
        return heads

    def _probability(self, features: FloatArray) -> FloatArray:
        count = len(self.meta.classes)
        if not len(features):
            return np.zeros((0, count), np.float32)
        if not np.isnan(self.meta.absent):
            absent = np.float32(self.meta.absent)
            features = np.where(np.isnan(features), absent, features)
        found = self._file.run([self._output], {self._input: np.ascontiguousarray(features)})[0]
        where = f"{self.path}: output {shown(self._output)}"
        return require_probabilities(where, found, len(features), count)

    def _try_out(self) -> None:
        """Score rows of zeros and of nothing: what comes must be probabilities."""
        rows = np.zeros((2, self.width), np.float32)
        rows[1] = np.nan
        try:
            self._probability(rows)
        except ModelError as error:
            raise ModelError(
                f"{error}; it was given a flow of zeros and one whose features are all absent "
                "(NaN): a model that takes no NaN needs an imputer in its pipeline, or `absent` in "
                "its description"
            ) from None


def _description(file: OnnxFile) -> tuple[bytes, str]:
    """The description and its name in messages."""
    if (text := file.props.get(DESCRIPTION)) is not None:
        return text.encode("utf-8", "surrogateescape"), f"{file.path}: {DESCRIPTION}"
    path = description_path(file.path)
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1), str(path)
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
