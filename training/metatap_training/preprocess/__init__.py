"""Cleaning: label noise and duplicates out, families into groups.

In: `Flows` as published. Out: `Flows` fit to draw tasks from. Dropped, counted under these names:
`duplicate`, `like_benign` (see `clean`).
"""

from metatap_training.preprocess.clean import DUPLICATES_KEPT, Cleaned, clean
from metatap_training.preprocess.columns import is_context, without
from metatap_training.preprocess.groups import GroupError, Groups, read_groups
from metatap_training.preprocess.scaling import CLIP, Scaling, fit_scaling, spread

__all__ = [
    "CLIP",
    "DUPLICATES_KEPT",
    "Cleaned",
    "GroupError",
    "Groups",
    "Scaling",
    "clean",
    "fit_scaling",
    "is_context",
    "read_groups",
    "spread",
    "without",
]
