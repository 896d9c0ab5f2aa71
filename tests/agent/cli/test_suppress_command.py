"""`metatap suppress`, run as a user runs it, from an alert to the hit that is quiet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.agent.alerts.scored import detections, explain, flow
from tests.agent.commands import metatap

from metatap.alerts import Aggregator, Alert, encode_ecs
from metatap.lists import load_lists
from metatap.state.history import AlertHistory

ROWS = [
    flow("C1", ssl__server_name="cdn.example.com"),
    flow("C2", id__resp_h="10.0.0.3"),
    flow("C3", id__resp_h="10.0.0.4"),
]


@dataclass(frozen=True)
class Site:
    """What an agent left behind.

    Attributes:
        folder: `state`, a history; `alerts.jsonl`, its alerts.
        alerts: Of two pairs, and of a fold.
    """

    folder: Path
    alerts: list[Alert]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    aggregator = Aggregator("tap-1", explain, max_pairs=2)
    alerts = aggregator.add(detections(ROWS))
    history = AlertHistory.open(tmp_path / "state")
    history.add(alerts, [encode_ecs(alert) for alert in alerts])
    history.close()
    (tmp_path / "alerts.jsonl").write_bytes(b"".join(encode_ecs(a) + b"\n" for a in alerts))
    return Site(tmp_path, alerts)


@pytest.mark.parametrize("where", [("--state", "state"), ("--alert-file", "alerts.jsonl")])
def test_a_rule_is_written_and_keeps_the_alert_quiet(site: Site, where: tuple[str, str]) -> None:
    """From the history or from a file; the same pack and pair, nothing else."""
    lists = site.folder / "lists"
    words: list[str | Path] = ["--for", "7d", "--reason", "our scanner", "--lists", lists]
    done = metatap("suppress", site.alerts[0].id[:12], where[0], site.folder / where[1], *words)
    assert (done.returncode, "added to" in done.stderr) == (0, True), done.stderr
    assert (lists / "suppressions.yaml").read_text().endswith(done.stdout)
    found, errors = load_lists(lists)
    assert errors == []
    aggregator = Aggregator("tap-1", explain, max_pairs=2)
    aggregator.add(detections(ROWS))
    assert aggregator.suppress(found.closing) == 1
    aggregator.keep = found.apply
    assert aggregator.add(detections([ROWS[0]])) == []
    assert aggregator.hits.dropped == {"suppressed": 1}


def test_a_dry_run_prints_what_would_be_written(site: Site) -> None:
    """It needs no folder of lists and touches none."""
    words: list[str | Path] = [
        "suppress",
        site.alerts[0].id,
        "--state",
        site.folder / "state",
        "--reason",
        "a",
    ]
    lists = site.folder / "lists"
    dry = metatap(*words, "--domain", "*.example.com", "--dry-run")
    assert (dry.returncode, 'domain: "*.example.com"' in dry.stdout) == (0, True), dry.stderr
    assert "expires" not in dry.stdout
    assert metatap(*words, "--dry-run", "--lists", lists).returncode == 0
    assert not lists.exists()
    assert "it never expires" in metatap(*words, "--lists", lists).stderr


def test_what_would_have_been_quiet_is_counted(site: Site) -> None:
    """Of all alerts of the past; of one on many destinations the originator counts."""
    words: list[str | Path] = ["--state", site.folder / "state", "--reason", "a", "--dry-run"]
    pair = metatap("suppress", site.alerts[0].id, *words)
    assert "would have kept quiet 1 of the last 3 alerts" in pair.stderr
    every = metatap("suppress", site.alerts[0].id, *words, "--scope", "orig")
    assert "would have kept quiet 3 of the last 3 alerts" in every.stderr
    name = metatap("suppress", site.alerts[0].id, *words, "--scope", "domain")
    assert "would have kept quiet 1 of the last 3 alerts" in name.stderr


def test_an_alert_judged_true_is_not_kept_quiet(site: Site) -> None:
    """The rule is not written, and the alert named, unless that is what is wanted."""
    state, lists = site.folder / "state", site.folder / "lists"
    true = site.alerts[1].id
    assert metatap("feedback", true, "--verdict", "true", "--state", state).returncode == 0
    words: list[str | Path] = ["--state", state, "--reason", "a", "--lists", lists]
    alert = site.alerts[0].id
    done = metatap("suppress", alert, *words, "--scope", "orig")
    assert (done.returncode, done.stdout, lists.exists()) == (1, "", False)
    assert f"1 of them were judged true: {true[:8]}" in done.stderr
    assert "suppressions.yaml: not written" in done.stderr
    assert metatap("suppress", alert, *words).returncode == 0
    anyway = metatap("suppress", alert, *words, "--scope", "orig", "--anyway")
    assert (anyway.returncode, "judged true" in anyway.stderr) == (0, True)
    assert (lists / "suppressions.yaml").read_text().count("- id: ") == 2


def test_an_alert_on_many_destinations_is_one_of_its_originator(site: Site) -> None:
    """A rule of the one pair it shows would leave the others loud."""
    fold = site.alerts[2]
    assert fold.is_fold
    words: list[str | Path] = ["--state", site.folder / "state", "--reason", "a", "--dry-run"]
    done = metatap("suppress", fold.id, *words)
    assert "orig: 10.0.0.1" in done.stdout
    assert "resp:" not in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--dry-run"], 2, "--reason"),
        (["--reason", "a", "--for", "soon"], 2, "must be a time such as 30m"),
        (["--reason", "a", "--domain", "a.b", "--scope", "orig"], 2, "--domain goes with"),
        (["--reason", "a"], 1, "no lists: name the agent's folder with --lists"),
        (["--reason", "a", "--domain", "b.org", "--dry-run"], 1, "does not match the alert's"),
    ],
)
def test_wrong_use_is_told(site: Site, words: list[str], status: int, text: str) -> None:
    """On standard error, with the exit status of its kind; nothing is printed."""
    done = metatap("suppress", site.alerts[0].id, "--state", site.folder / "state", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert text in " ".join(done.stderr.replace("│", "").split())


def test_an_alert_that_is_not_there_is_told(site: Site) -> None:
    """With the place that was looked at."""
    words: list[str | Path] = ["--state", site.folder / "state", "--reason", "a", "--dry-run"]
    done = metatap("suppress", "ffffffff", *words)
    assert (done.returncode, "no such alert in" in done.stderr) == (1, True)
