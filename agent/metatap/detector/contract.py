"""What a model file must contain: names, metadata and how it is parsed. See docs/model.md."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from metatap.errors import ModelError
from metatap.features import NAMES
from metatap.yamlfile import shown

CONTRACT_VERSION = "1"
MAX_FILE_BYTES = 64 * 2**20
MAX_WIDTH = 4096
"""Upper bound of F, d and k in a model file."""

MAX_BACKGROUND = 32_768
"""Flows of a background, at most: shipped files sum over them in 32-bit integers."""

MAX_TEXT = 128
"""Characters of a name or a version, at most."""

OFF = 1e-3
"""By how much a row of probabilities may miss a sum of 1."""

MAX_CLASSES = 256
"""Classes of a classifier or a sequence model, at most."""

INPUTS = ("features", "heads", "support", "support_label", "background")
OUTPUTS = ("score", "embedding", "head")

FloatArray = npt.NDArray[np.float32]


class Kind(StrEnum):
    """What a model file is asked."""

    META = "meta"
    """Is this flow like the flows of a pack?"""

    CLASSIFIER = "classifier"
    """Which class is this flow of?"""

    SEQUENCE = "sequence"
    """Which class are these consecutive flows of two hosts of?"""


@dataclass(frozen=True, slots=True)
class Background:
    """The reference background in a model file.

    Attributes:
        embedding: float32 [m, d], embeddings of benign flows of many networks.
        median: float32 [F], median of the raw features of the training background, NaN = never
            present.
        low: float32 [F], 5th percentile.
        high: float32 [F], 95th percentile.
    """

    embedding: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Inputs with the scores the training framework gave.

    Attributes:
        features: float32 [8, F].
        support: float32 [k, F].
        support_label: float32 [k], 1 or 0.
        score: float32 [8].
    """

    features: FloatArray
    support: FloatArray
    support_label: FloatArray
    score: FloatArray


@dataclass(frozen=True, slots=True)
class Metadata:
    """A model file's metadata, parsed and bounded."""

    name: str
    version: str
    features: tuple[str, ...]
    background: Background
    selftest: SelfTest
    card: dict[str, Any]


def parse_metadata(props: dict[str, str]) -> Metadata:
    """Metadata from the file's `metadata_props`.

    Raises:
        ModelError: a key is missing or malformed; names the key.
    """
    require_kind(props, Kind.META)
    names = feature_names(read_json(props, "metatap.features"), "metatap.features")
    width = len(names)
    ground = read_json(props, "metatap.background")
    embedding = read_array(ground, "metatap.background", "embedding", (None, None), MAX_BACKGROUND)
    background = Background(
        embedding,
        *(
            read_array(ground, "metatap.background", key, (width,))
            for key in ("median", "low", "high")
        ),
    )
    require_known("metatap.background.embedding", embedding)
    test = read_json(props, "metatap.selftest")
    support = read_array(test, "metatap.selftest", "support", (None, width))
    selftest = SelfTest(
        read_array(test, "metatap.selftest", "features", (8, width)),
        support,
        read_array(test, "metatap.selftest", "support_label", (len(support),)),
        read_array(test, "metatap.selftest", "score", (8,)),
    )
    require_known("metatap.selftest.support_label", selftest.support_label)
    require_known("metatap.selftest.score", selftest.score)
    card = read_json(props, "metatap.card")
    if not isinstance(card, dict):
        raise ModelError("metatap.card: not an object")
    return Metadata(
        read_name(props, "metatap.name"),
        read_name(props, "metatap.version"),
        names,
        background,
        selftest,
        card,
    )


def kind_of(props: dict[str, str]) -> Kind:
    """The kind of a model with metadata of this contract; `meta` where they name none.

    Raises:
        ModelError: the contract's version is missing or another, or the kind is not known.
    """
    version = read_text(props, "metatap.contract")
    if version != CONTRACT_VERSION:
        raise ModelError(f"metatap.contract: version {version[:64]!r}, this agent reads 1")
    kind = props.get("metatap.kind", Kind.META.value)
    try:
        return Kind(kind)
    except ValueError:
        raise ModelError(f"metatap.kind: {kind[:64]!r}, none of {', '.join(Kind)}") from None


def require_kind(props: dict[str, str], kind: Kind) -> None:
    """Check that a model is of a kind.

    Raises:
        ModelError: it is of another.
    """
    found = kind_of(props)
    if found is not kind:
        raise ModelError(f"metatap.kind: {found}, where a model of kind {kind} is needed")


def feature_names(names: Any, field: str) -> tuple[str, ...]:
    """A list of features as a model file names them.

    Raises:
        ModelError: it is no list of different features of this agent; names the field.
    """
    if not isinstance(names, list) or not 0 < len(names) <= MAX_WIDTH:
        raise ModelError(f"{field}: not a list of feature names")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ModelError(f"{field}: not features of this agent: {str(unknown[:5])[:256]}")
    if len(set(names)) < len(names):
        raise ModelError(f"{field}: a feature stands twice")
    return tuple(names)


def require_known(field: str, values: FloatArray) -> None:
    """Refuse an array that is empty or has values that are not finite."""
    if not values.size or not np.isfinite(values).all():
        raise ModelError(f"{field}: empty, or not finite")


def read_text(props: dict[str, str], key: str) -> str:
    """A text of the metadata; ModelError where there is none."""
    if key not in props:
        raise ModelError(f"{key}: missing")
    return props[key]


def read_name(props: dict[str, str], key: str) -> str:
    """A short text that may stand in messages and alerts; ModelError where it is none."""
    text = read_text(props, key)
    if not text.isprintable() or len(text) > MAX_TEXT:
        raise ModelError(f"{key}: {shown(text)}: not a text of at most {MAX_TEXT} characters")
    return text


def require_probabilities(field: str, found: Any, rows: int, classes: int) -> FloatArray:
    """What a model gave, if it is probabilities: float32 [rows, classes], each row of sum 1.

    Args:
        field: Names the output in messages.
        found: What it gave.
        rows: Rows asked for.
        classes: C.

    Raises:
        ModelError: it is something else.
    """
    if found.shape != (rows, classes):
        raise ModelError(f"{field}: shape {list(found.shape)}, not {[rows, classes]}")
    if not np.isfinite(found).all():
        raise ModelError(f"{field}: not finite")
    if rows and (found.min() < -OFF or np.abs(found.sum(1) - 1.0).max() > OFF):
        raise ModelError(f"{field}: no probabilities, rows must sum to 1")
    return np.asarray(found, np.float32)


def read_json(props: dict[str, str], key: str) -> Any:
    """A JSON value of the metadata; ModelError where there is none or it is malformed."""
    try:
        return msgspec.json.decode(read_text(props, key))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelError(f"{key}: {error}") from None


def read_array(
    parent: Any,
    where: str,
    key: str,
    shape: tuple[int | None, ...],
    limit: int = MAX_WIDTH,
) -> FloatArray:
    """An array of a metadata object as float32.

    Args:
        parent: The object.
        where: Its key in the metadata.
        key: The array's key in it.
        shape: Length of each axis, None = any up to `limit`.
        limit: Longest axis.

    Raises:
        ModelError: it is not there, not as declared or not of this shape; names the field.
    """
    field = f"{where}.{key}"
    item = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(item, dict) or set(item) != {"dtype", "shape", "data"}:
        raise ModelError(f"{field}: not an object with dtype, shape and data")
    dims = item["shape"]
    fits = (
        isinstance(dims, list)
        and len(dims) == len(shape)
        and all(isinstance(dim, int) and 0 <= dim <= limit for dim in dims)
        and all(want in (None, dim) for want, dim in zip(shape, dims, strict=True))
    )
    if not fits or item["dtype"] not in ("<f2", "<f4"):
        raise ModelError(
            f"{field}: shape {shown(dims)} or dtype {shown(item['dtype'])} is not as declared"
        )
    try:
        raw = base64.b64decode(item["data"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ModelError(f"{field}: {error}") from None
    dtype = np.dtype(item["dtype"])
    if len(raw) != math.prod(dims) * dtype.itemsize:
        raise ModelError(f"{field}: {len(raw)} bytes for shape {dims} of {item['dtype']}")
    return np.frombuffer(raw, dtype).reshape(dims).astype(np.float32)


def array_json(values: npt.NDArray[np.floating], dtype: str = "<f4") -> dict[str, Any]:
    """The JSON form of an array, as `parse_metadata` reads it; dtype `<f2` or `<f4`."""
    data = np.ascontiguousarray(values, np.dtype(dtype))
    return {
        "dtype": dtype,
        "shape": list(data.shape),
        "data": base64.b64encode(data.tobytes()).decode("ascii"),
    }
