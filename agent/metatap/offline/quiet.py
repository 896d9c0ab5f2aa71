"""What a suppression would have kept quiet: a rule held against the alerts of the past."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from metatap.lists import ListFile, ListRule, Lists
from metatap.lists.facts import facts_of_flows
from metatap.lists.suppression import is_fold
from metatap.state.history_read import Judged
from metatap.state.stored import Stored

MOST = 10_000
"""Alerts of the past that are looked at, at most: the newest."""


@dataclass(slots=True)
class Quiet:
    """Alerts of the past that a rule matches.

    Attributes:
        known: Alerts looked at.
        matching: Of these, those the rule matches.
        true: Ids of those of them that were judged true, newest first.
        unreadable: Alerts passed over since their flow is not one of ours.
    """

    known: int = 0
    matching: int = 0
    true: list[str] = field(default_factory=list)
    unreadable: int = 0


def quiet_of(rule: ListRule, alerts: Iterable[Stored]) -> Quiet:
    """Hold a rule against the newest alerts.

    As the agent does with open alerts, of one on many destinations only originator and pack are
    looked at.

    Args:
        rule: The rule; one that has expired matches nothing.
        alerts: The alerts, newest first.
    """
    lists, now, found = Lists([ListFile(Path(), "", (rule,))]), time.time_ns(), Quiet()
    for alert in islice(alerts, MOST):
        flow = alert.flow
        if is_fold(alert.document):
            flow = {"id.orig_h": flow.get("id.orig_h", "")}
        try:
            facts = facts_of_flows([flow], [alert.pack])
        except (TypeError, ValueError, OverflowError, AttributeError):
            found.unreadable += 1
            continue
        found.known += 1
        if lists.first(facts, now)[0] is None:
            continue
        found.matching += 1
        if Judged.of(alert) is Judged.TRUE:
            found.true.append(alert.id)
    return found
