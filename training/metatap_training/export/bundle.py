"""What goes into a file beside the graph: the reference background and the self-test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from metatap.detector.contract import CONTRACT_VERSION, array_json
from metatap.features import NAMES
from metatap_training.datasets.flows import BENIGN, MALICIOUS, FloatArray, Flows, IntArray
from metatap_training.datasets.reservoir import even_share
from metatap_training.datasets.sources import DataError
from metatap_training.export.graph import build_graph
from metatap_training.export.runner import Runner
from metatap_training.learners import Committee
from metatap_training.preprocess import Scaling, spread

MODEL_NAME = "meta-ridge"
MODEL_VERSION = "3.1.0"
REFERENCE_ROWS = 2048
"""Most rows of the reference background."""

SELFTEST_SUPPORT = 5
MAX_BYTES = 2 * 2**20
"""A shipped model must not be larger."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model with all that its file holds but the card.

    Attributes:
        model: The trained model.
        scaling: Its normalisation.
        background: float16 [m, d], embeddings of benign flows of openly licensed sources.
        quantiles: float32 [3, F], 50th, 5th and 95th percentile of the raw features of that
            background, NaN = never present.
        features: float32 [8, F], rows of the self-test.
        support: float32 [k, F], support of the self-test.
        score: float32 [8], what ONNX Runtime scored them where the file was made.
        provenance: Source → rows of the background that came from it.
        name: Of the model.
        version: Likewise.
    """

    model: Committee
    scaling: Scaling
    background: np.ndarray[Any, np.dtype[np.float16]]
    quantiles: FloatArray
    features: FloatArray
    support: FloatArray
    score: FloatArray
    provenance: dict[str, int]
    name: str = MODEL_NAME
    version: str = MODEL_VERSION

    def proto(self, card: dict[str, Any]) -> onnx.ModelProto:
        """The whole file."""
        proto = build_graph(self.model, self.scaling, integers=True)
        median, low, high = self.quantiles
        ground = {"embedding": array_json(self.background, "<f2")}
        ground |= {
            name: array_json(values)
            for name, values in (("median", median), ("low", low), ("high", high))
        }
        test = {
            "features": array_json(self.features),
            "support": array_json(self.support),
            "support_label": array_json(np.ones(len(self.support), np.float32)),
            "score": array_json(self.score),
        }
        props = {
            "metatap.contract": CONTRACT_VERSION,
            "metatap.name": self.name,
            "metatap.version": self.version,
            "metatap.features": _json(list(NAMES)),
            "metatap.background": _json(ground),
            "metatap.selftest": _json(test),
            "metatap.card": _json(card),
        }
        onnx.helper.set_model_props(proto, props)
        return proto

    def write(self, path: Path, card: dict[str, Any]) -> int:
        """Write the file, whole or not at all; returns its size in bytes.

        Raises:
            DataError: it is larger than a shipped model may be.
        """
        content = self.proto(card).SerializeToString(deterministic=True)
        if len(content) > MAX_BYTES:
            raise DataError(f"{path}: {len(content)} bytes, more than {MAX_BYTES}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
        return len(content)


def make_bundle(
    model: Committee, scaling: Scaling, open_flows: Flows, rows: int = REFERENCE_ROWS
) -> Bundle:
    """Choose the reference background and make the self-test.

    Args:
        model: Trained model.
        scaling: Its normalisation.
        open_flows: Cleaned flows of openly licensed sources only.
        rows: Most rows of the background; see `_reference`.
    """
    rng = np.random.default_rng(0)
    benign = np.flatnonzero(open_flows.label == BENIGN)
    chosen = _reference(open_flows, benign, rows, rng)
    ground = open_flows.features[chosen]
    threat = rng.permutation(np.flatnonzero(open_flows.label == MALICIOUS))
    support = threat[: min(SELFTEST_SUPPORT, len(threat) - 1)]
    tested = np.r_[threat[len(support) : len(support) + 4], rng.permutation(benign)][:8]
    file = Runner(build_graph(model, scaling, integers=True))
    embedded = file.embed(ground).astype(np.float16)
    head = file.adapt(open_flows.features[support], embedded.astype(np.float32))
    score = file.score(open_flows.features[tested], head)
    sources, counts = np.unique(open_flows.source[chosen], return_counts=True)
    return Bundle(
        model=model,
        scaling=scaling,
        background=embedded,
        quantiles=_quantiles(ground),
        features=open_flows.features[tested],
        support=open_flows.features[support],
        score=score,
        provenance={str(s): int(n) for s, n in zip(sources, counts, strict=True)},
    )


def _reference(flows: Flows, benign: IntArray, rows: int, rng: np.random.Generator) -> IntArray:
    """Rows of the reference background, shared alike by the networks.

    Where a network has too few flows, the rest goes to those that have more.
    """
    return np.sort(_evenly(benign, flows.network[benign], rows, rng))


def _evenly(
    rows: IntArray, keys: npt.NDArray[np.str_], total: int, rng: np.random.Generator
) -> IntArray:
    """At most `total` of the rows, the keys sharing them alike."""
    limit = even_share(np.unique(keys, return_counts=True)[1], total)
    return rows[spread(keys, limit, rng)]


def _quantiles(features: FloatArray) -> FloatArray:
    present = (~np.isnan(features)).any(0)
    quantiles = np.full((3, features.shape[1]), np.nan, np.float32)
    quantiles[:, present] = np.nanquantile(features[:, present], [0.5, 0.05, 0.95], axis=0)
    return quantiles


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
