"""What a method says of background it does not know, from which its threshold is read.

Most methods have fitted the background they are given and score it lower than any other flow; a
threshold read on it is too low. So every method, the own one too, is asked about each part of the
background knowing only the others (cross-fitting). Parts are of whole hosts: what a network will
show next is hosts, or habits of hosts, that were not seen, and a part at random knows all of them
(docs/experiments.md has figures). Too few hosts can't tell; then parts are of flows, equal ones
together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap_training.bench.methods import Fitted
from metatap_training.bench.problem import Answer, Problem, Scores
from metatap_training.datasets.flows import IntArray
from metatap_training.preprocess.clean import OWN

PARTS = 4
"""Parts of the background, at most; fewer hosts than these do not make parts."""


def cross_fitted(fitted: Fitted, problem: Problem, answer: Answer) -> Scores:
    """An answer with scores of the background, each part scored without it.

    Args:
        fitted: The method that answered.
        problem: What it was asked.
        answer: What it said.
    """
    part = parts(problem)
    background = np.empty(len(part))
    for number in np.unique(part):
        asked = part == number
        background[asked] = fitted.answer(problem.about_background(~asked, asked)).queries
    return Scores(background, answer.queries, answer.chance)


def parts(problem: Problem) -> IntArray:
    """intp [m], the part of each background flow; parts are about as large as each other."""
    rng = np.random.default_rng(problem.seed)
    if len(np.unique(problem.ground_hosts)) >= PARTS:
        return _spread(problem.ground_hosts, rng)
    own = np.ascontiguousarray(problem.background[:, OWN])
    return _spread(own.view(np.dtype((np.void, own.dtype.itemsize * own.shape[1])))[:, 0], rng)


def _spread(groups: npt.NDArray[np.generic], rng: np.random.Generator) -> IntArray:
    """intp [m], groups in random order, cut where the parts would end."""
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(counts))
    middle = np.cumsum(counts[order]) - counts[order] / 2
    part = np.empty(len(counts), np.intp)
    part[order] = np.minimum(middle * PARTS // len(groups), PARTS - 1)
    return part[place]
