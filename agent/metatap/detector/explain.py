"""Why a flow was flagged: the nearest support flow and the features that moved the score most."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from metatap.context.layout import SCALES
from metatap.detector.contract import Metadata
from metatap.detector.detections import Detections
from metatap.detector.explanation import NOTHING_KNOWN, Explanation, Reason, Unusual
from metatap.detector.rules import LOCAL, REFERENCE, RuleSet
from metatap.features.table import FEATURES, INDEX, Feature, Scale
from metatap.flow import Row, to_row

FloatArray = npt.NDArray[np.float32]

REASONS = 4
"""Features named in an explanation, at most."""

Hit = tuple[int, int]
"""(row, pack index)"""


def explain(detections: Detections, row: int, pack: int) -> Explanation:
    """Explain one hit.

    The features are left out group by group (`feature_groups`), exactly: the flow is scored again
    for each. A group's weight is by how much the score falls when its values are replaced by the
    medians of the model's training background, or taken away where the model has none (occlusion,
    Zeiler & Fergus 2014). Protocol and service, and what the flow lacks, are no reasons.

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
    variants = occluded(names, flow[0], median)
    scores, embedding = model.score(variants, rules.heads)
    # A variant may be a flow that a classifier has no probabilities for: it tells nothing.
    moved = np.nan_to_num(scores[0, pack] - scores[1:, pack], nan=0.0)
    reasons: list[Reason] = []
    for at in np.argsort(-moved):
        if moved[at] <= 0.0 or len(reasons) == REASONS:
            break
        reason = _reason(groups[at], names, flow[0], median, float(moved[at]))
        if reason is not None:
            reasons.append(reason)
    unusual = how_unusual(rules, pack, detections.scores[[row], pack])[0]
    return most_alike(rules, pack, embedding[0], reasons=tuple(reasons), unusual=unusual, flows={})


def nearest(detections: Detections, hits: Sequence[Hit]) -> list[Explanation]:
    """What is most alike and how unusual it is, for each of some hits, without reasons."""
    rules = detections.rules
    rows = np.array([row for row, _ in hits], np.intp)
    packs = np.array([pack for _, pack in hits], np.intp)
    if len(detections.embedding):
        embeddings = detections.embedding[rows]
    else:
        features = rules.model.select(detections.features[rows])
        _, embeddings = rules.model.score(features, rules.heads)
    unusual: list[Unusual | None] = [None] * len(hits)
    for pack in np.unique(packs).tolist():
        own = np.flatnonzero(packs == pack)
        counted = how_unusual(rules, pack, detections.scores[rows[own], pack])
        for at, what in zip(own.tolist(), counted, strict=True):
            unusual[at] = what
    found: list[Explanation] = []
    flows: dict[tuple[int, int], Row] = {}
    for (_, pack), embedding, rare in zip(hits, embeddings, unusual, strict=True):
        found.append(most_alike(rules, pack, embedding, reasons=(), unusual=rare, flows=flows))
    return found


def most_alike(
    rules: RuleSet,
    pack: int,
    embedding: FloatArray,
    *,
    reasons: tuple[Reason, ...],
    unusual: Unusual | None,
    flows: dict[tuple[int, int], Row],
) -> Explanation:
    """An explanation with the support flow of `pack` nearest to an embedding, float32 [d].

    `flows` holds support flows by pack and index; what is made here is added to it.
    """
    support = rules.support[pack]
    if not len(support):
        nothing = NOTHING_KNOWN
        return Explanation(
            nothing.nearest_index, "", nothing.nearest_distance, reasons, unusual=unusual
        )
    distance = np.linalg.norm(support - embedding, axis=1)
    at = int(distance.argmin())
    if (pack, at) not in flows:
        flows[pack, at] = to_row(rules.packs[pack].flows, at)
    flow = flows[pack, at]
    return Explanation(at, str(flow.get("uid", "")), float(distance[at]), reasons, flow, unusual)


def how_unusual(rules: RuleSet, pack: int, scores: FloatArray) -> list[Unusual | None]:
    """How many flows of the background score as high as some flows do.

    The head was made on the same background, so that its share is the lowest that can be hoped
    for; that no flow scores as high means only that it is fewer than 1 in m.

    Args:
        rules: What they were scored with.
        pack: The pack.
        scores: float32 [n], of the n flows by this pack.

    Returns:
        One for each flow; None where the rules know no background, or the pack's scores are not
        of a head.
    """
    found = _background(rules)
    head = rules.heads[:, pack]
    if found is None or not head.any():
        return [None] * len(scores)
    ground, source = found
    own = np.sort(ground @ head[:-1] + head[-1])
    above = len(own) - np.searchsorted(own, scores, "left")
    return [Unusual(len(own), int(count), source) for count in above]


def _background(rules: RuleSet) -> tuple[FloatArray, str] | None:
    """Embeddings float32 [m, d] that heads were made on, m ≥ 1, and whose; None: not known."""
    if rules.background is not None and len(rules.background):
        return rules.background, LOCAL
    meta = rules.model.meta
    if rules.threshold_source != LOCAL and isinstance(meta, Metadata):
        return meta.background.embedding, REFERENCE
    return None


@lru_cache(maxsize=4)
def feature_groups(names: tuple[str, ...]) -> tuple[list[int], ...]:
    """Columns that stand for one thing and are explained together.

    Those are the flags of one field, and one statistic of one key's past over all its times; any
    other feature is a group of its own.
    """
    groups: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        groups.setdefault(_family(FEATURES[INDEX[name]]), []).append(at)
    return tuple(groups.values())


@lru_cache(maxsize=4)
def _members(names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """bool [1 + groups, F], the columns of each group; the first row is of none."""
    groups = feature_groups(names)
    members = np.zeros((len(groups) + 1, len(names)), np.bool_)
    for at, columns in enumerate(groups):
        members[at + 1, columns] = True
    return members


def occluded(names: tuple[str, ...], flow: FloatArray, usual: FloatArray) -> FloatArray:
    """The flow as it is, then without each of its `feature_groups`.

    Args:
        names: Of the F features.
        flow: float32 [F].
        usual: float32 [F], what stands in.

    Returns:
        float32 [1 + groups, F].
    """
    return np.where(_members(names), usual, flow)


def _family(feature: Feature) -> str:
    stem, _, last = feature.name.rpartition(".")
    is_flag = feature.scale is Scale.FLAG and stem in ONE_HOT
    is_past = feature.name.startswith("context.") and last in SCALES
    return stem if is_flag or is_past else feature.name


ONE_HOT = frozenset({"proto", "conn_state", "service", "ssl.version", "resp_p"})
"""Fields whose flags are explained together."""

_PLAIN = frozenset({"proto", "service", "has"})
"""Fields that say what the flow is, which an analyst sees anyway: no reasons."""


def standing_out(features: Sequence[Feature], own: FloatArray, usual: FloatArray) -> int:
    """Which of a group's columns tells a flow apart most from what is usual.

    Args:
        features: The k features of the group; magnitudes are compared by their logarithm.
        own: float32 [k], the flow's values, NaN = absent.
        usual: float32 [k], likewise; absent counts as 0.

    Returns:
        Its place in the group: the first flag that is set, else the column farthest off; 0 if the
        flow has none of the values.
    """
    if features[0].scale is Scale.FLAG:
        return int(np.argmax(own == 1.0))
    here, there = np.nan_to_num(own), np.nan_to_num(usual)
    if features[0].scale is Scale.LOG:
        here, there = np.log1p(np.maximum(here, 0.0)), np.log1p(np.maximum(there, 0.0))
    return int(np.argmax(np.where(np.isnan(own), -1.0, np.abs(here - there))))


def _reason(
    columns: list[int], names: tuple[str, ...], flow: FloatArray, median: FloatArray, moved: float
) -> Reason | None:
    """A reason in words, None where it would tell an analyst nothing."""
    features = [FEATURES[INDEX[names[column]]] for column in columns]
    own, usual = flow[columns], median[columns]
    at = standing_out(features, own, usual)
    feature, value, typical = features[at], _known(own[at]), _known(usual[at])
    if value is None or feature.name.partition(".")[0] in _PLAIN:
        return None
    if len(columns) > 1 and feature.scale is Scale.FLAG and value != 1.0:
        return None
    return Reason(
        feature=feature.name,
        words=feature.words,
        value=value,
        typical=typical,
        moved=moved,
        text=_text(feature, value, typical),
    )


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
