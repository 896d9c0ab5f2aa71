"""`bench.attacks`: what an attacker changes is changed everywhere, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap.features.table import INDEX
from metatap_training.bench.attacks import ATTACKS, PADDING, SLOWING, poisoned, split
from metatap_training.bench.cells import Table
from metatap_training.bench.draws import Drawer
from metatap_training.bench.problem import Problem
from tests.training.bench import made

CHANGED = ("padded", "slowed", "split")


@pytest.fixture(scope="module")
def problem() -> Problem:
    """A draw whose sizes, packets and durations hang together as the encoder has them."""
    (ground,) = Drawer(made.world(), [made.cell(Table.RANDOM)], 0).draw(5, 0)
    drawn = ground.problem
    rng, queries = np.random.default_rng(0), drawn.queries.copy()
    n = len(queries)
    given: dict[str, np.ndarray] = {
        "orig_pkts": rng.integers(4, 50, n), "resp_pkts": rng.integers(4, 50, n),
        "orig_bytes": rng.integers(400, 9000, n), "resp_bytes": rng.integers(400, 9000, n),
        "duration": rng.uniform(2000, 9000, n),
    }  # fmt: skip
    given["orig_ip_bytes"] = given["orig_bytes"] + 40 * given["orig_pkts"]
    given["resp_ip_bytes"] = given["resp_bytes"] + 40 * given["resp_pkts"]
    for name, values in given.items():
        queries[:, INDEX[name]] = values
    return replace(drawn, queries=queries)


def column(problem: Problem, name: str) -> np.ndarray:
    """float64 [q], of the positives."""
    return problem.queries[: problem.positives, INDEX[name]].astype(np.float64)


@pytest.mark.parametrize("name", CHANGED)
def test_only_positives_change_and_their_context_stays(problem: Problem, name: str) -> None:
    """The attacker has no hand in what is benign, nor in what was before."""
    hurt = ATTACKS[name](problem)
    q = problem.positives
    assert np.array_equal(hurt.queries[q:], problem.queries[q:], equal_nan=True)
    assert np.array_equal(hurt.support, problem.support, equal_nan=True)
    assert np.array_equal(hurt.background, problem.background, equal_nan=True)
    context = [at for at_name, at in INDEX.items() if at_name.startswith("context.")]
    assert np.array_equal(hurt.queries[:, context], problem.queries[:, context], equal_nan=True)
    assert not np.array_equal(hurt.queries[:q], problem.queries[:q], equal_nan=True)


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_made_of_the_changed_is_made_anew(problem: Problem, name: str) -> None:
    """A rate that did not fit its bytes and duration would give the attacker away."""
    hurt = ATTACKS[name](problem)
    size, packets = column(hurt, "orig_ip_bytes"), column(hurt, "orig_pkts")
    known = ~np.isnan(column(problem, "orig_pkt_size"))
    assert np.allclose(column(hurt, "orig_pkt_size")[known], (size / packets)[known], rtol=1e-4)
    total = size + column(hurt, "resp_ip_bytes")
    rate = total / (column(hurt, "duration") / 1e3)
    known = ~np.isnan(column(problem, "byte_rate"))
    assert np.allclose(column(hurt, "byte_rate")[known], rate[known], rtol=1e-4)
    gap = column(hurt, "duration") / (packets + column(hurt, "resp_pkts") - 1)
    known = ~np.isnan(column(problem, "pkt_interval"))
    assert np.allclose(column(hurt, "pkt_interval")[known], gap[known], rtol=1e-4)


def test_factors_are_within_what_is_stated(problem: Problem) -> None:
    """Whole bytes and packets."""
    padding = column(ATTACKS["padded"](problem), "orig_bytes")
    ratio = padding / column(problem, "orig_bytes")
    assert ratio.min() > 0.99
    assert ratio.max() <= PADDING + 0.01
    assert np.array_equal(padding, np.rint(padding))
    ratio = column(ATTACKS["slowed"](problem), "duration") / column(problem, "duration")
    assert ratio.min() > 0.99
    assert ratio.max() <= SLOWING + 0.01
    ratio = column(split(problem), "orig_bytes") / column(problem, "orig_bytes")
    assert ratio.max() <= 0.51
    assert column(split(problem), "orig_pkts").min() >= 1


def test_what_is_absent_stays_absent(problem: Problem) -> None:
    """Nothing is invented."""
    queries = problem.queries.copy()
    queries[:, [INDEX["duration"], INDEX["byte_rate"]]] = np.nan
    blind = replace(problem, queries=queries)
    for name in CHANGED:
        hurt = ATTACKS[name](blind)
        assert np.array_equal(np.isnan(hurt.queries), np.isnan(queries))


def test_poison_is_one_benign_flow_of_the_background(problem: Problem) -> None:
    """In the place of one example."""
    hurt = poisoned(problem)
    differs = [
        at
        for at, (one, two) in enumerate(zip(hurt.support, problem.support, strict=True))
        if not np.array_equal(one, two, equal_nan=True)
    ]
    assert len(differs) == 1
    background = {row.tobytes() for row in problem.background}
    assert hurt.support[differs[0]].tobytes() in background
    assert hurt.services.support[differs[0]] in set(problem.services.background)
