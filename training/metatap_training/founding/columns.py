"""Which 28 features a sequence shows of each flow, and their normalisation.

Chosen on the training part only. Candidates are the features of the flow itself: context is what
the sequence shows, and whether an address is local tells the site. By falling share of a feature's
variance that lies between the families (η², each family weighing alike; Fisher, Statistical Methods
for Research Workers, 1925), one that correlates with a chosen one by more than 0.95 left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.features import FEATURES, NAMES, Scale
from metatap_training.datasets.sources import DataError
from metatap_training.founding.sequences import FloatArray, Sequences
from metatap_training.preprocess import is_context

COLUMNS = 28
"""Features of a flow, as in the founding article."""

ALIKE = 0.95
"""Correlation above which the weaker of two features is left out."""

CLIP = 3.0
"""Normalised values are cut to ± this many deviations."""

STD_FLOOR = 0.1

CONSTANT = 1e-6
"""Deviation up to which a feature counts as constant."""

SITE = ("local_orig", "local_resp")

_LOG = np.array([feature.scale is Scale.LOG for feature in FEATURES])
_OWN = np.array([not is_context(name) and name not in SITE for name in NAMES])


@dataclass(frozen=True, slots=True)
class Columns:
    """Chosen features and their normalisation: (log(1 + |x|) or x − mean) / std, clipped.

    Attributes:
        index: intp [28], columns of the feature matrix, ascending.
        mean: float32 [28], after the logarithm.
        std: float32 [28], likewise, with a floor.
    """

    index: npt.NDArray[np.intp]
    mean: FloatArray
    std: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the chosen features."""
        return tuple(NAMES[at] for at in self.index)

    @property
    def logs(self) -> int:
        """How many are magnitudes, whose logarithm is taken; they come first."""
        return int(_LOG[self.index].sum())

    def apply(self, features: FloatArray, mask: FloatArray) -> FloatArray:
        """Images float32 [m, L, 28] of sequences [m, L, F]; padding and absent are 0."""
        scaled = (_logged(features[..., self.index], self.index) - self.mean) / self.std
        known = np.where(np.isnan(scaled), 0, np.clip(scaled, -CLIP, CLIP))
        return np.asarray(known * mask[..., None], np.float32)


def choose_columns(train: Sequences, count: int = COLUMNS) -> Columns:
    """Choose and fit on the training part.

    Args:
        train: Sequences of two or more families.
        count: Features chosen.

    Raises:
        DataError: fewer features differ between the flows.
    """
    present = train.mask > 0
    flows = _logged(train.flows, np.arange(len(NAMES))).astype(np.float64)
    code = np.unique(train.family, return_inverse=True)[1]
    family = np.repeat(code, present.sum(1))
    weight = 1.0 / np.bincount(family)[family]
    known = ~np.isnan(flows)
    total = np.maximum((weight[:, None] * known).sum(0), 1e-9)
    mean = (weight[:, None] * np.where(known, flows, 0)).sum(0) / total
    centred = np.where(known, flows - mean, 0)
    std = np.sqrt((weight[:, None] * centred**2).sum(0) / total)
    scaled = np.clip(centred / np.maximum(std, STD_FLOOR), -CLIP, CLIP)
    order = np.argsort(-_between(scaled, family, weight), kind="stable")
    alike = _correlation(scaled, weight)
    chosen: list[int] = []
    for at in order.tolist():
        is_new = np.abs(alike[at, chosen]).max(initial=0.0) <= ALIKE
        if _OWN[at] and std[at] > CONSTANT and is_new and len(chosen) < count:
            chosen.append(at)
    if len(chosen) < count:
        raise DataError(f"only {len(chosen)} features differ between the flows, not {count}")
    index = np.sort(np.array(chosen, np.intp))
    return Columns(
        index,
        mean[index].astype(np.float32),
        np.maximum(std[index], STD_FLOOR).astype(np.float32),
    )


def _logged(features: FloatArray, index: npt.NDArray[np.intp]) -> FloatArray:
    return np.where(_LOG[index], np.log1p(np.abs(features)), features)


def _between(
    scaled: npt.NDArray[np.float64], family: npt.NDArray[np.intp], weight: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """η² of each feature, float64 [F]."""
    families = np.arange(int(family.max()) + 1)
    means = np.array([scaled[family == at].mean(0) for at in families])
    whole = means.mean(0)
    total = (weight[:, None] * (scaled - whole) ** 2).sum(0) / len(families)
    between: npt.NDArray[np.float64] = ((means - whole) ** 2).mean(0) / np.maximum(total, 1e-12)
    return between


def _correlation(
    scaled: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Correlations float64 [F, F]; 0 of what is constant."""
    share = weight / weight.sum()
    centred = scaled - share @ scaled
    cross = (share[:, None] * centred).T @ centred
    spread = np.sqrt(np.diag(cross))
    found: npt.NDArray[np.float64] = cross / np.maximum(np.outer(spread, spread), 1e-12)
    return found
