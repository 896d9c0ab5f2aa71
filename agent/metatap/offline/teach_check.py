"""Whether the flows of a pack agree: each is scored by a head that did not see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.detector import Model, Ready, make_ready
from metatap.detector.explain import feature_groups, number_text, occluded, standing_out
from metatap.features.table import FEATURES, INDEX, Feature, Scale
from metatap.offline.uids import uid_texts
from metatap.packs import Pack

FloatArray = npt.NDArray[np.float32]

DIFFERENCES = 3
"""Features named for a flow that contradicts the others, at most."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One support flow, held out.

    Attributes:
        uid: Its uid, "" where it has none.
        score: By the head of the others.
        recognised: Whether that reaches the pack's threshold; if not, the flow contradicts the
            others.
        differences: Where it does: what sets it apart from them, in words, strongest first.
    """

    uid: str
    score: float
    recognised: bool
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the agent would make of a pack.

    Attributes:
        threshold: Of the pack.
        flows: Its support flows in order.
        in_force: Whether the agent takes the pack.
        reason: If not, why, "" otherwise.
    """

    threshold: float
    flows: tuple[HeldOut, ...]
    in_force: bool
    reason: str = ""

    @property
    def contradictions(self) -> tuple[HeldOut, ...]:
        """The flows that contradict the others; of one flow nothing can be said."""
        if len(self.flows) == 1:
            return ()
        return tuple(flow for flow in self.flows if not flow.recognised)


def hold_out(
    model: Model, pack: Pack, rate: float, background: FloatArray | None = None
) -> Verdict:
    """Hold each support flow out, as the agent does when it loads the pack.

    Args:
        model: The model.
        pack: The pack.
        rate: Target share of flows over the threshold.
        background: float32 [m, d], embeddings of benign flows; None: the model's reference.

    Raises:
        ModelError: the model makes no usable head of the pack.
    """
    ready = make_ready(model, pack, rate, background)
    uids = uid_texts(pack.flows)
    found: list[HeldOut] = []
    for row, score in enumerate(ready.held_out.tolist()):
        is_recognised = score >= ready.threshold
        is_odd = len(ready.held_out) > 1 and not is_recognised
        words = tuple(differences(model, ready, row)) if is_odd else ()
        found.append(HeldOut(uids[row], score, is_recognised, words))
    return Verdict(ready.threshold, tuple(found), ready.is_useful, ready.reason)


def differences(model: Model, ready: Ready, row: int) -> list[str]:
    """What sets a support flow apart from the others.

    A feature counts by how much the score by the head of the others rises when its value is
    replaced by what is usual among them: the median, or the most frequent flag.

    Args:
        model: The model.
        ready: The pack, of k ≥ 2 support flows.
        row: Which of them.

    Returns:
        Up to `DIFFERENCES` texts such as `payload sent 12,000 bytes (others 310 bytes)`.
    """
    names = model.meta.features
    groups = feature_groups(names)
    own = ready.examples[row]
    usual = _usual(names, np.delete(ready.examples, row, axis=0), groups)
    scores = model.score(occluded(names, own, usual), model.stack([ready.others[row]]))[0][:, 0]
    gain = scores[1:] - scores[0]
    strongest = [at for at in np.argsort(-gain).tolist() if gain[at] > 0.0][:DIFFERENCES]
    return [_text(names, groups[at], own, usual) for at in strongest]


def _usual(names: tuple[str, ...], others: FloatArray, groups: Sequence[list[int]]) -> FloatArray:
    """What is usual among flows, float32 [F], of others float32 [k, F]; NaN: most have no value."""
    usual = np.full(others.shape[1], np.nan, np.float32)
    for columns in groups:
        if len(columns) > 1 and FEATURES[INDEX[names[columns[0]]]].scale is Scale.FLAG:
            flags = np.nan_to_num(others[:, columns], nan=-1.0)
            kinds, times = np.unique(flags, axis=0, return_counts=True)
            kind = kinds[times.argmax()]
            usual[columns] = np.where(kind < 0.0, np.float32(np.nan), kind)
            continue
        for column in columns:
            values = others[:, column]
            known = values[~np.isnan(values)]
            if len(known) and 2 * len(known) >= len(values):
                usual[column] = np.quantile(known, 0.5, method="lower")
    return usual


def _text(names: tuple[str, ...], columns: list[int], own: FloatArray, usual: FloatArray) -> str:
    features = [FEATURES[INDEX[names[column]]] for column in columns]
    if len(features) > 1 and features[0].scale is Scale.FLAG:
        here, there = (_flag_words(features, values[columns]) for values in (own, usual))
        return f"{here} (others {there})"
    at = standing_out(features, own[columns], usual[columns])
    feature, column = features[at], columns[at]
    here, there = (_value_words(feature, float(values[column])) for values in (own, usual))
    return f"{feature.words} {here} (others {there})"


def _flag_words(features: list[Feature], values: FloatArray) -> str:
    words = [f.words for f, value in zip(features, values, strict=True) if value == 1.0]
    return words[0] if words else "unknown"


def _value_words(feature: Feature, value: float) -> str:
    if np.isnan(value):
        return "unknown"
    if feature.scale is Scale.FLAG:
        return "yes" if value else "no"
    return number_text(value, feature.unit)
