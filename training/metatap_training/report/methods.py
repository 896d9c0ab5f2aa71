"""Names of the methods of a benchmark and the parts they play."""

from __future__ import annotations

from collections.abc import Iterable

OWN = "metatap"
"""The recipe the bar is about."""

VARIANTS = ("metatap (all data)", "metatap (open licences)")
"""The same recipe on other training data."""

PEERS = ("logistic regression", "1-NN margin", "random forest", "extra trees", "LightGBM", "SVM")
"""Learners on the same support and background, measured on several draws."""

SHORTCUTS = ("port only", "best feature")
"""What needs no learning; a table in which these do well says little."""

CONTENDERS = (*PEERS, *SHORTCUTS)
"""Those among whom the bar looks for the best peer."""

SINGLE = ("XGBoost", "isolation forest", "ECOD", "half-space trees")
"""Learners measured on draw 0 alone."""

ABLATIONS = (
    "metatap (float32)",
    "trunk + logistic regression",
    "trunk + prototypes",
    "no pre-training",
    "MAML",
    "ANIL",
)
"""The recipe with a part taken out or swapped."""

ORDER = (OWN, *VARIANTS, *CONTENDERS, *SINGLE, *ABLATIONS)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in the order of this module; names it does not know come last, by letter."""
    known = {name: at for at, name in enumerate(ORDER)}
    return tuple(sorted(set(names), key=lambda name: (known.get(name, len(ORDER)), name)))
