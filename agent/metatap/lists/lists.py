"""The lists in force: what they keep from becoming an alert, and what is known of each rule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from metatap.alerts import Alert
from metatap.detector import Detections
from metatap.lists.facts import Facts, facts_of_alerts, facts_of_hits
from metatap.lists.fields import Index
from metatap.lists.match import NO_RULE, RuleIndex
from metatap.lists.rule import ListRule

MAX_SHOWN = 1000
"""Rules listed in a status, at most; the others are summed up."""

NAMED = 20
"""Rules named in one line of the log, at most."""

CHUNK = 4096
"""Hits looked at together, at most."""

NEVER = np.iinfo(np.int64).max

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListFile:
    """One file that is in force.

    Attributes:
        path: The file.
        sha256: Hex digest of what was read.
        rules: Its rules.
    """

    path: Path
    sha256: str
    rules: tuple[ListRule, ...]


@dataclass(slots=True)
class Tally:
    """What one rule did.

    Attributes:
        hits: Hits suppressed.
        aggregates: Open aggregates closed.
        first: When it first did either, ns since the epoch by the agent's clock.
        last: When last.
    """

    hits: int = 0
    aggregates: int = 0
    first: int = 0
    last: int = 0

    def note(self, now: int, *, hits: int = 0, aggregates: int = 0) -> None:
        """Add to it."""
        self.hits += hits
        self.aggregates += aggregates
        self.first = self.first or now
        self.last = max(self.last, now)


@dataclass(slots=True)
class _Totals:
    """Over all rules, those no longer in force included."""

    hits: int = 0
    aggregates: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)


class Lists:
    """All rules in force, the first of which that matches a hit counts.

    Used by one thread. The rules do not change; new lists take the counts of the old ones over.
    """

    def __init__(self, files: Sequence[ListFile] = ()) -> None:
        """Lists of some files, in their order; ids must be unique."""
        self.files = tuple(files)
        self.rules = tuple(rule for one in files for rule in one.rules)
        self._index = RuleIndex(self.rules)
        self._expires = np.array(
            [NEVER if rule.expires is None else rule.expires for rule in self.rules], np.int64
        )
        self._next = int(self._expires.min(initial=NEVER))
        self._totals = _Totals()

    def __len__(self) -> int:
        """Rules, expired ones included."""
        return len(self.rules)

    def apply(self, detections: Detections, now: int) -> Detections:
        """Take out the hits that a rule matches, and count them.

        Args:
            detections: A scored batch.
            now: By the agent's clock, ns since the epoch: what has expired matches no more.

        Returns:
            The batch with the hits that are left.
        """
        self._expire(now)
        if not len(detections.rows) or not self.rules:
            return detections
        alive = self._alive(now)
        index = self._index
        found = np.concatenate(
            [
                index.first(
                    facts_of_hits(
                        detections,
                        slice(start, start + CHUNK),
                        with_service=index.needs_service,
                        with_names=index.needs_names,
                    ),
                    alive,
                )
                for start in range(0, len(detections.rows), CHUNK)
            ]
        )
        left = found == NO_RULE
        if left.all():
            return detections
        self._note(found[~left], now)
        return replace(detections, rows=detections.rows[left], packs=detections.packs[left])

    def matching(self, alerts: Sequence[Alert], now: int) -> list[str | None]:
        """Id of the first rule that matches each alert's flow, None where there is none.

        Of a fold, only the originator and the pack are looked at: its flow stands for others.
        """
        found = self.first(facts_of_alerts(alerts), now)
        return [None if rule is None else rule.id for rule in found]

    def closing(self, alerts: Sequence[Alert], now: int) -> list[str | None]:
        """As `matching`, of open aggregates that are then closed: each is counted."""
        found = self.matching(alerts, now)
        for name in found:
            if name is not None:
                self._totals.aggregates += 1
                self._totals.tallies.setdefault(name, Tally()).note(now, aggregates=1)
        return found

    def first(self, facts: Facts, now: int) -> list[ListRule | None]:
        """The first rule that matches each of some facts."""
        self._expire(now)
        if not self.rules:
            return [None] * len(facts)
        found = self._index.first(facts, self._alive(now)).tolist()
        return [None if at == NO_RULE else self.rules[at] for at in found]

    def take_over(self, before: Lists) -> None:
        """Go on with the counts of the lists before; those of rules that are gone stay in sums."""
        old = before._totals
        ids = {rule.id for rule in self.rules}
        self._totals = _Totals(
            old.hits,
            old.aggregates,
            {name: tally for name, tally in old.tallies.items() if name in ids},
            {name for name in old.expired if name in ids},
        )

    def status(self, now: int | None = None) -> dict[str, Any]:
        """What is in force and what it did, for people and JSON; times in seconds.

        Rules that did something come first, the latest of them first; `MAX_SHOWN` at most.
        """
        at = time.time_ns() if now is None else now
        self._expire(at)
        totals = self._totals
        order = sorted(self.rules, key=lambda rule: -self._tally(rule).last)
        expired = [rule.id for rule in self.rules if rule.is_over(at)]
        return {
            "files": [str(one.path) for one in self.files],
            "rules": len(self.rules),
            "suppressed": totals.hits,
            "aggregates_closed": totals.aggregates,
            "expired": expired[:MAX_SHOWN],
            "expired_count": len(expired),
            "by_rule": [self._shown(rule, at) for rule in order[:MAX_SHOWN]],
            "not_shown": max(len(order) - MAX_SHOWN, 0),
        }

    def _alive(self, now: int) -> npt.NDArray[np.bool_]:
        return self._expires > now

    def _note(self, found: Index, now: int) -> None:
        """Count the hits that rules matched, and name rules that did so for the first time."""
        new = []
        for at, hits in zip(*np.unique(found, return_counts=True), strict=True):
            name = self.rules[at].id
            if name not in self._totals.tallies:
                new.append(name)
            self._totals.tallies.setdefault(name, Tally()).note(now, hits=int(hits))
        self._totals.hits += len(found)
        if new:
            log.info("hits_suppressed", rules=new[:NAMED], count=len(new))

    def _expire(self, now: int) -> None:
        """Name the rules that have expired since the last look, each once."""
        if now < self._next:
            return
        later = self._expires[self._expires > now]
        self._next = int(later.min(initial=NEVER))
        over = [rule for rule in self.rules if rule.is_over(now)]
        new = [rule.id for rule in over if rule.id not in self._totals.expired]
        if new:
            self._totals.expired.update(new)
            log.warning("list_rules_expired", rules=new[:NAMED], count=len(new))

    def _tally(self, rule: ListRule) -> Tally:
        return self._totals.tallies.get(rule.id, _NOTHING)

    def _shown(self, rule: ListRule, now: int) -> dict[str, Any]:
        tally = self._tally(rule)
        shown: dict[str, Any] = {
            "id": rule.id,
            "reason": rule.reason,
            "file": str(rule.path),
            "line": rule.line,
            "hits": tally.hits,
            "aggregates": tally.aggregates,
        }
        if tally.last:
            shown |= {"first": tally.first / 1e9, "last": tally.last / 1e9}
        if rule.expires is not None:
            moment = datetime.fromtimestamp(rule.expires // 1_000_000_000, UTC)
            shown |= {"expires": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "is_over": rule.is_over(now)}
        return shown


_NOTHING = Tally()
