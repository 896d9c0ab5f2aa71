"""What a model file must contain: names, metadata and how it is parsed. See docs/model.md."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from metatap.errors import ModelError
from metatap.features import NAMES

CONTRACT_VERSION = "1"
MAX_FILE_BYTES = 64 * 2**20
MAX_WIDTH = 4096
"""Upper bound of F, d and k in a model file."""

MAX_BACKGROUND = 65536
"""Upper bound of the rows of the reference background."""

INPUTS = ("features", "heads", "support", "support_label", "background")
OUTPUTS = ("score", "embedding", "head")

FloatArray = npt.NDArray[np.float32]


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
    version = _get(props, "metatap.contract")
    if version != CONTRACT_VERSION:
        raise ModelError(f"metatap.contract: version {version!r}, this agent reads 1")
    names = _json(props, "metatap.features")
    if not isinstance(names, list) or not 0 < len(names) <= MAX_WIDTH:
        raise ModelError("metatap.features: not a list of feature names")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ModelError(f"metatap.features: not features of this agent: {unknown[:5]}")
    if len(set(names)) < len(names):
        raise ModelError("metatap.features: a feature stands twice")
    width = len(names)
    ground = _json(props, "metatap.background")
    embedding = _array(ground, "metatap.background", "embedding", (None, None), MAX_BACKGROUND)
    background = Background(
        embedding,
        *(_array(ground, "metatap.background", key, (width,)) for key in ("median", "low", "high")),
    )
    _known("metatap.background.embedding", embedding)
    test = _json(props, "metatap.selftest")
    support = _array(test, "metatap.selftest", "support", (None, width))
    selftest = SelfTest(
        _array(test, "metatap.selftest", "features", (8, width)),
        support,
        _array(test, "metatap.selftest", "support_label", (len(support),)),
        _array(test, "metatap.selftest", "score", (8,)),
    )
    _known("metatap.selftest.support_label", selftest.support_label)
    _known("metatap.selftest.score", selftest.score)
    card = _json(props, "metatap.card")
    if not isinstance(card, dict):
        raise ModelError("metatap.card: not an object")
    return Metadata(
        _get(props, "metatap.name")[:128],
        _get(props, "metatap.version")[:128],
        tuple(names),
        background,
        selftest,
        card,
    )


def _known(field: str, values: FloatArray) -> None:
    """Refuse an array that is empty or has values that are not finite."""
    if not values.size or not np.isfinite(values).all():
        raise ModelError(f"{field}: empty, or not finite")


def _get(props: dict[str, str], key: str) -> str:
    if key not in props:
        raise ModelError(f"{key}: missing")
    return props[key]


def _json(props: dict[str, str], key: str) -> Any:
    try:
        return msgspec.json.decode(_get(props, key))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelError(f"{key}: {error}") from None


def _array(
    parent: Any,
    where: str,
    key: str,
    shape: tuple[int | None, ...],
    limit: int = MAX_WIDTH,
) -> FloatArray:
    """An array of a metadata object as float32; None in `shape` is any length up to `limit`."""
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
        raise ModelError(f"{field}: shape {dims} or dtype {item['dtype']!r} is not as declared")
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
