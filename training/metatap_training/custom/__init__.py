"""A model from a user's own flows.

In: labelled flows, of which nothing is known but what `datasets` holds. Out: a model file like the
shipped one, whose card says what it was trained on. Refused, with a `DataError`: too few flows or
families, too few places to draw a background from.
"""

from metatap_training.custom.holdout import Holdout, hold_out
from metatap_training.custom.plan import Plan, plan

__all__ = ["Holdout", "Plan", "hold_out", "plan"]
