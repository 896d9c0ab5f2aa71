"""docs/lists.md says what the code does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.agent.alerts.scored import SCAN, SSH, detections, flow, rules

from metatap.lists import ListFile, Lists, parse_list, rule_text
from metatap.lists.folder import MAX_ALL, MAX_FILES
from metatap.lists.read import FIELDS, MAX_RULES, MAX_VALUES
from metatap.lists.rule import CRITERIA
from metatap.lists.suppression import Scope, make_rule

PAGE = (Path(__file__).parents[3] / "docs" / "lists.md").read_text()
EXAMPLE, WRITTEN = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (match|no match) \|$", PAGE, re.MULTILINE)


def test_the_example_is_a_list_and_has_every_field() -> None:
    """Besides `resp`, which is written as `orig` is, and `alert`, shown below."""
    found = parse_list(EXAMPLE.encode(), Path("office.yaml"))
    assert [rule.id for rule in found][:2] == ["office-scanner", "backup-to-cloud"]
    words = set(re.findall(r"^\s+(?:- )?(\w+):", EXAMPLE, re.MULTILINE))
    assert words == {*FIELDS} - {"resp", "alert"}
    assert all(f"`{name}`" in PAGE for name in CRITERIA)


def test_the_example_keeps_quiet_what_it_says() -> None:
    """The scanner in its two packs alone, monitoring on either side."""
    lists = Lists([ListFile(Path(), "", parse_list(EXAMPLE.encode(), Path("office.yaml")))])
    flows = [
        flow("C1", id__orig_h="10.20.0.7"),
        flow("C2", id__resp_h="10.20.0.9"),
        flow("C3", id__orig_h="10.30.1.1", service="ssl", id__resp_p=8001),
        flow("C4", id__orig_h="10.20.0.8"),
    ]
    flows[2]["ssl.server_name"] = "eu.backup.example.com"
    now = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 10**9
    found = lists.apply(detections(flows, [[2.0, 2.0]] * 4, rules(SSH, SCAN)), now)
    assert found.rows.tolist() == [3, 3]


@pytest.mark.parametrize(("pattern", "name", "outcome"), ROWS)
def test_the_table_of_names(pattern: str, name: str, outcome: str) -> None:
    """Each row."""
    text = f'list: 1\nrules: [{{reason: test, domain: "{pattern}"}}]'
    lists = Lists([ListFile(Path(), "", parse_list(text.encode(), Path("a.yaml")))])
    left = lists.apply(detections([flow("C1") | {"dns.query": name}]), 0)
    assert outcome == ("no match" if len(left.rows) else "match")
    assert len(ROWS) == 8


def test_the_rule_of_the_command() -> None:
    """As `metatap suppress` writes it."""
    rule = make_rule(
        "5f2c9a01d3b47e60aa11bb22cc33dd44",
        "ssh-bruteforce",
        {"id.orig_h": "10.20.0.7", "id.resp_h": "10.30.1.4"},
        Scope.PAIR,
        reason="our scanner",
        now=int(datetime(2026, 11, 28, 9, 30, tzinfo=UTC).timestamp()) * 10**9,
        seconds=7 * 86400,
    )
    assert rule_text(rule) == WRITTEN


def test_bounds_are_those_of_the_code() -> None:
    """As the page gives them."""
    flat = " ".join(PAGE.split())
    assert f"at most {MAX_FILES} files of 1 MiB, {MAX_RULES:,} rules a file" in flat
    assert f"and {MAX_ALL:,} rules in all" in flat
    assert f"several values ({MAX_VALUES} at most)" in flat
