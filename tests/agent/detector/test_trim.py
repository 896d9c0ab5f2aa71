"""What an attack in the background costs a pack."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tests.agent.detector.networks import Network, read_network

from metatap.detector import Model, shipped_model
from metatap.detector.trim import local_background, trimmed
from metatap.features import encode
from metatap.packs import Pack, load_folder
from metatap.runtime.shipped import shipped_packs

FAMILIES = {
    "dns-tunnel": "dns_tunnel",
    "http-beacon": "http_beacon",
    "port-scan": "port_scan",
    "ssh-bruteforce": "ssh_bruteforce",
}
BACKGROUND = 1500


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(shipped_model())


@pytest.fixture(scope="module")
def packs() -> list[Pack]:
    return load_folder(shipped_packs())[0]


def rate(
    model: Model,
    pack: Pack,
    network: Network,
    attack: float,
    rng: np.random.Generator,
    *,
    trim: bool,
) -> float:
    """True positives at one false one in a hundred, on flows that are not in the background."""
    embedding = model.embed(model.select(network.features))
    benign = rng.permutation(np.flatnonzero(network.benign))
    threat = rng.permutation(network.of(FAMILIES[pack.id]))
    bad = threat[: min(int(attack * BACKGROUND), len(threat) // 2)]
    local = embedding[np.concatenate([benign[: BACKGROUND - len(bad)], bad])]
    support = model.select(encode(pack.flows, pack.context))
    label = np.ones(len(support), np.float32)
    if pack.not_like is not None:
        counter = model.select(encode(pack.not_like, pack.not_like_context))
        support = np.concatenate([support, counter])
        label = np.append(label, np.zeros(len(counter), np.float32))
    reference = model.meta.background.embedding
    ground = np.concatenate([local, reference])
    if trim:
        ground = local_background(model, support, label, reference, local)
    head = model.adapt(support, label, ground)
    level = np.quantile(embedding[benign[BACKGROUND:]] @ head[:-1] + head[-1], 0.99)
    rest = embedding[threat[len(threat) // 2 :]] @ head[:-1] + head[-1]
    return float((rest > level).mean())


@pytest.mark.parametrize("name", ["branch", "clinic", "plant"])
def test_one_per_cent_of_attack_costs_less_than_five_points(
    model: Model, packs: list[Pack], name: str
) -> None:
    """Over the starter packs of the office, in each other network; without trimming it is more."""
    network = read_network(f"{name}-logs", f"{name}.labels.csv")
    found = {
        (attack, trim): np.mean(
            [
                rate(model, pack, network, attack, np.random.default_rng(seed), trim=trim)
                for pack in packs
                for seed in range(2)
            ]
        )
        for attack, trim in ((0.0, True), (0.01, True), (0.01, False))
    }
    sys.stdout.write(f"\n{name}: { {key: round(float(at), 3) for key, at in found.items()} }\n")
    assert found[0.01, True] >= found[0.0, True] - 0.05
    assert found[0.01, True] > found[0.01, False]


def test_the_highest_share_is_left_out() -> None:
    """Five in a hundred, those that a head scores highest; a small background stays whole."""
    background = np.arange(200, dtype=np.float32)[:, None]
    kept = trimmed(background, np.array([1.0, 0.0], np.float32))
    np.testing.assert_array_equal(kept, background[:190])
    np.testing.assert_array_equal(trimmed(background[:19], np.ones(2, np.float32)), background[:19])
