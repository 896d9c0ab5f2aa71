"""The rule that is made of an alert."""

from __future__ import annotations

from typing import Any

import pytest

from metatap.lists import ListError, rule_text
from metatap.lists.suppression import Scope, duration, is_fold, make_rule

FLOW: dict[str, Any] = {
    "id.orig_h": "10.0.0.1",
    "id.resp_h": "2001:db8::2",
    "id.resp_p": 443,
    "proto": "tcp",
    "service": "ssl",
    "ssl.server_name": "Updates.Example.com",
}
NOW = 1_764_300_000 * 10**9 + 123


def made(scope: Scope, flow: dict[str, Any] | None = None, **options: Any) -> list[str]:
    """The lines of the rule's text that say what it matches."""
    given: dict[str, Any] = {"reason": "known", "now": NOW} | options
    rule = make_rule(
        "0a1b2c3d4e5f60718293", "exfil", FLOW if flow is None else flow, scope, **given
    )
    lines = [line.strip(" -") for line in rule_text(rule).splitlines()]
    return [line for line in lines if line.split(":")[0] in {"orig", "resp", "domain", "pack"}]


@pytest.mark.parametrize(
    ("scope", "lines"),
    [
        (Scope.PAIR, ["orig: 10.0.0.1", "resp: 2001:db8::2", "pack: exfil"]),
        (Scope.ORIG, ["orig: 10.0.0.1", "pack: exfil"]),
        (Scope.RESP, ["resp: 2001:db8::2", "pack: exfil"]),
        (Scope.DOMAIN, ["domain: updates.example.com", "pack: exfil"]),
        (Scope.PACK, ["pack: exfil"]),
    ],
)
def test_a_scope_is_what_others_have_in_common(scope: Scope, lines: list[str]) -> None:
    """Always of the same pack: another threat of the same host is still told."""
    assert made(scope) == lines


def test_a_pattern_takes_the_place_of_the_name() -> None:
    """If the alert's own flow is among those it keeps quiet."""
    assert made(Scope.DOMAIN, domain="*.example.com") == ['domain: "*.example.com"', "pack: exfil"]
    with pytest.raises(ListError, match=r"does not match the alert's ssl.server_name 'Updates"):
        made(Scope.DOMAIN, domain="*.example.net")
    with pytest.raises(ListError, match="does not match the alert's flow, which has no name"):
        made(Scope.DOMAIN, {}, domain="*.example.net")


def test_a_host_header_is_taken_without_its_port() -> None:
    """As it is matched."""
    assert made(Scope.DOMAIN, {"http.host": "a.example:8080"})[0] == "domain: a.example"


@pytest.mark.parametrize(
    ("scope", "flow", "fault"),
    [
        (Scope.PAIR, {"id.orig_h": "10.0.0.1"}, "the alert has no address of the resp"),
        (Scope.DOMAIN, {"id.orig_h": "10.0.0.1"}, "the alert has none of ssl.server_name"),
        (Scope.ORIG, {"id.orig_h": "nonsense"}, "must be an address"),
        (Scope.ORIG, {"id.orig_h": "10.0.0.1", "id.resp_p": "x"}, "is not one of ours"),
    ],
)
def test_what_the_alert_lacks_is_named(scope: Scope, flow: dict[str, Any], fault: str) -> None:
    """No rule is made that would not match."""
    with pytest.raises(ListError, match=fault):
        made(scope, flow)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"reason": " "}, "--reason: is empty"),
        ({"reason": "a\nb"}, "--reason: must be one line"),
        ({"reason": "x" * 513}, "--reason: 513 characters, at most 512"),
        ({"author": "\x1b[31m"}, "--author: must be one line of characters that can be printed"),
    ],
)
def test_what_is_said_of_it_is_checked(options: dict[str, Any], fault: str) -> None:
    """Before the file is touched."""
    with pytest.raises(ListError, match=fault):
        made(Scope.PAIR, **options)


def test_it_expires_that_long_after_now() -> None:
    """To the second."""
    rule = make_rule("0a1b", "exfil", FLOW, Scope.PAIR, reason="a", now=NOW, seconds=duration("7d"))
    assert rule.expires == (NOW // 10**9 + 7 * 86400) * 10**9
    assert (rule.created, rule.alert) == ("2025-11-28T03:20:00Z", "0a1b")


def test_an_id_is_free() -> None:
    """A second rule of the same alert and scope gets a number."""
    taken: set[str] = set()
    for _ in range(3):
        rule = make_rule("0a1b", "exfil", FLOW, Scope.ORIG, reason="a", now=NOW, taken=taken)
        taken.add(rule.id)
    assert taken == {"alert-0a1b-orig", "alert-0a1b-orig-2", "alert-0a1b-orig-3"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("12h", 43200), ("7d", 604800), ("2w", 1209600)]
)
def test_durations(text: str, seconds: int) -> None:
    """Minutes, hours, days, weeks."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "0d", "-1d", "7 d", "1.5h", "9999d", "7y"])
def test_what_is_no_duration(text: str) -> None:
    """Is said with an example."""
    with pytest.raises(ValueError, match="such as 30m, 12h, 7d or 2w"):
        duration(text)


def test_a_fold_is_known_by_its_event() -> None:
    """By how many hosts it stands for."""
    assert is_fold({"metatap": {"alert": {"destinations": 1}}})
    assert not is_fold({"metatap": {"alert": {"id": "a"}}})
