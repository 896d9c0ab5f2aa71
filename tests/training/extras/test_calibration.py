"""Calibration curves against what they should say of chances that are known."""

from __future__ import annotations

import numpy as np
import pytest

from metatap_training.extras.calibration import curve


def test_true_chances_lie_on_the_diagonal() -> None:
    """Flows that are positive as often as stated, both classes equally many."""
    rng = np.random.default_rng(0)
    chance = rng.random(40_000)
    hit = rng.random(40_000) < chance
    ordered = np.r_[chance[hit], chance[~hit]]
    found = curve("true", [(ordered, int(hit.sum()))])
    assert len(found.score) == 10
    np.testing.assert_allclose(found.score, found.share, atol=0.03)


def test_classes_weigh_alike_however_rare_the_threat() -> None:
    """Ten positives among a thousand, all stated as certain one way or the other."""
    found = curve("rare", [(np.r_[np.ones(10), np.zeros(1000)], 10)], bins=2)
    assert found.score == [0, 1]
    assert found.share == [0, 1]
    assert found.count == [1000, 10]


def test_draws_weigh_alike() -> None:
    """A draw of a hundred times the flows says no more."""
    small = (np.array([0.8, 0.2]), 1)
    large = (np.r_[np.full(100, 0.2), np.full(100, 0.8)], 100)
    found = curve("both", [small, large], bins=2)
    assert found.score == pytest.approx([0.2, 0.8])
    assert found.share == pytest.approx([0.5, 0.5])


def test_one_chance_for_all_leaves_few_bins_and_no_nan() -> None:
    """A method that states 0.5 of everything."""
    found = curve("flat", [(np.full(20, 0.5), 5)])
    assert set(found.score) == {0.5}
    assert sum(found.count) == 20
    assert all(0 <= share <= 1 for share in found.share)
