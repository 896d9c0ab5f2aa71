"""`bench.peers`: each finds what is plain to see, and says the same twice."""

from __future__ import annotations

import numpy as np
import pytest

from metatap_training.bench.cells import Table
from metatap_training.bench.crossfit import cross_fitted
from metatap_training.bench.draws import Drawer
from metatap_training.bench.measures import figures
from metatap_training.bench.peers import PEERS, SINGLE, Peer
from metatap_training.bench.problem import Problem
from metatap_training.preprocess import Scaling, fit_scaling
from tests.training.bench import made

BLIND = {"isolation forest", "ECOD", "half-space trees"}
"""They know no example, and these threats are no odder than the rest."""

Given = tuple[Problem, Scaling]


@pytest.fixture(scope="module")
def given() -> Given:
    """A draw of ten flows and a normalisation."""
    world = made.world()
    (ground,) = Drawer(world, [made.cell(Table.OWN, "lab")], 0).draw(10, 0)
    return ground.problem, fit_scaling(world.flows, 0)


@pytest.mark.parametrize("peer", [*PEERS, *SINGLE], ids=lambda peer: peer.name)
def test_a_peer_finds_what_is_plain_to_see(peer: Peer, given: Given) -> None:
    """Far better than chance; scores are finite, one for each flow."""
    problem, scaling = given
    fitted = peer.with_scaling(scaling)
    answer = fitted.answer(problem)
    scores = cross_fitted(fitted, problem, answer)
    assert scores.background.shape == (len(problem.background),)
    assert scores.queries.shape == (len(problem.queries),)
    assert np.isfinite(scores.background).all()
    assert np.isfinite(scores.queries).all()
    assert np.array_equal(fitted.answer(problem).queries, answer.queries)
    if peer.name not in BLIND:
        found = figures(problem, scores)["auprc"]
        assert isinstance(found, float)
        assert found > 0.15


@pytest.mark.parametrize("peer", [p for p in SINGLE if p.name in BLIND], ids=lambda p: p.name)
def test_a_detector_of_the_odd_finds_the_odd(peer: Peer, given: Given) -> None:
    """Flows far outside of all that the background has."""
    problem, scaling = given
    queries = problem.queries.copy()
    queries[: problem.positives] = np.nan_to_num(queries[: problem.positives]) * 50 + 1e4
    odd = Problem(
        problem.support, problem.background, queries, problem.positives, problem.services,
        problem.hosts, problem.seed, problem.ground_hosts,
    )  # fmt: skip
    scores = peer.with_scaling(scaling).answer(odd).queries
    assert scores[: odd.positives].mean() > np.quantile(scores[odd.positives :], 0.9)
