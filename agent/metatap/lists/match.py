"""Hits × rules: which rule matches a hit first, without looking at every pair.

Each rule is filed under the values of one criterion, the one whose values the fewest rules share.
What a hit meets of these values gives its candidates; their other criteria are then checked by
columns. (A form of the tuple space search of Srinivasan, Suri and Varghese, SIGCOMM 1999, with one
table a criterion.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metatap.lists.facts import Bools, Facts
from metatap.lists.fields import (
    Domains,
    Index,
    Matcher,
    Networks,
    PackIds,
    Pairs,
    PortRanges,
    Protos,
    Services,
    spread,
)
from metatap.lists.rule import CRITERIA, ListRule

MAX_CANDIDATES = 2**17
"""Pairs of hit and rule checked at once, at most, unless a single hit has more."""

NO_RULE = -1

_PREFERRED = ("resp", "orig", "host", "domain", "pack", "port", "service", "proto")
"""Which criterion a rule is filed under, of those whose values are equally rare."""

_MATCHERS: dict[str, Callable[[Sequence[Any]], Matcher]] = {
    "orig": lambda values: Networks(values, ["orig"]),
    "resp": lambda values: Networks(values, ["resp"]),
    "host": lambda values: Networks(values, ["orig", "resp"]),
    "domain": Domains,
    "port": PortRanges,
    "proto": Protos,
    "service": Services,
    "pack": PackIds,
}


@dataclass(frozen=True, slots=True)
class _Filed:
    """The rules that are filed under one criterion.

    Attributes:
        starts: intp [V], where the rules filed under a value begin in `rules`.
        counts: intp [V], how many.
        rules: Their numbers.
        of: bool [R], whether a rule is among them.
    """

    starts: Index
    counts: Index
    rules: Index
    of: Bools

    def only(self, alive: Bools) -> _Filed:
        """Without the rules of which `alive` (bool [R]) is False."""
        is_left = alive[self.rules]
        if is_left.all():
            return self
        before = np.concatenate([[0], np.cumsum(is_left)])
        starts = before[self.starts]
        counts = before[self.starts + self.counts] - starts
        return _Filed(starts, counts, self.rules[is_left], self.of)


@dataclass(frozen=True, slots=True)
class _Criterion:
    """One criterion of all R rules.

    Attributes:
        matcher: Which of the V distinct values a hit meets.
        size: V.
        starts: intp [R], where a rule's values begin in `values`.
        counts: intp [R], how many it has; 0: it does not ask.
        values: Their numbers.
        filed: The rules filed here, which need not be checked here any more.
    """

    matcher: Matcher
    size: int
    starts: Index
    counts: Index
    values: Index
    filed: _Filed


class RuleIndex:
    """The rules of all lists, ready for matching; the first that matches a hit counts."""

    def __init__(self, rules: Sequence[ListRule]) -> None:
        """File R rules."""
        self._rules = len(rules)
        numbers: dict[str, dict[Any, int]] = {}
        shared: dict[str, list[int]] = {}
        for name in CRITERIA:
            known: dict[Any, int] = {}
            counts: list[int] = []
            for rule in rules:
                for value in getattr(rule, name):
                    at = known.setdefault(value, len(counts))
                    if at == len(counts):
                        counts.append(0)
                    counts[at] += 1
            if known:
                numbers[name], shared[name] = known, counts
        filed_under = [_key(rule, numbers, shared) for rule in rules]
        self._criteria = {
            name: _criterion(name, rules, filed_under, numbers[name]) for name in numbers
        }

    @property
    def needs_service(self) -> bool:
        """Whether a rule asks for services."""
        return "service" in self._criteria

    @property
    def needs_names(self) -> bool:
        """Whether a rule asks for names."""
        return "domain" in self._criteria

    def first(self, facts: Facts, alive: Bools) -> Index:
        """The first rule that matches each of h hits.

        Args:
            facts: Of the hits.
            alive: bool [R], False of rules that are not to match.

        Returns:
            intp [h], numbers of rules, `NO_RULE` where none matches.
        """
        found = np.full(len(facts), self._rules, np.intp)
        if self._criteria and len(facts):
            self._search(facts, alive, found)
        return np.where(found == self._rules, NO_RULE, found)

    def _search(self, facts: Facts, alive: Bools, found: Index) -> None:
        """Write into `found` (a view), in halves where there are too many candidates."""
        met = {name: one.matcher.find(facts) for name, one in self._criteria.items()}
        filed = self._filed(alive)
        if _candidates(met, filed) > MAX_CANDIDATES:
            for name, one in self._criteria.items():
                alive = alive & _possible(one, met[name])
            filed = self._filed(alive)
            if _candidates(met, filed) > MAX_CANDIDATES and len(facts) > 1:
                half = len(facts) // 2
                self._search(facts.part(0, half), alive, found[:half])
                self._search(facts.part(half, len(facts)), alive, found[half:])
                return
        hits, rules = _paired(met, filed)
        for name, one in self._criteria.items():
            if not len(rules):
                return
            is_right = _holds(one, met[name], hits, rules)
            hits, rules = hits[is_right], rules[is_right]
        np.minimum.at(found, hits, rules)

    def _filed(self, alive: Bools) -> dict[str, _Filed]:
        """What is filed under each criterion, without rules that are not to match."""
        return {name: one.filed.only(alive) for name, one in self._criteria.items()}


def _candidates(met: dict[str, Pairs], filed: dict[str, _Filed]) -> int:
    """Pairs of hit and rule, of which what the rule is filed under holds."""
    return sum(int(one.counts[met[name].values].sum()) for name, one in filed.items())


def _paired(met: dict[str, Pairs], filed: dict[str, _Filed]) -> tuple[Index, Index]:
    """These pairs: intp [p] hits and intp [p] rules."""
    hits, rules = [], []
    for name, one in filed.items():
        values = met[name].values
        owner, at = spread(one.starts[values], one.counts[values])
        hits.append(met[name].hits[owner])
        rules.append(one.rules[at])
    return np.concatenate(hits), np.concatenate(rules)


def _key(rule: ListRule, numbers: dict[str, dict[Any, int]], shared: dict[str, list[int]]) -> str:
    """The criterion a rule is filed under."""
    asked = [name for name in _PREFERRED if getattr(rule, name)]
    return min(
        asked,
        key=lambda name: sum(shared[name][numbers[name][value]] for value in getattr(rule, name)),
    )


def _criterion(
    name: str, rules: Sequence[ListRule], filed_under: Sequence[str], numbers: dict[Any, int]
) -> _Criterion:
    counts = np.array([len(getattr(rule, name)) for rule in rules], np.intp)
    values = np.array([numbers[v] for rule in rules for v in getattr(rule, name)], np.intp)
    is_filed = np.array([key == name for key in filed_under], np.bool_)
    owner = np.repeat(np.arange(len(rules)), counts)
    is_here = is_filed[owner]
    order = np.argsort(values[is_here], kind="stable")
    filed_counts = np.bincount(values[is_here], minlength=len(numbers)).astype(np.intp)
    filed_starts = np.cumsum(filed_counts) - filed_counts
    return _Criterion(
        matcher=_MATCHERS[name](list(numbers)),
        size=len(numbers),
        starts=np.cumsum(counts) - counts,
        counts=counts,
        values=values,
        filed=_Filed(filed_starts, filed_counts, owner[is_here][order], is_filed),
    )


def _possible(one: _Criterion, met: Pairs) -> Bools:
    """bool [R], whether any hit meets a value that the rule asks for, if it asks."""
    is_met = np.zeros(one.size, np.bool_)
    is_met[met.values] = True
    before = np.concatenate([[0], np.cumsum(is_met[one.values])])
    right: Bools = (before[one.starts + one.counts] > before[one.starts]) | (one.counts == 0)
    return right


def _holds(one: _Criterion, met: Pairs, hits: Index, rules: Index) -> Bools:
    """bool [p], whether the hit of each pair meets a value that its rule asks for, if any."""
    right: Bools = (one.counts[rules] == 0) | one.filed.of[rules]
    asked = np.flatnonzero(~right)
    if not len(asked):
        return right
    owner, at = spread(one.starts[rules[asked]], one.counts[rules[asked]])
    wanted = hits[asked[owner]] * one.size + one.values[at]
    known = np.sort(met.hits * one.size + met.values)
    if len(known):
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        right[asked[owner[known[place] == wanted]]] = True
    return right
