"""The budget on traffic of stored networks, one of them spliced in, under attack.

A day is made of hours drawn at random (block bootstrap); thresholds are asked for every hour and
used on the next one, so every alert counted is one on traffic that the estimate had not seen. The
best threshold is that which the benign traffic itself, seen in hindsight, gives for the budget.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pytest

from metatap.adaptation.budget import estimate, fill
from metatap.adaptation.clock import HOUR
from metatap.adaptation.tail import Tail
from metatap.context import Context
from metatap.detector import Model, RuleSet, shipped_model
from metatap.features import encode
from metatap.flow import concat
from metatap.offline.stream import flows, open_sources
from metatap.packs import load_folder
from metatap.runtime.shipped import shipped_packs
from metatap_training.datasets import find_flows
from metatap_training.datasets.sources import DataError
from tests.agent.adaptation.traffic import Seen, by_hour, drawn, seen, stretched
from tests.agent.detector.networks import Network, read_network

FAMILIES = (
    "dns_tunnel",
    "http_beacon",
    "port_scan",
    "ssh_bruteforce",
    "slow_http",
    "syn_flood",
    "exfiltration",
    "https_beacon",
)
"""The starter packs' in their order, then those taught here."""

ADAPTED = 2
"""Days until the budget holds, at the start and after a splice: what docs/adaptation.md says."""

EVERY = 24
"""Hours from one attack to the next, on average."""

SEEDS = range(8, 14)
"""Draws that no constant of the estimate was chosen on."""

DAYS = 6
"""Days of each network."""


@dataclass(frozen=True, slots=True, eq=False)
class Attack:
    """An attack of one hour from one host.

    Attributes:
        pack: Index of the pack that is meant to find it.
        hour: When.
        flows: Its flows.
        thresholds: In force in that hour.
    """

    pack: int
    hour: int
    flows: Seen
    thresholds: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What came of a run with one budget.

    Attributes:
        budget: Alerts a day.
        realised: Alerts of each day on benign traffic.
        benign: Each hour of it.
        attacks: All attacks.
        floors: float32 [P].
    """

    budget: float
    realised: np.ndarray
    benign: list[Seen]
    attacks: list[Attack]
    floors: np.ndarray

    def recall(self, first: int, last: int) -> tuple[float, float]:
        """Share of attacks' flows found on some days: by the thresholds in force, by the best."""
        best = best_thresholds(self.benign[first * 24 : last * 24], self.budget, self.floors)
        used = [a for a in self.attacks if first * 24 <= a.hour < last * 24]
        found = [(a.flows.scores[:, a.pack] >= a.thresholds[a.pack]).mean() for a in used]
        could = [(a.flows.scores[:, a.pack] >= best[a.pack]).mean() for a in used]
        return float(np.mean(found)), float(np.mean(could))


def best_thresholds(benign: list[Seen], budget: float, floors: np.ndarray) -> np.ndarray:
    """What the traffic itself gives for a budget, shared out as the agent does."""
    days = len(benign) / 24
    keys = [np.stack([h.pair, (h.time // (300 * 10**9)).astype(np.uint64)]) for h in benign]
    _, which = np.unique(np.concatenate(keys, axis=1), axis=1, return_inverse=True)
    scores = np.concatenate([hour.scores for hour in benign])
    highest = np.full((int(which.max()) + 1, len(floors)), -np.inf, np.float32)
    np.maximum.at(highest, which.ravel(), scores)
    highest = -np.sort(-highest, axis=0)
    shares = fill(budget, (highest >= floors).sum(axis=0) / days)
    places = np.minimum((shares * days).astype(int), len(highest) - 1)
    found: np.ndarray = np.maximum(highest[places, np.arange(len(floors))], floors)
    return found


def run(
    networks: list[list[Seen]],
    attacks: list[tuple[int, Seen]],
    rules: RuleSet,
    budgets: list[float],
    *,
    seed: int,
) -> list[Run]:
    """Days of one network after another, an attack in each hour with a chance of 1 in `EVERY`.

    What the tail sees hangs on no threshold, and it watches all keys for each of these budgets, so
    one tail serves them all.
    """
    rng = np.random.default_rng(seed)
    own = rules.thresholds[: len(rules.packs)]
    first = np.concatenate([hour.scores for hour in networks[0]])
    floors = np.quantile(first, 0.99, axis=0).astype(np.float32)
    tail = Tail(floors, 0)
    everyone = np.arange(len(own))
    days, benign = DAYS * len(networks), list[Seen]()
    found = [Run(budget, np.zeros(days), benign, [], floors) for budget in budgets]
    for number, hours in enumerate(networks):
        for hour, part in drawn(hours, DAYS * 24, rng, number * DAYS * 24):
            now = hour * HOUR
            thresholds = [
                estimate(tail, [(budget, everyone)], floors, own, now).thresholds
                for budget in budgets
            ]
            for one, used in zip(found, thresholds, strict=True):
                one.realised[hour // 24] += len(part.alerts(used))
            benign.append(part)
            part.show(tail, now + HOUR - 1)
            if rng.random() < 1 / EVERY:
                pack, flows_ = attacks[int(rng.integers(len(attacks)))]
                time = now + np.sort(rng.integers(HOUR, size=len(flows_)))
                flows_ = flows_.at(time, int(rng.integers(2**62)))
                for one, used in zip(found, thresholds, strict=True):
                    one.attacks.append(Attack(pack, hour, flows_, used))
                flows_.show(tail, now + HOUR - 1)
    return found


def check(
    name: str,
    networks: list[list[Seen]],
    attacks: list[tuple[int, Seen]],
    rules: RuleSet,
    budgets: list[float],
) -> None:
    """Several draws: realised and recall after the adaptation, of each network and budget."""
    draws = [run(networks, attacks, rules, budgets, seed=seed) for seed in SEEDS]
    for budget, runs in zip(budgets, zip(*draws, strict=True), strict=True):
        rates, recalls = [], []
        for found in runs:
            for first in range(0, DAYS * len(networks), DAYS):
                days = first + ADAPTED, first + DAYS
                rates.append(found.realised[slice(*days)].mean() / budget)
                recalls.append(found.recall(*days))
        shape = (len(SEEDS), len(networks))
        rate = np.reshape(rates, shape).mean(axis=0)
        recall, best = np.reshape(recalls, (*shape, 2)).mean(axis=0).T
        sys.stdout.write(
            f"\n{name}, {budget:g} a day: realised {np.round(rate, 2)} of the budget "
            f"(draws {np.round(sorted(rates), 2)}), recall {np.round(recall, 3)}, best "
            f"{np.round(best, 3)}\n"
        )
        assert (rate >= 0.3).all(), budget
        assert (rate <= 2.0).all(), budget
        assert (recall >= 0.9 * best).all(), budget


@pytest.fixture(scope="module")
def lab() -> dict[str, Network]:
    return {
        name: read_network(f"{name}-logs", f"{name}.labels.csv")
        for name in ("office", "branch", "clinic", "plant")
    }


@pytest.fixture(scope="module")
def rules(lab: dict[str, Network]) -> RuleSet:
    """The starter packs, and four taught from the clinic."""
    packs = load_folder(shipped_packs())[0]
    rng = np.random.default_rng(0)
    clinic = lab["clinic"]
    for family in FAMILIES[len(packs) :]:
        rows = rng.choice(clinic.of(family), 8, replace=False)
        packs.append(clinic.pack(family.replace("_", "-"), rows, packs[0]))
    return RuleSet.build(Model(shipped_model()), packs, 1e-4)


@pytest.fixture(scope="module")
def attacks(lab: dict[str, Network], rules: RuleSet) -> list[tuple[int, Seen]]:
    """Attacks in the branch and in the plant."""
    found = []
    for name in ("branch", "plant"):
        network = lab[name]
        for pack, family in enumerate(FAMILIES):
            rows = network.of(family)
            if len(rows):
                found.append((pack, seen(network.flows.take(rows), network.features[rows], rules)))
    return found


@pytest.mark.untraced
def test_the_budget_holds_in_the_lab_when_the_network_changes(
    lab: dict[str, Network], rules: RuleSet, attacks: list[tuple[int, Seen]]
) -> None:
    """The office and the branch for six days, then the clinic's and the plant's traffic as well."""
    hours = {}
    for name, network in lab.items():
        rows = np.flatnonzero(network.benign)
        hours[name] = stretched(seen(network.flows.take(rows), network.features[rows], rules), 200)
    before = hours["office"] + hours["branch"]
    after = before + hours["clinic"] + hours["plant"]
    check("lab", [before, after], attacks, rules, [10.0, 40.0])


def read_hours(name: str, rules: RuleSet, most: int, least: int = 20) -> list[Seen]:
    """Hours of what is not malicious of a stored source, of its first flows."""
    try:
        folder = find_flows() / name
    except DataError as error:
        pytest.skip(str(error))
    parts = []
    rows = 0
    for part in flows(open_sources([str(folder)]), Context()):
        parts.append(part)
        rows += part[0].rows
        if rows >= most:
            break
    batch = concat([part for part, _ in parts])
    context = np.concatenate([known for _, known in parts])
    return by_hour(seen(batch, encode(batch, context), rules), least)


@pytest.mark.untraced
@pytest.mark.shared
def test_the_budget_holds_when_a_public_server_joins_an_office(
    rules: RuleSet, attacks: list[tuple[int, Seen]]
) -> None:
    """A small office for six days, then a server as well that thousands of hosts scan."""
    before = read_hours("vast-m57-zeek", rules, 10**6)
    before += read_hours("stratosphere-idps-comparison", rules, 10**6)
    after = before + read_hours("rita-testdata", rules, 40_000)
    check("office and server", [before, after], attacks, rules, [10.0, 20.0])
