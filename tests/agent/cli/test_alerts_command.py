"""`metatap alerts`, beside a history as an agent leaves it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.agent.alerts.scored import SCAN, SSH, detections, explain, flow, rules
from tests.agent.commands import metatap

from metatap.alerts import Aggregator, Alert, encode_ecs
from metatap.state.history import AlertHistory

HOUR = 3_600_000_000_000


@dataclass(frozen=True)
class Site:
    """What an agent left behind.

    Attributes:
        state: Its history.
        alerts: Of ssh, IPv6, a text of the wire with control characters, a scan; the first one
            raised two days ago, each of the others an hour after the one before.
    """

    state: Path
    alerts: list[Alert]

    def listed(self, *words: str) -> list[str]:
        """First digits of what is listed."""
        done = metatap("alerts", "--state", self.state, *words)
        assert done.returncode == 0, done.stderr
        return [line.split()[0] for line in done.stdout.splitlines()[2:]]

    def ids(self, *at: int) -> list[str]:
        return [self.alerts[one].id[:8] for one in at]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    rows = [
        flow("C1"),
        flow("C2", id__orig_h="2001:db8::1", id__resp_h="2001:db8::2"),
        flow("C3", id__orig_h="10.9.0.1", id__resp_h="10.0.0.3", service="ssl\x1b[31m"),
        flow("C4", id__orig_h="10.9.0.2", id__resp_h="10.0.0.4"),
    ]
    scores = [[2.0, 0.0]] * 3 + [[0.0, 3.0]]
    made = Aggregator("tap-1", explain).add(detections(rows, scores, rules(SSH, SCAN)))
    begin = time.time_ns() - 48 * HOUR
    alerts = [replace(alert, created=begin + at * HOUR) for at, alert in enumerate(made)]
    history = AlertHistory.open(tmp_path / "state")
    history.add(alerts, [encode_ecs(alert) for alert in alerts])
    history.close()
    return Site(tmp_path / "state", alerts)


def test_the_newest_come_first(site: Site) -> None:
    """With who, what and how sure; what the wire says is escaped."""
    assert site.listed() == site.ids(3, 2, 1, 0)
    text = metatap("alerts", "--state", site.state).stdout
    assert "port-scan       10.9.0.2 → 10.0.0.4:22 (ssh)" in text
    assert "2001:db8::1 → [2001:db8::2]:22 (ssh)" in text
    assert "3.00 over 1.00" in text
    assert r"(ssl\x1b[31m)" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--pack", "port-scan"), (3,)),
        (("--host", "10.9.0.0/16"), (3, 2)),
        (("--host", "10.0.0.3"), (2,)),
        (("--host", "2001:db8::/32"), (1,)),
        (("--host", "0.0.0.0/0", "--pack", "ssh-bruteforce"), (2, 0)),
        (("--since", "2790m"), (3, 2)),
        (("--since", "1970-01-01"), (3, 2, 1, 0)),
        (("--since", "30m"), ()),
        (("--most", "3"), (3, 2, 1)),
        (("--host", "192.0.2.1"), ()),
    ],
)
def test_filters(site: Site, words: tuple[str, ...], found: tuple[int, ...]) -> None:
    """By pack, by either host, by time, by number; together they narrow."""
    assert site.listed(*words) == site.ids(*found)


def test_what_is_left_out_is_said(site: Site) -> None:
    """Only where there is more."""
    assert (
        "--most shows more than 3" in metatap("alerts", "--state", site.state, "--most", "3").stderr
    )
    assert metatap("alerts", "--state", site.state, "--most", "4").stderr == ""
    assert "no such alert" in metatap("alerts", "--state", site.state, "--pack", "none").stderr


def test_by_verdict(site: Site) -> None:
    """What people made of them, or that nobody did; it is shown."""
    for at, verdict in ((0, "true"), (2, "false")):
        words = ("feedback", site.alerts[at].id, "--verdict", verdict, "--state", site.state)
        assert metatap(*words, "--note", "ours").returncode == 0
    assert site.listed("--verdict", "true") == site.ids(0)
    assert site.listed("--verdict", "false") == site.ids(2)
    assert site.listed("--verdict", "none") == site.ids(3, 1)
    lines = metatap("alerts", "--state", site.state).stdout.splitlines()
    assert lines[-1].rstrip().endswith("over 1.00  true")


def test_one_object_a_line(site: Site) -> None:
    """With ids and flow in full, and what people made of it."""
    first = site.alerts[0]
    words = ("feedback", first.id, "--verdict", "true", "--note", "seen", "--state", site.state)
    metatap(*words)
    done = metatap("alerts", "--state", site.state, "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["id"] for one in found] == [alert.id for alert in reversed(site.alerts)]
    last = found[-1]
    assert (last["verdict"], last["note"]) == ("true", "seen")
    assert last["flow"] == first.flow
    assert (last["score"], last["threshold"]) == (first.score, first.threshold)
    assert found[0]["verdict"] == "none"
    assert "note" not in found[0]


@pytest.mark.parametrize(
    ("words", "status", "fault"),
    [
        (("--host", "10.0.0.1/8"), 2, "has bits beyond its length"),
        (("--since", "yesterday"), 2, "or how long ago, such as 24h or 7d"),
        (("--most", "0"), 2, "--most"),
        (("--state", "/nowhere"), 1, "no agent has kept alerts there"),
    ],
)
def test_wrong_use_is_told(site: Site, words: tuple[str, ...], status: int, fault: str) -> None:
    """On standard error, with the exit status of its kind."""
    done = metatap("alerts", "--state", site.state, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert fault in done.stderr


def test_a_variable_names_the_configuration(site: Site, tmp_path: Path) -> None:
    """Where `--config` is not given; that goes before it, and a variable of an option too."""
    config, other = tmp_path / "metatap.yaml", tmp_path / "other.yaml"
    config.write_text("state: state\n")
    other.write_text("state: nowhere\n")
    named = str(config)
    there = metatap("alerts", "--state", site.state)
    assert metatap("alerts", METATAP_CONFIG=named).stdout == there.stdout
    assert "nowhere" in metatap("alerts", "--config", other, METATAP_CONFIG=named).stderr
    set_too = metatap("alerts", METATAP_CONFIG=named, METATAP_STATE="nowhere")
    assert "nowhere" in set_too.stderr
    assert metatap("alerts", METATAP_CONFIG="").returncode == 1
    gone = metatap("alerts", METATAP_CONFIG=str(tmp_path / "gone.yaml"))
    assert "gone.yaml: can't be read" in gone.stderr


def test_commands_without_the_option_take_the_variable_too(tmp_path: Path) -> None:
    """`metatap packs list` lists the configured folder."""
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "mine.yaml").write_text("none\n")
    config = tmp_path / "metatap.yaml"
    config.write_text("packs: packs\n")
    assert "mine" in metatap("packs", "list", METATAP_CONFIG=str(config)).stdout
