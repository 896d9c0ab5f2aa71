"""The metadata of a sequence model, parsed and bounded. See docs/model.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.detector.contract import (
    MAX_CLASSES,
    Kind,
    feature_names,
    read_array,
    read_json,
    read_name,
    require_kind,
    require_known,
)
from metatap.errors import ModelError

MAX_LENGTH = 1024
"""Flows of a sequence, at most."""

MAX_NAME = 64
"""Characters of the name of a class, at most."""

SEQUENCE_INPUTS = ("sequences", "mask")
SEQUENCE_OUTPUT = "probability"

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SequenceSelfTest:
    """Inputs with the probabilities the training framework gave.

    Attributes:
        sequences: float32 [m, L, F].
        mask: float32 [m, L].
        probability: float32 [m, C].
    """

    sequences: FloatArray
    mask: FloatArray
    probability: FloatArray


@dataclass(frozen=True, slots=True)
class SequenceMetadata:
    """A sequence model's metadata.

    Attributes:
        name: Its name.
        version: Its version.
        features: The F features of a flow, in order.
        classes: Names of the C classes.
        length: L, flows of a sequence.
        selftest: See `SequenceSelfTest`.
        card: What it was trained on, and how it did.
    """

    name: str
    version: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    length: int
    selftest: SequenceSelfTest
    card: dict[str, Any]


def parse_sequence_metadata(props: dict[str, str]) -> SequenceMetadata:
    """Metadata from the file's `metadata_props`.

    Raises:
        ModelError: a key is missing or malformed; names the key.
    """
    require_kind(props, Kind.SEQUENCE)
    names = feature_names(read_json(props, "metatap.features"), "metatap.features")
    classes = _classes(read_json(props, "metatap.classes"))
    length = read_json(props, "metatap.length")
    if not isinstance(length, int) or isinstance(length, bool) or not 1 <= length <= MAX_LENGTH:
        raise ModelError(f"metatap.length: not a whole number from 1 to {MAX_LENGTH}")
    test, where = read_json(props, "metatap.selftest"), "metatap.selftest"
    sequences = read_array(test, where, "sequences", (None, length, len(names)), MAX_LENGTH)
    rows = len(sequences)
    selftest = SequenceSelfTest(
        sequences,
        read_array(test, where, "mask", (rows, length)),
        read_array(test, where, "probability", (rows, len(classes))),
    )
    require_known(f"{where}.mask", selftest.mask)
    require_known(f"{where}.probability", selftest.probability)
    card = read_json(props, "metatap.card")
    if not isinstance(card, dict):
        raise ModelError("metatap.card: not an object")
    return SequenceMetadata(
        read_name(props, "metatap.name"),
        read_name(props, "metatap.version"),
        names,
        classes,
        length,
        selftest,
        card,
    )


def _classes(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
        raise ModelError(f"metatap.classes: not a list of 2 to {MAX_CLASSES} classes")
    for name in names:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise ModelError(f"metatap.classes: {name!r:.80}: not a short name")
    if len(set(names)) < len(names):
        raise ModelError("metatap.classes: a class stands twice")
    return tuple(names)
