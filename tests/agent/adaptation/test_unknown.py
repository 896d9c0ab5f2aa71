"""The pack `unknown`: flows unlike anything on the network."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from metatap.adaptation.unknown import (
    ID,
    LEAST,
    RIDGE,
    Unknown,
    has_unknown,
    score_unknown,
    with_unknown,
)
from metatap.alerts import Aggregator
from metatap.detector import Detector, Model, RuleSet, shipped_model
from metatap.packs import load_folder
from metatap.runtime.shipped import shipped_packs
from tests.agent.detector.networks import Network, read_network


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet.build(Model(shipped_model()), load_folder(shipped_packs())[0], 1e-4)


@pytest.fixture(scope="module")
def plant() -> Network:
    return read_network("plant-logs", "plant.labels.csv")


def auroc(above: np.ndarray, below: np.ndarray) -> float:
    """Chance that one of `above` is higher than one of `below`."""
    order = np.sort(below)
    left, right = (np.searchsorted(order, above, side) for side in ("left", "right"))
    return float((left + right).mean() / 2 / len(below))


def embedded(rules: RuleSet, network: Network) -> np.ndarray:
    model = rules.model
    assert isinstance(model, Model)
    return model.embed(model.select(network.features))


def test_families_that_the_background_lacks_are_far_from_it(rules: RuleSet) -> None:
    """In each network of the lab, with 1,500 benign flows as background: AUROC of each family.

    With 15 flows of the family in the background it is less: it is no longer unlike all of it.
    """
    found: dict[str, list[float]] = {}
    dirty: dict[str, list[float]] = {}
    for name in ("office", "branch", "clinic", "plant"):
        network = read_network(f"{name}-logs", f"{name}.labels.csv")
        embedding = embedded(rules, network)
        benign = np.random.default_rng(0).permutation(np.flatnonzero(network.benign))
        unknown = Unknown.fit(embedding[benign[:1500]])
        usual = unknown.distance(embedding[benign[1500:]])
        for family in np.unique(network.family[~network.benign]):
            distance = unknown.distance(embedding[network.of(family)])
            found.setdefault(str(family), []).append(auroc(distance, usual))
            rows = network.of(family)
            bad, rest = np.split(rows, [min(15, len(rows) // 2)])
            mixed = Unknown.fit(embedding[np.concatenate([benign[: 1500 - len(bad)], bad])])
            with_bad = mixed.distance(embedding[rest]), mixed.distance(embedding[benign[1500:]])
            dirty.setdefault(str(family), []).append(auroc(*with_bad))
    means = {family: float(np.mean(values)) for family, values in found.items()}
    sys.stdout.write(f"\n{ {family: round(value, 3) for family, value in means.items()} }\n")
    less = np.mean([np.mean(values) for values in dirty.values()])
    sys.stdout.write(f"mean {np.mean([*means.values()]):.3f}, 1 % in the background {less:.3f}\n")
    assert np.mean([*means.values()]) >= 0.95
    assert min(means.values()) >= 0.85


def test_an_attack_in_the_background_is_nearer_but_not_usual(
    rules: RuleSet, plant: Network
) -> None:
    """With 15 flows of the family among the 1,500 the others are still further than most."""
    embedding = embedded(rules, plant)
    rng = np.random.default_rng(0)
    benign = rng.permutation(np.flatnonzero(plant.benign))
    threat = rng.permutation(plant.of("port_scan"))
    dirty = Unknown.fit(embedding[np.concatenate([benign[:1485], threat[:15]])])
    rest, usual = embedding[threat[15:]], embedding[benign[1500:]]
    assert auroc(dirty.distance(rest), dirty.distance(usual)) >= 0.85


def test_all_directions_give_the_full_mahalanobis_distance() -> None:
    """With every direction kept the cheap form is the plain one."""
    rng = np.random.default_rng(0)
    background = (rng.normal(size=(1000, 6)) * [1, 2, 3, 0.5, 1, 1]).astype(np.float32)
    unknown = Unknown._fit(background, 6)
    away = background - background.mean(0)
    covariance = away.T @ away / len(away)
    inverse = np.linalg.inv(covariance + RIDGE * np.trace(covariance) / 6 * np.eye(6))
    plain = np.log1p(np.einsum("nd,de,ne->n", away, inverse, away) / 6)
    np.testing.assert_allclose(unknown.distance(background), plain, rtol=1e-3, atol=1e-4)
    few = Unknown._fit(background, 3)
    assert (few.distance(background) >= 0).all()
    assert np.corrcoef(few.distance(background), plain)[0, 1] > 0.8


def test_a_background_needs_enough_flows() -> None:
    """Too few are refused; one of equal flows gives finite distances."""
    with pytest.raises(ValueError, match="at least"):
        Unknown.fit(np.zeros((LEAST - 1, 4), np.float32))
    unknown = Unknown.fit(np.ones((LEAST, 4), np.float32))
    assert np.isfinite(unknown.distance(np.zeros((3, 4), np.float32))).all()


@pytest.mark.parametrize("full", [False, True])
def test_it_is_a_pack_of_its_own_and_the_others_do_not_notice(
    rules: RuleSet, plant: Network, *, full: bool
) -> None:
    """Behind the last pack, in the padding or after it: alerts of its own, scores as before."""
    if full:
        rules = RuleSet(
            rules.model,
            rules.packs * 2,
            np.concatenate([rules.heads[:, :4]] * 2, axis=1),
            np.concatenate([rules.thresholds[:4]] * 2),
            rules.support * 2,
            {},
        )
    detector = Detector(rules)
    plain = detector.detect(plant.flows)
    benign = plain.embedding[plant.benign]
    unknown = Unknown.fit(benign)
    level = float(np.quantile(unknown.distance(benign), 0.99))
    extended = with_unknown(rules, level)
    assert has_unknown(extended)
    assert with_unknown(extended, level).heads is extended.heads
    detector.swap(extended)
    silent = detector.detect(plant.flows)
    np.testing.assert_array_equal(silent.rows, plain.rows)
    found = score_unknown(silent, unknown)
    count = len(rules.packs)
    np.testing.assert_allclose(found.scores[:, :count], plain.scores[:, :count], atol=1e-5)
    others = found.packs < count
    np.testing.assert_array_equal(found.rows[others], plain.rows)
    np.testing.assert_array_equal(found.packs[others], plain.packs)
    assert (found.scores[found.rows[~others], count] >= np.float32(level)).all()
    assert (np.diff(found.rows) >= 0).all()
    alerts = Aggregator("sensor").add(found)
    mine = [alert for alert in alerts if alert.rule.id == ID]
    assert mine
    assert mine[0].explanation.nearest_uid == ""


def test_without_it_detections_are_as_they_are(rules: RuleSet, plant: Network) -> None:
    """Off, or without embeddings, nothing is computed."""
    detections = Detector(rules).detect(plant.flows.take(np.arange(10)))
    unknown = Unknown.fit(np.random.default_rng(0).normal(size=(300, 224)).astype(np.float32))
    assert score_unknown(detections, unknown) is detections
    extended = with_unknown(rules, 1.0)
    bare = replace(detections, rules=extended, embedding=np.zeros((0, 0), np.float32))
    assert score_unknown(bare, unknown) is bare
