"""From an alert to the rule that keeps its like quiet."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from metatap.flow import Row
from metatap.lists import values
from metatap.lists.append import time_text
from metatap.lists.facts import facts_of_flows
from metatap.lists.lists import ListFile, Lists
from metatap.lists.read import MAX_REASON
from metatap.lists.rule import Domain, ListError, ListRule, Network

FILE = "suppressions.yaml"
"""The list that rules made from alerts go to."""

_DURATION = re.compile(r"([0-9]{1,6})(m|h|d|w)")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_MAX_DAYS = 3660
_NAMES = ("ssl.server_name", "http.host", "dns.query")


T = TypeVar("T")


class Scope(StrEnum):
    """What the alerts must have in common with the one given, besides the pack."""

    PAIR = "pair"
    ORIG = "orig"
    RESP = "resp"
    DOMAIN = "domain"
    PACK = "pack"


def duration(text: str) -> int:
    """Seconds of `30m`, `12h`, `7d` or `2w`.

    Raises:
        ValueError: it is none of these, nothing, or more than ten years.
    """
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= _MAX_DAYS * 86400:
        raise ValueError(f"{text}: must be a time such as 30m, 12h, 7d or 2w, at most ten years")
    return seconds


def is_fold(document: Mapping[str, Any]) -> bool:
    """Whether an event as it was written is of many destinations, of which it shows one flow."""
    alert = document.get("metatap", {}).get("alert", {})
    return bool(alert.get("destinations"))


def make_rule(
    alert: str,
    pack: str,
    flow: Row,
    scope: Scope,
    *,
    reason: str,
    now: int,
    seconds: int | None = None,
    domain: str = "",
    author: str = "",
    taken: Collection[str] = (),
) -> ListRule:
    """The rule that matches an alert's flow and its like.

    Args:
        alert: Id of the alert.
        pack: Id of its pack; the rule is of this pack alone.
        flow: The flow it shows, under Zeek's field names.
        scope: What others must have in common with it.
        reason: Why.
        now: ns since the epoch.
        seconds: How long it matches, None: for good.
        domain: With `Scope.DOMAIN` the pattern instead of the flow's own name.
        author: Who made it.
        taken: Ids that are not free.

    Raises:
        ListError: the flow lacks what the scope needs, or the rule would not match it.
    """
    now -= now % 1_000_000_000
    criteria: dict[str, Any] = {"pack": (_checked("pack", values.identifier, pack),)}
    if scope in {Scope.PAIR, Scope.ORIG}:
        criteria["orig"] = (_address(flow, "orig", scope),)
    if scope in {Scope.PAIR, Scope.RESP}:
        criteria["resp"] = (_address(flow, "resp", scope),)
    if scope is Scope.DOMAIN:
        criteria["domain"] = (_domain(flow, domain),)
    rule = ListRule(
        id=_id(alert, scope, taken),
        reason=_checked("--reason", lambda text: values.line(text, MAX_REASON), reason.strip()),
        expires=None if seconds is None else now + seconds * 1_000_000_000,
        author=_checked("--author", lambda text: values.line(text, 128), author.strip()),
        created=time_text(now),
        alert=alert[:64],
        **criteria,
    )
    if not rule.reason:
        raise ListError("--reason: is empty")
    if not _matches(rule, flow, now):
        raise ListError(f"--domain {domain}: does not match the alert's {_own_names(flow)}")
    return rule


def _matches(rule: ListRule, flow: Row, now: int) -> bool:
    try:
        facts = facts_of_flows([flow], list(rule.pack))
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ListError(f"alert {rule.alert}: its flow is not one of ours: {error}") from None
    return Lists([ListFile(Path(), "", (rule,))]).first(facts, now)[0] is not None


def _address(flow: Row, side: str, scope: Scope) -> Network:
    address = flow.get(f"id.{side}_h")
    if not isinstance(address, str):
        raise ListError(f"--scope {scope}: the alert has no address of the {side}")
    return _checked(f"id.{side}_h", values.network, address)


def _domain(flow: Row, pattern: str) -> Domain:
    if pattern:
        return _checked("--domain", values.domain, pattern)
    for name in _NAMES:
        text = flow.get(name)
        if isinstance(text, str) and text:
            host = text.rpartition(":")[0] if re.search(r":[0-9]+$", text) else text
            return _checked(name, values.domain, host)
    raise ListError(f"--scope domain: the alert has none of {', '.join(_NAMES)}")


def _own_names(flow: Row) -> str:
    found = [f"{name} {flow[name]!r}" for name in _NAMES if flow.get(name)]
    return ", ".join(found) or "flow, which has no name"


def _checked(name: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise ListError(f"{name}: {error}") from None


def _id(alert: str, scope: Scope, taken: Collection[str]) -> str:
    """An id that is free: of alert and scope, with a number where there is one already."""
    digits = re.sub("[^a-z0-9]", "", alert.lower())[:16]
    name = f"alert-{digits}-{scope}"
    if name not in taken:
        return name
    return next(f"{name}-{n}" for n in range(2, len(taken) + 3) if f"{name}-{n}" not in taken)
