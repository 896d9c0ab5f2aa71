"""What a method says of background it does not know, from which its threshold is read.

Most methods have fitted the background they are given and score it lower than any other flow; a
threshold read on it is too low. So every method, the own one too, is asked about each half of the
background knowing only the other (cross-fitting). Flows whose own features are equal are in one
half. A random forest's votes out of bag are the same thing at less cost, and are taken as they are.
"""

from __future__ import annotations

import numpy as np

from metatap_training.bench.methods import Fitted
from metatap_training.bench.problem import Answer, Mask, Problem, Scores
from metatap_training.preprocess.clean import OWN


def cross_fitted(fitted: Fitted, problem: Problem, answer: Answer) -> Scores:
    """An answer with scores of the background, each half scored without it.

    Args:
        fitted: The method that answered.
        problem: What it was asked.
        answer: What it said.
    """
    if answer.background is not None:
        return Scores(answer.background, answer.queries, answer.chance)
    first = halves(problem)
    background = np.empty(len(first))
    for asked in (first, ~first):
        part = problem.about_background(~asked, asked)
        background[asked] = fitted.answer(part).queries
    return Scores(background, answer.queries, answer.chance)


def halves(problem: Problem) -> Mask:
    """bool [m], one half of the background at random; equal flows are on one side."""
    own = np.ascontiguousarray(problem.background[:, OWN])
    rows = own.view(np.dtype((np.void, own.dtype.itemsize * own.shape[1])))[:, 0]
    _, place, counts = np.unique(rows, return_inverse=True, return_counts=True)
    order = np.random.default_rng(problem.seed).permutation(len(counts))
    before = np.cumsum(counts[order]) - counts[order]
    side = np.zeros(len(counts), np.bool_)
    side[order] = before < len(rows) / 2
    return np.asarray(side[place])
