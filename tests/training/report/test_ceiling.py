"""The upper end of any choice among learners, against results whose figures are plain to see."""

from __future__ import annotations

from typing import Any

import pytest

from metatap_training.report.benchmark import benchmark
from metatap_training.report.benchmark_markdown import benchmark_markdown
from metatap_training.report.ceiling import ceilings
from metatap_training.report.methods import OWN
from metatap_training.report.read import from_arrow
from metatap_training.report.results import Results
from tests.training.report.synthetic import row, table

LR, SVM = "logistic regression", "SVM"


def results(tpr: dict[str, list[list[float]]], **fields: Any) -> Results:
    """TPR by method, family and draw."""
    return from_arrow(
        table(
            [
                row(table="own", method=name, family=f"made-up-{at}", draw=draw, tpr=value) | fields
                for name, families in tpr.items()
                for at, draws in enumerate(families)
                for draw, value in enumerate(draws)
            ]
        )
    )


def test_the_best_of_each_draw_is_taken() -> None:
    """Not the best of each cell, nor the best on average."""
    (found,) = ceilings(results({OWN: [[0.2, 0.8]], LR: [[0.6, 0.6]], SVM: [[0.4, 0.4]]}))
    assert (found.table, found.k, found.limit) == ("own", 5, 0.5)
    assert found.miss == pytest.approx(0.3)
    assert found.peer == LR
    assert found.peer_miss == pytest.approx(0.4)
    assert found.own_miss == pytest.approx(0.5)
    assert found.ratio == pytest.approx(0.75)


def test_only_draws_that_all_have_count() -> None:
    """A method measured on more draws has no more chances to be the best."""
    (found,) = ceilings(results({OWN: [[0.2, 0.9]], LR: [[0.6]]}))
    assert found.miss == pytest.approx(0.4)


def test_cells_that_nobody_finds_are_named() -> None:
    """The least found first; one of which a learner finds half is not lost."""
    tpr = {OWN: [[0.3], [0.1], [0.5]], LR: [[0.2], [0.2], [0.1]]}
    (found,) = ceilings(results(tpr))
    assert [(one.name.partition(":")[0], one.method) for one in found.lost] == [
        ("made-up-1", LR),
        ("made-up-0", OWN),
    ]
    assert [one.own for one in found.lost] == pytest.approx([0.1, 0.3])


def test_without_peers_or_test_cells_there_is_none() -> None:
    """An upper end needs a choice, and validation cells are not reported."""
    assert not list(ceilings(results({OWN: [[0.5]]})))
    assert not list(ceilings(results({LR: [[0.5]], SVM: [[0.5]]})))
    assert not list(ceilings(results({OWN: [[0.5]], LR: [[0.4]]}, role="validation")))


def test_the_card_says_it() -> None:
    """With the bar beside it; a card made before there was this part still reads."""
    part = benchmark(results({OWN: [[0.2, 0.8]], LR: [[0.6, 0.6]]}), None)
    text = benchmark_markdown(part)
    assert f"| own | 5 | 0.500 | {LR} | 0.600 | 0.700 | 0.75 | 0.5 |" in text
    assert "What no choice" in text
    del part["ceiling"]
    assert "What no choice" not in benchmark_markdown(part)
