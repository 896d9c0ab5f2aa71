"""Figures from records: means over families, paired differences, intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from metatap.offline.metrics import bootstrap_mean
from metatap_training.evaluate.folds import DEVELOPED_ON
from metatap_training.evaluate.protocol import HOME, NULL, OPEN, RESTRICTED, Record
from metatap_training.evaluate.scorers import META, META_OPEN, META_PLAIN, NEAREST, PORT

LOGISTIC = "logistic regression"
Figures = dict[str, Any]


def summarise(records: Sequence[Record]) -> Figures:
    """Everything the card states.

    For each table and K: the mean of each method over families (each family the mean of its draws),
    the paired difference of the model to logistic regression with the best C and its bootstrap
    interval over families, and the figures by family.
    """
    tables = {}
    for table in (OPEN, RESTRICTED, HOME, NULL):
        chosen = [record for record in records if record.table == table]
        tables[table] = {
            str(k): _table([record for record in chosen if record.k == k])
            for k in sorted({record.k for record in chosen})
        }
    return tables


def _table(records: Sequence[Record]) -> Figures:
    families = sorted({record.family for record in records})
    tpr = _by_family(records, "tpr")
    best = _best_logistic(tpr, families)
    shown = {META: META, META_OPEN: META_OPEN, META_PLAIN: META_PLAIN}
    shown |= {LOGISTIC: best, NEAREST: NEAREST, PORT: PORT}
    shown = {name: method for name, method in shown.items() if method in tpr}
    means = {
        name: {
            field: _mean(_by_family(records, field), method, families)
            for field in ("tpr", "auprc", "tpr_background", "fpr_background")
        }
        for name, method in shown.items()
    }
    folds = {record.family: record.fold for record in records}
    untouched = [family for family in families if folds[family] not in DEVELOPED_ON]
    return {
        "families": len(families),
        "draws": len({(record.family, record.number) for record in records}),
        "best_logistic": best,
        "means": means,
        "gain": _gains(tpr, shown, families),
        "untouched": {
            "families": len(untouched),
            "means": {name: _mean(tpr, method, untouched) for name, method in shown.items()},
            "gain": _gains(tpr, shown, untouched),
        },
        "by_fold": _by_fold(records, shown),
        "by_family": {
            family: _family(records, family, {n: tpr[m][family] for n, m in shown.items()})
            for family in families
        },
    }


def _gains(
    tpr: dict[str, dict[str, float]], shown: dict[str, str], families: Sequence[str]
) -> Figures:
    """Paired differences to the model without context and two strong baselines, with intervals."""
    gains = {}
    for name in (META_PLAIN, LOGISTIC, NEAREST) if families else ():
        gap = np.array([tpr[META][f] - tpr[shown[name]][f] for f in families])
        gains[name] = {"mean": round(float(gap.mean()), 4), "interval": _interval(gap)}
    return gains


def _by_family(records: Iterable[Record], field: str) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        values[record.method][record.family].append(getattr(record, field))
    return {
        method: {family: float(np.mean(all_)) for family, all_ in families.items()}
        for method, families in values.items()
    }


def _best_logistic(tpr: dict[str, dict[str, float]], families: Sequence[str]) -> str:
    names = [method for method in tpr if method.startswith(LOGISTIC)]
    return max(names, key=lambda method: np.mean([tpr[method][f] for f in families]))


def _mean(values: dict[str, dict[str, float]], method: str, families: Sequence[str]) -> float:
    if not families:
        return 0.0
    return round(float(np.mean([values[method][family] for family in families])), 4)


def _interval(gap: np.ndarray) -> list[float]:
    return [round(end, 4) for end in bootstrap_mean(gap)]


def _by_fold(records: Sequence[Record], shown: dict[str, str]) -> Figures:
    folds: Figures = {}
    for fold in sorted({record.fold for record in records}):
        here = [record for record in records if record.fold == fold]
        families = sorted({record.family for record in here})
        tpr = _by_family(here, "tpr")
        folds[fold] = {
            "families": len(families),
            **{name: _mean(tpr, method, families) for name, method in shown.items()},
        }
    return folds


def _family(records: Sequence[Record], family: str, tpr: dict[str, float]) -> Figures:
    own = [r for r in records if r.family == family and r.method == META]
    return {
        "group": own[0].group,
        "networks": sorted({r.network for r in own}),
        "queries_from": sorted({r.elsewhere for r in own}),
        "positives": round(float(np.mean([r.positives for r in own]))),
        "tpr": {name: round(value, 4) for name, value in tpr.items()},
    }
