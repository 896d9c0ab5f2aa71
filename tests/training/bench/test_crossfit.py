"""`bench.crossfit`: a threshold is read on flows the method did not know."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from metatap.features import WIDTH
from metatap_training.bench.crossfit import cross_fitted, halves
from metatap_training.bench.problem import Answer, Problem, Services


@dataclass
class Memory:
    """A method that gives what it has seen a low score; keeps what it was given."""

    asked: list[Problem] = field(default_factory=list)

    def answer(self, problem: Problem) -> Answer:
        """1 for what it has not seen."""
        self.asked.append(problem)
        seen = {row.tobytes() for row in problem.background}
        return Answer(np.array([float(row.tobytes() not in seen) for row in problem.queries]))


def a_problem(background: np.ndarray) -> Problem:
    """With this background."""
    rng = np.random.default_rng(1)
    support, queries = (rng.random((n, background.shape[1]), dtype=np.float32) for n in (3, 7))
    names = Services(np.full(3, "a"), np.full(len(background), "b"), np.full(7, "c"))
    return Problem(support, background, queries, 2, names, np.zeros(7, np.intp), 5)


@pytest.fixture
def background() -> np.ndarray:
    """float32 [60, F], each flow twice."""
    rows = np.random.default_rng(0).random((30, WIDTH), dtype=np.float32)
    return np.concatenate([rows, rows])


def test_no_background_flow_is_scored_by_a_method_that_knows_it(background: np.ndarray) -> None:
    """Nor its double."""
    problem, method = a_problem(background), Memory()
    scores = cross_fitted(method, problem, method.answer(problem))
    assert (scores.background == 1).all()
    assert [len(part.queries) for part in method.asked[1:]] == [30, 30]
    assert all(len(part.services.background) == 30 for part in method.asked[1:])


def test_halves_keep_equal_flows_together(background: np.ndarray) -> None:
    """Each half is about half."""
    first = halves(a_problem(background))
    assert np.array_equal(first[:30], first[30:])
    assert first.sum() == 30


def test_votes_out_of_bag_are_taken_as_they_are(background: np.ndarray) -> None:
    """The method is asked no more."""
    method = Memory()
    answer = Answer(np.zeros(7), background=np.arange(60.0))
    scores = cross_fitted(method, a_problem(background), answer)
    assert np.array_equal(scores.background, np.arange(60.0))
    assert not method.asked
