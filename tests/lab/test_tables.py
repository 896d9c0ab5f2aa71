"""Checks of the lab's tables and labels that need neither root nor any tool."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.benign import ACTIONS
from tests.lab.networks import NETWORKS, check
from tests.lab.spec import PortScan
from tests.lab.truth import MALICIOUS, Match, Rule, Truth, benign_families, label_log, load

SCAN = Rule("scan", "T1046", MALICIOUS, Match("10.0.0.1", "10.0.0.2", None, "tcp", 10.0, 20.0))
TRUTH = Truth("T", "test", 0.0, 99.0, (SCAN,), benign_families({"monitor": ["10.0.0.9"]}))


def conn(uid: str, orig: str, resp: str, port: int, ts: float) -> dict[str, object]:
    """A conn.log record, as far as labels look at it."""
    ends = {"id.orig_h": orig, "id.orig_p": 40_000, "id.resp_h": resp, "id.resp_p": port}
    return {"uid": uid, "ts": ts, "proto": "tcp", **ends}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_two_addresses_decide_a_label(name: str) -> None:
    """No benign habit may reach the target of an attack that the tap sees from its address."""
    check(NETWORKS[name])


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_habit_is_an_action_of_some_host(name: str) -> None:
    """A misspelt action or role in the table would silently make no traffic."""
    for habit in NETWORKS[name].habits:
        assert habit.action in ACTIONS
        assert NETWORKS[name].having(habit.role)


def test_sharing_source_and_target_is_refused() -> None:
    """A scan of the beacon's server from the beacon's host would have two labels."""
    office = NETWORKS["A"]
    scan = PortScan("ws2", ("c2",), ("-sS",), "1-9", 0)
    with pytest.raises(ValueError, match="share source and target"):
        check(replace(office, attacks=(*office.attacks, scan)))


def test_every_connection_gets_one_row(tmp_path: Path) -> None:
    """Time, both addresses and, if turned round, the direction are looked at."""
    conns = [
        conn("scan", "10.0.0.1", "10.0.0.2", 81, 15.0),
        conn("turned", "10.0.0.2", "10.0.0.1", 40_001, 15.0),
        conn("late", "10.0.0.1", "10.0.0.2", 81, 21.0),
        conn("web", "10.0.0.1", "10.0.0.3", 443, 15.0),
        conn("watch", "10.0.0.9", "10.0.0.2", 443, 15.0),
    ]
    log, out = tmp_path / "conn.log", tmp_path / "labels.csv"
    log.write_text("".join(json.dumps(record) + "\n" for record in conns))
    counts = label_log(log, TRUTH, out)
    with out.open() as table:
        families = {row["uid"]: row["family"] for row in csv.DictReader(table)}
    assert families == {
        "scan": "scan",
        "turned": "scan",
        "late": "other",
        "web": "web",
        "watch": "monitoring",
    }
    assert counts.total() == len(conns)


def test_rules_survive_a_round_trip(tmp_path: Path) -> None:
    """What a run saves is what labelling loads."""
    path = tmp_path / "x.truth.json"
    TRUTH.save(path)
    assert load(path) == TRUTH


def test_two_attacks_on_one_connection_are_an_error() -> None:
    """Labels by construction are never a matter of order."""
    both = replace(TRUTH, rules=(SCAN, replace(SCAN, family="brute")))
    with pytest.raises(ValueError, match="matches"):
        both.rule(conn("x", "10.0.0.1", "10.0.0.2", 22, 15.0))
