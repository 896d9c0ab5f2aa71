"""`bench.crossfit`: a threshold is read on flows the method did not know."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from metatap.features import WIDTH
from metatap_training.bench.crossfit import PARTS, cross_fitted, parts
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


def a_problem(background: np.ndarray, hosts: np.ndarray | None = None) -> Problem:
    """With this background, by default of one host."""
    rng = np.random.default_rng(1)
    support, queries = (rng.random((n, background.shape[1]), dtype=np.float32) for n in (3, 7))
    names = Services(np.full(3, "a"), np.full(len(background), "b"), np.full(7, "c"))
    of = np.zeros(len(background), np.intp) if hosts is None else hosts
    return Problem(support, background, queries, 2, names, np.zeros(7, np.intp), 5, of)


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
    asked = method.asked[1:]
    assert sum(len(part.queries) for part in asked) == 60
    assert all(len(part.queries) + len(part.background) == 60 for part in asked)
    assert all(len(part.services.background) == len(part.background) for part in asked)


def test_few_hosts_leave_parts_of_flows_equal_ones_together(background: np.ndarray) -> None:
    """Parts are about as large as each other."""
    part = parts(a_problem(background, np.arange(60) % (PARTS - 1)))
    assert np.array_equal(part[:30], part[30:])
    assert np.bincount(part).tolist() == pytest.approx([15] * PARTS, abs=2)


def test_no_host_is_scored_by_a_method_that_knows_it(background: np.ndarray) -> None:
    """Where there are enough of them; one large host is a part."""
    hosts = np.repeat(np.arange(13), [24, *[3] * 12])
    problem = a_problem(background, hosts)
    part = parts(problem)
    for host in range(13):
        assert len(np.unique(part[hosts == host])) == 1
    assert len(np.unique(part)) > 1
    method = Memory()
    cross_fitted(method, problem, method.answer(problem))
    for one in method.asked[1:]:
        assert not np.isin(one.ground_hosts, one.hosts).any()


def test_as_many_hosts_as_parts_are_enough(background: np.ndarray) -> None:
    """Each is a part then."""
    hosts = np.arange(60) % PARTS
    part = parts(a_problem(background, hosts))
    assert len(set(zip(part.tolist(), hosts.tolist(), strict=True))) == PARTS
