"""The bar, against tables whose verdict is plain to see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metatap_training.report.methods import OWN
from metatap_training.report.read import from_arrow
from metatap_training.report.realised import ALL, realised
from metatap_training.report.results import Results
from metatap_training.report.verdict import Labels, bar, judge
from tests.training.report.synthetic import row, table

LR, FOREST = "logistic regression", "random forest"


def _cells(tpr: dict[str, list[float]], **fields: Any) -> Results:
    """One family a value; all draws of a method alike."""
    rows = [
        row(family=f"made-up-{at}", method=method, tpr=value, draw=draw, **fields)
        for method, values in tpr.items()
        for at, value in enumerate(values)
        for draw in range(3)
    ]
    return from_arrow(table(rows))


def test_the_ratio_is_of_mean_miss_rates() -> None:
    """Misses of 0.1 and 0.2 against 0.4 and 0.6 make 0.15 / 0.5."""
    verdict = judge(_cells({OWN: [0.9, 0.8], LR: [0.6, 0.4]}), "random", 5)
    assert verdict is not None
    assert [verdict.own_miss, verdict.peer_miss] == pytest.approx([0.15, 0.5])
    assert verdict.ratio == pytest.approx(0.3)
    assert list(verdict.interval) == pytest.approx([0.25, 1 / 3])
    assert verdict.passed
    assert (verdict.families, verdict.cells, verdict.draws, verdict.ahead) == (2, 2, 3, 1.0)


def test_the_best_peer_is_the_one_that_misses_least() -> None:
    """The bar is against it, not against the first."""
    verdict = judge(_cells({OWN: [0.9], LR: [0.5], FOREST: [0.85]}), "random", 5)
    assert verdict is not None
    assert verdict.peer == FOREST
    assert verdict.faults[0] == "ratio 0.67 > 0.5"


def test_one_example_has_a_wider_limit() -> None:
    """0.6 of the misses passes at K = 1 and not at K = 5."""
    one, five = (_cells({OWN: [0.7, 0.7], LR: [0.5, 0.5]}, k=k) for k in (1, 5))
    assert (verdict := judge(one, "random", 1)) is not None
    assert verdict.passed
    assert (verdict := judge(five, "random", 5)) is not None
    assert not verdict.passed


def test_a_family_counts_once_however_many_cells_it_has() -> None:
    """Three networks of a family weigh as one of another."""
    rows = [
        row(family=family, network=network, method=method, tpr=tpr)
        for family, networks, own in (("made-up-a", "xyz", 0.9), ("made-up-b", "x", 0.5))
        for network in networks
        for method, tpr in ((OWN, own), (LR, 0.4))
    ]
    verdict = judge(from_arrow(table(rows)), "random", 5)
    assert verdict is not None
    assert verdict.own_miss == pytest.approx(0.3)
    assert verdict.cells == 4


def test_only_common_draws_are_compared() -> None:
    """Draws the peer lacks don't count, however bad they are."""
    rows = [row(method=OWN, draw=draw, tpr=0.9 if draw < 2 else 0.0) for draw in range(6)]
    rows += [row(method=LR, draw=draw, tpr=0.5) for draw in range(2)]
    verdict = judge(from_arrow(table(rows)), "random", 5)
    assert verdict is not None
    assert verdict.own_miss == pytest.approx(0.1)


def test_pooled_rows_and_validation_rows_are_not_cells() -> None:
    """They would count networks twice, and what settings were chosen on."""
    rows = [row(method=m, tpr=0.5) for m in (OWN, LR)]
    rows += [row(method=m, tpr=0.1, network="*") for m in (OWN, LR)]
    rows += [row(method=m, tpr=0.1, role="validation", family="made-up-v") for m in (OWN, LR)]
    verdict = judge(from_arrow(table(rows)), "random", 5)
    assert verdict is not None
    assert [verdict.cells, verdict.own_miss] == pytest.approx([1, 0.5])


def test_a_cell_far_behind_is_named() -> None:
    """One bad family among eleven good ones fails the bar although the mean is fine."""
    results = _cells({OWN: [0.95] * 11 + [0.3], LR: [0.2] * 11 + [0.6]})
    verdict = judge(results, "random", 5)
    assert verdict is not None
    assert verdict.behind == ("made-up-11: invented-west → invented-north",)
    assert verdict.faults == ("significantly behind in 1",)


def test_a_small_cell_is_never_significantly_behind() -> None:
    """The bar asks for 100 positives."""
    results = _cells({OWN: [0.95] * 11 + [0.3], LR: [0.2] * 11 + [0.6]}, positives=99)
    verdict = judge(results, "random", 5)
    assert verdict is not None
    assert verdict.passed


def test_level_is_not_behind_and_draws_below_80_percent_fail() -> None:
    """Equal TPRs are level; three of four cells are too few."""
    level = judge(_cells({OWN: [0.9] * 4, LR: [0.9] * 4}), "random", 5)
    assert level is not None
    assert level.ahead == 1
    fewer = judge(_cells({OWN: [0.99, 0.99, 0.99, 0.88], LR: [0.5] * 3 + [0.9]}), "random", 5)
    assert fewer is not None
    assert "ahead or level in 75% of cells" in fewer.faults


def test_nothing_missed_by_the_peer_alone_is_an_infinite_ratio() -> None:
    """And by both, a ratio of 1: no bar is passed by dividing by zero."""
    behind = judge(_cells({OWN: [0.9], LR: [1.0]}), "random", 5)
    both = judge(_cells({OWN: [1.0], LR: [1.0]}), "random", 5)
    assert behind is not None
    assert both is not None
    assert behind.ratio == np.inf
    assert both.ratio == 1
    assert not behind.passed
    assert not both.passed


def test_the_bar_needs_every_table() -> None:
    """What was not measured is missing, and the bar not passed."""
    found = bar(_cells({OWN: [0.95, 0.9], LR: [0.2, 0.3]}))
    assert [(v.table, v.k, v.passed) for v in found.verdicts] == [("random", 5, True)]
    assert len(found.missing) == 8
    assert not found.passed


def test_weak_labels_are_judged_apart() -> None:
    """Each kind of label sees its own cells."""
    rows = [
        row(family=f"made-up-{weak}", method=method, tpr=tpr, weak=weak)
        for weak, own in ((False, 0.9), (True, 0.6))
        for method, tpr in ((OWN, own), (LR, 0.5))
    ]
    results = from_arrow(table(rows))
    miss = {labels: judge(results, "random", 5, labels=labels) for labels in Labels}
    assert [round(v.own_miss, 3) for v in miss.values() if v] == [0.25, 0.1, 0.4]


def test_realised_rates_by_network() -> None:
    """One network at three times the rate fails; all pooled fail with it."""
    rows = [
        row(family=f"made-up-{at}", network=network, fpr_background=rate * (1 + at / 100))
        for network, rate in (("x", 1e-3), ("y", 3e-3))
        for at in range(8)
    ]
    pooled, first, second = realised(from_arrow(table(rows)))
    assert (pooled.network, first.network, second.network) == (ALL, "x", "y")
    assert (pooled.passed, first.passed, second.passed) == (False, True, False)
    assert pooled.rate == pytest.approx(2e-3 * 1.035)
