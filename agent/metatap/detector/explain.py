"""Why a flow was flagged: the nearest support flow and the features that moved the score most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from metatap.context.layout import SCALES
from metatap.detector.detections import Detections
from metatap.detector.explanation import NOTHING_KNOWN, Explanation, Reason
from metatap.features.table import FEATURES, INDEX, Feature, Scale

FloatArray = npt.NDArray[np.float32]

REASONS = 4
"""Features named in an explanation, at most."""


def explain(detections: Detections, row: int, pack: int) -> Explanation:
    """Explain one hit.

    A feature's weight is by how much the score falls when its value is replaced by the median of
    the model's training background, or taken away where the model has none (occlusion, Zeiler &
    Fergus 2014). One-hot flags of the same field are replaced together. Protocol and service, and
    what the flow lacks, are no reasons.

    Args:
        detections: The scored batch.
        row: The flow in the batch.
        pack: The pack in the rules.

    Returns:
        The explanation; its reasons fall in weight and all speak for the threat.
    """
    rules = detections.rules
    model = rules.model
    flow = model.select(detections.features[row : row + 1])
    names = model.meta.features
    groups = feature_groups(names)
    median = model.typical
    variants = np.repeat(flow, len(groups) + 1, axis=0)
    for at, columns in enumerate(groups):
        variants[at + 1, columns] = median[columns]
    scores, embedding = model.score(variants, rules.heads)
    moved = scores[0, pack] - scores[1:, pack]
    reasons: list[Reason] = []
    for at in np.argsort(-moved):
        reason = _reason(groups[at], names, flow[0], median, float(moved[at]))
        if moved[at] <= 0.0 or len(reasons) == REASONS:
            break
        if reason is not None and not _said(reason, reasons):
            reasons.append(reason)
    support = rules.support[pack]
    if not len(support):
        return replace(NOTHING_KNOWN, reasons=tuple(reasons))
    distance = np.linalg.norm(support - embedding[0], axis=1)
    nearest = int(distance.argmin())
    uid = rules.packs[pack].flows.strings("uid")
    return Explanation(
        nearest_index=nearest,
        nearest_uid=((uid.item(nearest) if uid else None) or b"").decode("utf-8", "replace"),
        nearest_distance=float(distance[nearest]),
        reasons=tuple(reasons),
    )


def feature_groups(names: tuple[str, ...]) -> list[list[int]]:
    """Columns that stand for one thing: the flags of one field, else each for itself."""
    groups: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        feature = FEATURES[INDEX[name]]
        one_hot = feature.scale is Scale.FLAG and name.split(".")[0] in _ONE_HOT
        groups.setdefault(name.rpartition(".")[0] if one_hot else name, []).append(at)
    return list(groups.values())


_ONE_HOT = frozenset({"proto", "conn_state", "service"})
"""Fields whose flags are replaced together."""

_PLAIN = frozenset({"proto", "service", "has"})
"""Fields that say what the flow is, which an analyst sees anyway: no reasons."""


def _reason(
    columns: list[int], names: tuple[str, ...], flow: FloatArray, median: FloatArray, moved: float
) -> Reason | None:
    """A reason in words, None where it would tell an analyst nothing."""
    set_flags = [column for column in columns if flow[column] == 1.0]
    at = set_flags[0] if set_flags else columns[0]
    feature = FEATURES[INDEX[names[at]]]
    value, typical = _known(flow[at]), _known(median[at])
    if value is None or feature.name.partition(".")[0] in _PLAIN:
        return None
    if len(columns) > 1 and not set_flags:
        return None
    return Reason(
        feature=feature.name,
        words=feature.words,
        value=value,
        typical=typical,
        moved=moved,
        text=_text(feature, value, typical),
    )


def _said(reason: Reason, reasons: Sequence[Reason]) -> bool:
    """Whether the same of the host's past is a reason already, over another time."""
    stem, _, scale = reason.feature.rpartition(".")
    return scale in SCALES and any(other.feature.startswith(f"{stem}.") for other in reasons)


def _known(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)


def _text(feature: Feature, value: float, typical: float | None) -> str:
    if feature.scale is Scale.FLAG:
        return feature.words if value else f"not: {feature.words}"
    if feature.name.startswith("history."):
        return feature.words if value else f"no {feature.words}"
    usual = "" if typical is None else f" (typical {number_text(typical, feature.unit)})"
    return f"{feature.words} {number_text(value, feature.unit)}{usual}"


def number_text(value: float, unit: str) -> str:
    """A value of a feature for people, with its unit."""
    digits = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{digits} {unit}".rstrip()
