"""`evaluate`: what is left out is left out, of training and of every problem; the page adds up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metatap.features import NAMES
from metatap_training.bench.cells import Cell, Table
from metatap_training.bench.draws import Drawer
from metatap_training.bench.entrants import Entrant
from metatap_training.bench.folds import BenchError
from metatap_training.bench.learner import Learner
from metatap_training.bench.problem import Problem
from metatap_training.bench.run import Hooks, Plan, run
from metatap_training.bench.world import World
from metatap_training.evaluate.command import variants_named
from metatap_training.evaluate.page import page
from metatap_training.evaluate.variants import ALL, VARIANTS, variant
from metatap_training.preprocess import is_context
from tests.training.bench import made
from tests.training.bench.test_leakage import RECIPE

CONTEXT = np.array([is_context(name) for name in NAMES])
BARE = "no context"


@pytest.fixture(scope="module")
def world() -> World:
    torch.set_num_threads(1)
    return made.world()


def changed(problem: Problem, columns: np.ndarray) -> Problem:
    """The same with other values in some columns of its queries."""
    queries = problem.queries.copy()
    queries[:, columns] = np.random.default_rng(0).permutation(queries[:, columns])
    return replace(problem, queries=queries)


def test_a_variant_does_not_see_what_is_taken_away(world: World, tmp_path: Path) -> None:
    """Neither in training nor when asked, and kept weights say the same."""
    method = variant(BARE, RECIPE)
    (ground,) = Drawer(world, [made.cell()], 0).draw(5, 0)
    features = world.flows.features.copy()
    features[:, CONTEXT] = 7.0
    other = replace(world.flows, features=features)
    fitted, again = method.fit(world.flows, 0), method.fit(other, 0)
    scores = fitted.answer(ground.problem).queries
    assert np.array_equal(scores, again.answer(ground.problem).queries)
    assert np.array_equal(scores, fitted.answer(changed(ground.problem, CONTEXT)).queries)
    assert not np.array_equal(scores, fitted.answer(changed(ground.problem, ~CONTEXT)).queries)
    fitted.save(tmp_path / "x.pt")
    assert np.array_equal(scores, method.read(tmp_path / "x.pt").answer(ground.problem).queries)


def test_with_all_features_it_is_the_recipe(world: World) -> None:
    """The benchmark's own method, whose trained models it shares."""
    method, own = variant(ALL, RECIPE), Learner("metatap", RECIPE)
    assert repr(method.training) == repr(own.training)
    assert repr(variant(BARE, RECIPE).training) != repr(own.training)
    (ground,) = Drawer(world, [made.cell()], 0).draw(5, 0)
    one, two = (each.fit(world.flows, 0).answer(ground.problem) for each in (method, own))
    assert np.array_equal(one.queries, two.queries)


def test_every_variant_takes_context_away_and_nothing_else() -> None:
    """Each something else, so that rows of the page differ."""
    taken = {name: variant(name, RECIPE).columns for name in VARIANTS}
    assert not taken.pop(ALL)
    assert len(set(taken.values())) == len(taken)
    for columns in taken.values():
        assert columns
        assert all(is_context(name) for name in columns)
    assert np.array_equal(CONTEXT, np.isin(NAMES, taken[BARE]))


def test_the_page_has_the_means_of_what_was_measured(world: World, tmp_path: Path) -> None:
    """Every variant on the same draws; over families, of the mean over their draws."""
    cells: tuple[Cell, ...] = (made.cell(Table.RANDOM), made.cell(Table.OWN, "lab"))
    names = [ALL, BARE]
    entrants = tuple(
        Entrant(variant(name, replace(RECIPE, steps=1)), 2, tables=(Table.RANDOM, Table.OWN))
        for name in names
    )
    plan = Plan(cells, entrants, (1, 5), 0, tmp_path / "cache", tmp_path / "x.parquet")
    rows = run(plan, world, 1, Hooks(lambda *_: None, lambda _: None), "test")
    text = page(rows, names, draws=2, seed=0, command="metatap-train ablate")
    found = [row for row in rows.to_pylist() if row["network"] != "*"]
    drawn = {
        name: [(r["table"], r["k"], r["draw"]) for r in found if r["method"] == name]
        for name in names
    }
    assert drawn[ALL] == drawn[BARE]
    assert len(drawn[ALL]) == 8
    sections = text.split("\n## ")
    for table in ("random", "own"):
        (section,) = (part for part in sections if part.startswith(f"{table}\n"))
        lines = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
        for name, line in zip(names, lines[2:], strict=True):
            assert line[1].strip() == name
            for k, shown in zip((1, 5), line[2:4], strict=True):
                rates = [
                    row["tpr"]
                    for row in found
                    if (row["method"], row["table"], row["k"]) == (name, table, k)
                ]
                assert float(shown) == pytest.approx(np.mean(rates), abs=6e-4)
    assert "Not measured in this run: without the host," in text
    assert "capture" not in {part.splitlines()[0] for part in sections}


def test_variants_are_named_or_refused() -> None:
    """What all others are compared with is always there; a wrong name is shown with the right."""
    assert variants_named(None) == list(VARIANTS)
    assert variants_named(" no context ") == [ALL, BARE]
    with pytest.raises(BenchError, match=r"--variants: no variant nothing; there are all"):
        variants_named("nothing,no context")
