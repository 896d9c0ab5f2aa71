"""A model file of any kind, loaded as what it is."""

from __future__ import annotations

from pathlib import Path

from metatap.detector.classifier import DESCRIPTION, Classifier, description_path
from metatap.detector.contract import Kind, kind_of
from metatap.detector.model import Model
from metatap.detector.onnx_file import OnnxFile
from metatap.detector.sequence import SequenceModel
from metatap.errors import ModelError

Scorer = Model | Classifier
"""A model that scores each flow by itself."""


def open_model(path: Path, *, threads: int = 1) -> Scorer | SequenceModel:
    """Load a model file of any kind.

    A file without metadata of ours is a classifier if its description lies beside it.

    Args:
        path: The `.onnx` file.
        threads: Threads of ONNX Runtime within one operator.

    Raises:
        ModelError: it breaks docs/model.md; names the file and the fault.
    """
    file = OnnxFile.open(path, threads=threads)
    kind = _kind(file)
    if kind is Kind.CLASSIFIER:
        return Classifier(file)
    if kind is Kind.SEQUENCE:
        return SequenceModel(file)
    return Model(file)


def open_scorer(path: Path, *, threads: int = 1) -> Scorer:
    """Load a model that scores each flow by itself.

    Raises:
        ModelError: as `open_model`, or it is a sequence model.
    """
    model = open_model(path, threads=threads)
    if isinstance(model, SequenceModel):
        raise ModelError(f"{path}: sequence models are scored offline: metatap score --model FILE")
    return model


def _kind(file: OnnxFile) -> Kind:
    if DESCRIPTION in file.props or "metatap.contract" not in file.props:
        beside = description_path(file.path)
        if DESCRIPTION not in file.props and not beside.is_file():
            raise ModelError(
                f"{file.path}: metatap.contract: missing, and no {beside.name} beside it describes "
                "a classifier"
            )
        return Kind.CLASSIFIER
    try:
        return kind_of(file.props)
    except ModelError as error:
        raise ModelError(f"{file.path}: {error}") from None
