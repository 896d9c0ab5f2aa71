"""The measures and the baselines, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from metatap.offline.metrics import auprc, bootstrap_mean, threshold_at, tpr_at
from metatap_training.baselines.logistic import logistic
from metatap_training.baselines.nearest import nearest_margin
from metatap_training.baselines.port import port_only


def test_the_threshold_lets_no_more_than_the_rate_through() -> None:
    """Of 1,000 negatives one may exceed it at 1e-3: the second-highest is the threshold."""
    negative = np.arange(1000.0)
    assert threshold_at(negative, 1e-3) == 998
    assert tpr_at(np.array([998.0, 998.5, 999.0]), negative, 1e-3) == pytest.approx(2 / 3)


def test_too_few_negatives_allow_no_false_alarm() -> None:
    """With 999 negatives not one of them may be exceeded."""
    assert threshold_at(np.arange(999.0), 1e-3) == 998


def test_ties_count_against_the_finder() -> None:
    """A constant score finds nothing."""
    assert tpr_at(np.ones(5), np.ones(5000), 1e-3) == 0


def test_auprc_at_the_prevalence_of_the_sample_is_average_precision() -> None:
    """And a perfect ranking has area 1 at any prevalence."""
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1, 1, 40).round(1), rng.normal(0, 1, 160).round(1)
    label = np.r_[np.ones(40), np.zeros(160)]
    expected = average_precision_score(label, np.r_[positive, negative])
    assert auprc(positive, negative, 0.2) == pytest.approx(expected)
    assert auprc(negative + 100, negative, 0.01) == pytest.approx(1)


def test_auprc_of_a_constant_score_is_the_prevalence() -> None:
    """No skill, no area beyond chance."""
    assert auprc(np.zeros(10), np.zeros(90), 0.01) == pytest.approx(0.01)


def test_bootstrap_brackets_the_mean_and_repeats() -> None:
    """The same values give the same interval."""
    values = np.random.default_rng(1).normal(0.5, 0.1, 50)
    low, high = bootstrap_mean(values)
    assert low < values.mean() < high
    assert bootstrap_mean(values) == (low, high)


def test_nearest_margin_is_the_difference_of_distances() -> None:
    """Halfway between support and background it is zero."""
    support, background = np.zeros((1, 2), np.float32), np.array([[4, 0]], np.float32)
    queries = np.array([[0, 0], [2, 0], [4, 0]], np.float32)
    np.testing.assert_allclose(nearest_margin(support, background, queries), [4, 0, -4])


def test_port_only_prefers_services_the_background_lacks() -> None:
    """A service that was not in the support ranks below all that were."""
    support, background = np.array(["tcp/22", "tcp/80"]), np.array(["tcp/80", "tcp/443"])
    scores = port_only(support, background, np.array(["tcp/22", "tcp/80", "udp/53"]))
    np.testing.assert_allclose(scores, [0.5, 0.0, -1.0])


def test_logistic_regression_ranks_the_threat_first() -> None:
    """A few positives weigh as much as the whole background."""
    rng = np.random.default_rng(0)
    background = rng.normal(0, 1, (200, 4)).astype(np.float32)
    support = rng.normal(3, 1, (3, 4)).astype(np.float32)
    scores = logistic(support, background, np.concatenate([support, background]), 1.0)
    assert scores[:3].min() > np.median(scores[3:])
