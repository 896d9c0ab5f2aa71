"""The budget with heads made on the network's own flows, anew as the agent does it."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from metatap.adaptation.background import AFTER, CHANGE_LEAST, DRIFTED_HALF_LIVES, LEAST
from metatap.adaptation.budget import estimate
from metatap.adaptation.carry import carried
from metatap.adaptation.clock import HOUR
from metatap.adaptation.reservoir import Reservoir
from metatap.adaptation.tail import Tail
from metatap.detector import Model, RuleSet
from tests.agent.adaptation import test_budget_networks as budgets
from tests.agent.adaptation.test_budget_networks import ADAPTED, DAYS, EVERY, SEEDS, Attack, Run
from tests.agent.adaptation.traffic import FloatArray, Seen, drawn, seen, stretched
from tests.agent.detector.networks import Network

lab, rules, attacks = budgets.lab, budgets.rules, budgets.attacks

DRAWS = SEEDS[:3]


class Local:
    """Rules, their tail and the flows kept, on one network after another."""

    def __init__(self, rules: RuleSet, floors: FloatArray, seed: int) -> None:
        assert isinstance(rules.model, Model)
        self.model = rules.model
        self.rules = rules
        self.floors = floors
        self.tail = Tail(floors, 0)
        self.changes = 0
        self._kept = Reservoir(2048, 0.05, seed=seed)
        self._taken_at: int | None = None
        self._embedded: dict[int, FloatArray] = {}

    @property
    def own(self) -> FloatArray:
        return self.rules.thresholds[: len(self.rules.packs)]

    def scored(self, flows: Seen) -> Seen:
        """Flows with the scores of the heads in force."""
        if not self.changes:
            return flows
        key = id(flows.features)
        if key not in self._embedded:
            self._embedded[key] = self.model.embed(self.model.select(flows.features))
        return replace(flows, scores=self._scores(self._embedded[key], self.rules))

    def keep(self, flows: Seen, now: int) -> None:
        """Show flows to tail and sample."""
        flows.show(self.tail, now)
        rows, numbers = self._kept.draw(len(flows), now)
        admitted = self._kept.admits(flows.host[rows], numbers)
        rows, numbers = rows[admitted], numbers[admitted]
        self._kept.add(flows.features[rows], flows.host[rows], numbers, now)

    def drift(self, now: int) -> None:
        """An hour after the network has changed."""
        self.tail.forget(now, now - HOUR)
        self._kept.age(now - HOUR, DRIFTED_HALF_LIVES)
        self._taken_at = None

    def adapt(self, now: int) -> None:
        """Make the heads anew where the agent would."""
        is_early = self._taken_at is not None and now - self._taken_at < CHANGE_LEAST
        if now < AFTER or is_early or len(self._kept.features) < LEAST:
            return
        local = self.model.embed(self.model.select(self._kept.features))
        new = RuleSet.build(self.model, self.rules.packs, 1e-4, local=local)
        assert len(new.packs) == len(self.rules.packs)
        names = tuple(pack.id for pack in new.packs)
        some = local[:: max(len(local) // 512, 1)][:512]
        scores = self._scores(some, self.rules), self._scores(some, new)
        self.floors = np.quantile(scores[1], 0.99, axis=0, method="higher").astype(np.float32)
        same = np.zeros(len(names), np.bool_)
        self.tail = carried(self.tail, (names, names), scores, self.floors, now, same=same)
        self.rules, self._taken_at = new, now
        self.changes += 1

    def _scores(self, embedding: FloatArray, rules: RuleSet) -> FloatArray:
        count = len(rules.packs)
        found = embedding @ rules.heads[:-1, :count] + rules.heads[-1, :count]
        return np.ascontiguousarray(found, np.float32)


def run(
    networks: list[list[Seen]],
    attacks: list[tuple[int, Seen]],
    rules: RuleSet,
    budget: float,
    seed: int,
) -> Run:
    """As `test_budget_networks.run`, with heads that follow the network."""
    rng = np.random.default_rng(seed)
    first = np.concatenate([hour.scores for hour in networks[0]])
    local = Local(rules, np.quantile(first, 0.99, axis=0).astype(np.float32), seed)
    shares = [(budget, np.arange(len(rules.packs)))]
    realised = np.zeros(DAYS * len(networks))
    benign, done = [], []
    for number, hours in enumerate(networks):
        for hour, flows in drawn(hours, DAYS * 24, rng, number * DAYS * 24):
            now = hour * HOUR
            if number and hour == number * DAYS * 24 + 1:
                local.drift(now)
            local.adapt(now)
            part = local.scored(flows)
            found = estimate(local.tail, shares, local.floors, local.own, now).thresholds
            realised[hour // 24] += len(part.alerts(found))
            benign.append(part)
            local.keep(part, now + HOUR - 1)
            if rng.random() < 1 / EVERY:
                pack, threat = attacks[int(rng.integers(len(attacks)))]
                time = now + np.sort(rng.integers(HOUR, size=len(threat)))
                threat = local.scored(threat.at(time, int(rng.integers(2**62))))
                done.append(Attack(pack, hour, threat, found))
                local.keep(threat, now + HOUR - 1)
    assert local.changes == 2 * len(networks)
    return Run(budget, realised, benign, done, local.floors)


def mean(
    name: str,
    networks: list[list[Seen]],
    attacks: list[tuple[int, Seen]],
    rules: RuleSet,
    budget: float,
) -> tuple[list[float], list[float], list[float]]:
    """Of several draws and each network: realised / budget, recall, and that of unchanged heads."""
    rates, recalls, plain = [], [], []
    for seed in DRAWS:
        found = run(networks, attacks, rules, budget, seed)
        other = budgets.run(networks, attacks, rules, [budget], seed=seed)[0]
        for first in range(0, DAYS * len(networks), DAYS):
            days = first + ADAPTED, first + DAYS
            rates.append(found.realised[slice(*days)].mean() / budget)
            recalls.append(found.recall(*days)[0])
            plain.append(other.recall(*days)[0])
    shape = len(DRAWS), len(networks)
    rate, recall, before = (
        np.reshape(values, shape).mean(axis=0).round(3).tolist()
        for values in (rates, recalls, plain)
    )
    sys.stdout.write(
        f"\n{name}, {budget:g} a day, local heads: realised {rate} of the budget (draws "
        f"{np.round(sorted(rates), 2).tolist()}), recall {recall}, of reference heads {before}\n"
    )
    return rate, recall, before


@pytest.mark.untraced
def test_the_budget_holds_in_the_lab(
    lab: dict[str, Network], rules: RuleSet, attacks: list[tuple[int, Seen]]
) -> None:
    """Local heads keep the budget, and find about as much as those of the reference."""
    hours = {}
    for name, network in lab.items():
        rows = np.flatnonzero(network.benign)
        hours[name] = stretched(seen(network.flows.take(rows), network.features[rows], rules), 200)
    before = hours["office"] + hours["branch"]
    after = before + hours["clinic"] + hours["plant"]
    rate, recall, plain = mean("lab", [before, after], attacks, rules, 10.0)
    assert all(0.3 <= one <= 2.0 for one in rate)
    assert all(one >= 0.9 * other for one, other in zip(recall, plain, strict=True))


@pytest.mark.shared
@pytest.mark.untraced
def test_a_public_server_is_more_than_local_heads_can_follow(
    rules: RuleSet, attacks: list[tuple[int, Seen]]
) -> None:
    """What docs/adaptation.md says against them: after the change over the budget, fewer found."""
    before = budgets.read_hours("vast-m57-zeek", rules, 10**6)
    before += budgets.read_hours("stratosphere-idps-comparison", rules, 10**6)
    after = before + budgets.read_hours("rita-testdata", rules, 40_000)
    rate, recall, plain = mean("office and server", [before, after], attacks, rules, 10.0)
    assert 0.3 <= rate[0] <= 2.0
    assert 2.0 < rate[1] < 3.0
    assert recall[1] < plain[1]
