"""Checks of the lab's tables and labels that need neither root nor any tool."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.benign import ACTIONS, GOES_TO
from tests.lab.check import check
from tests.lab.networks import NETWORKS
from tests.lab.spec import Habit
from tests.lab.threats import PortScan
from tests.lab.truth import MALICIOUS, Match, Rule, Truth, benign_families, label_log, load

SCAN = Rule(
    *("scan", "T1046", MALICIOUS),
    Match("10.0.0.1", "10.0.0.2", None, "tcp", 10.0, 20.0),
    "nmap",
)
TRUTH = Truth("T", "test", 0.0, 99.0, (SCAN,), benign_families({"monitor": ["10.0.0.9"]}))


def conn(uid: str, orig: str, resp: str, port: int, ts: float) -> dict[str, object]:
    """A conn.log record, as far as labels look at it."""
    ends = {"id.orig_h": orig, "id.orig_p": 40_000, "id.resp_h": resp, "id.resp_p": port}
    return {"uid": uid, "ts": ts, "proto": "tcp", **ends}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_two_addresses_decide_a_label(name: str) -> None:
    """No benign habit may reach the target of an attack that the tap sees from its address."""
    check(NETWORKS[name])


def test_every_action_goes_somewhere() -> None:
    """An action without a role of servers could not be held against what is off limits."""
    assert GOES_TO.keys() == ACTIONS.keys()


def test_every_pair_of_networks_with_a_technique_differs_in_tool_or_flags() -> None:
    """Support of one network and positives of another are never the same command."""
    seen = [
        (type(attack), attack.tool, getattr(attack, "flags", attack))
        for network in NETWORKS.values()
        for attack in network.attacks
    ]
    assert all(seen.count(attack) == 1 for attack in seen)


def test_clinic_and_plant_use_other_tools_than_the_first_two() -> None:
    """What the tool looks like and what the technique looks like can be told apart."""
    first, later = ("A", "B"), ("C", "D")
    for kind in ("ssh_bruteforce", "dns_tunnel"):
        tools = {
            network.name: {attack.tool for attack in network.attacks if attack.family == kind}
            for network in NETWORKS.values()
        }
        assert all(tools[one].isdisjoint(tools[other]) for one in first for other in later)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"habits": (Habit("browze", "desk", 1),)}, "nobody does browze"),
        ({"habits": (Habit("browse", "typist", 1),)}, "nobody does browse"),
        ({"habits": (Habit("mqtt_publish", "desk", 1),)}, "no server for mqtt_publish"),
        ({"attacks": (PortScan("ws3", ("db1",), (), "1", 0, "hydra"),)}, "no port_scan by hydra"),
        (
            {"attacks": (PortScan("ws1", ("web1", "app1", "site1", "site2"), (), "1", 0),)},
            "ws1 has no server for browse",
        ),
    ],
)
def test_a_table_that_would_make_no_traffic_is_refused(
    change: dict[str, tuple[object, ...]], message: str
) -> None:
    """A misspelt word in a table would silently leave something out."""
    with pytest.raises(ValueError, match=message):
        check(replace(NETWORKS["A"], **change))  # type: ignore[arg-type]


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
        rows = {row["uid"]: row for row in csv.DictReader(table)}
    families = {uid: row["family"] for uid, row in rows.items()}
    assert families == {
        "scan": "scan",
        "turned": "scan",
        "late": "other",
        "web": "web",
        "watch": "monitoring",
    }
    assert counts.total() == len(conns)
    assert {row["tool"] for row in rows.values() if row["label"] == MALICIOUS} == {"nmap"}
    assert {row["tool"] for row in rows.values() if row["label"] != MALICIOUS} == {""}


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
