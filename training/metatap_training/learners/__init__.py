"""The meta-learner: a trunk, and a head made in closed form from a few examples.

In: normalised features and episodes. Out: a trained `Committee` of `MetaRidge`.
"""

from metatap_training.learners.committee import Committee
from metatap_training.learners.model import Embedder, MetaRidge
from metatap_training.learners.ridge import RidgeHead
from metatap_training.learners.train import Recipe, train

__all__ = ["Committee", "Embedder", "MetaRidge", "Recipe", "RidgeHead", "train"]
