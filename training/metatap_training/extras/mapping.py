"""A map of embeddings: a fold's held-out flows where its model puts them, in two dimensions.

By principal components of the standardised embedding: distances on the map are distances in the
embedding, as far as two dimensions hold them. Families and networks are thinned, so that no flood
covers the rest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metatap_training.bench.folds import Fold
from metatap_training.datasets import BENIGN, MALICIOUS, Flows
from metatap_training.datasets.flows import FloatArray
from metatap_training.preprocess import Groups, spread

PER_FAMILY, PER_NETWORK = 60, 300


def held_out(flows: Flows, fold: Fold, groups: Groups, seed: int) -> npt.NDArray[np.intp]:
    """Rows of the fold's families and of the benign flows of its networks, thinned.

    Args:
        flows: n flows.
        fold: What is held out.
        groups: Family → group.
        seed: Of the draw.
    """
    rng = np.random.default_rng(seed)
    families = np.array([family for family, group in groups.items() if group in fold.groups])
    threats = np.flatnonzero((flows.label == MALICIOUS) & np.isin(flows.family, families))
    benign = np.flatnonzero((flows.label == BENIGN) & np.isin(flows.network, fold.networks))
    return np.concatenate(
        [
            threats[spread(flows.family[threats], PER_FAMILY, rng)],
            benign[spread(flows.network[benign], PER_NETWORK, rng)],
        ]
    )


def components(embedding: FloatArray) -> FloatArray:
    """Two principal components float32 [n, 2] of embeddings float32 [n, d], each of deviation 1."""
    centred = embedding - embedding.mean(0)
    deviation = centred.std(0)
    scaled = centred / np.where(deviation > 0, deviation, 1)
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    flat = left[:, :2] * size[:2]
    return np.asarray(flat / np.maximum(flat.std(0), 1e-9), np.float32)


def table(flows: Flows, rows: npt.NDArray[np.intp], places: FloatArray) -> pa.Table:
    """Columns x, y, family ("" = benign), label, network of the rows [n] at places [n, 2]."""
    benign = flows.label[rows] == BENIGN
    return pa.table(
        {
            "x": places[:, 0],
            "y": places[:, 1],
            "family": np.where(benign, "", flows.family[rows]).tolist(),
            "label": np.where(benign, "benign", "malicious").tolist(),
            "network": flows.network[rows].tolist(),
        }
    )
