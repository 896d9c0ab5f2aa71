"""metatap.formats.ocsf against the schema of OCSF 1.8.0."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.agent.formats.cases import DOCUMENTS, Document
from tests.agent.formats.ocsf_check import faults

from metatap.formats.ocsf import SEVERITY, ocsf


def event(case: str) -> Document:
    """The event of a case."""
    return ocsf(DOCUMENTS[case], SEVERITY)


@pytest.mark.parametrize("case", DOCUMENTS)
def test_every_event_is_a_sound_detection_finding(case: str) -> None:
    """All that is required is there, all that is there is known and of its type."""
    assert faults(event(case)) == []


def _drop(*path: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        *parents, name = path
        place: Any = document
        for parent in parents:
            place = place[parent]
        del place[name]

    return change


def _put(value: Any, *path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        *parents, name = path
        place: Any = document
        for parent in parents:
            place = place[parent]
        place[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_drop("finding_info", "uid"), "detection_finding.finding_info.uid: missing"),
        (_drop("time"), "detection_finding.time: missing"),
        (_put("x", "colour"), "detection_finding.colour: unknown"),
        (_put("1", "time"), "detection_finding.time: '1' is no timestamp_t"),
        (_put(7, "severity_id"), "detection_finding.severity_id: 7 is not in the enumeration"),
        (_put("Low", "severity"), "detection_finding.severity: not 'High'"),
        (_put(200402, "type_uid"), "type_uid: not class and activity"),
        (
            _put([], "metadata", "profiles"),
            "detection_finding.action: needs profile security_control",
        ),
        (
            _put(70_000, "evidences", 0, "src_endpoint", "port"),
            "detection_finding.evidences[0].src_endpoint.port: 70000 is no port_t",
        ),
        (
            _put({"version": "18.1"}, "attacks", 0),
            "detection_finding.attacks[0]: none of tactic, technique, sub_technique",
        ),
    ],
)
def test_the_check_finds_faults(change: Callable[[Document], None], fault: str) -> None:
    """A check that passes everything would prove nothing."""
    document = copy.deepcopy(event("opened"))
    change(document)
    assert fault in faults(document)


def test_opened_creates_and_all_that_follows_updates() -> None:
    """One finding an alert; whoever works on it closes it."""
    opened, summary, again = event("opened"), event("summary"), event("again")
    assert (opened["type_uid"], opened["is_alert"], opened["status"]) == (200401, True, "New")
    assert (summary["type_uid"], summary["is_alert"]) == (200402, False)
    assert (again["type_uid"], again["is_alert"]) == (200402, True)
    assert "status_id" not in summary
    ids = {each["finding_info"]["uid"] for each in (opened, summary)}
    assert ids == {DOCUMENTS["opened"]["metatap"]["alert"]["id"]}
    assert opened["metadata"]["uid"] == DOCUMENTS["opened"]["event"]["id"]
    assert "modified_time" not in opened["finding_info"]
    assert "created_time" not in summary["finding_info"]


def test_times_are_milliseconds() -> None:
    """Of the flow's end, the first and the last flow."""
    summary = event("summary")
    assert summary["start_time"] == 1_700_000_100_000
    assert summary["end_time"] == summary["time"] == 1_700_000_342_500
    assert summary["duration"] == 242_500
    assert summary["count"] == 17


def test_techniques_have_their_tactic_where_it_is_certain() -> None:
    """Valid accounts serve four tactics: none is claimed."""
    attacks = event("long")["attacks"]
    assert attacks == event("long")["finding_info"]["attacks"]
    told = [
        (
            attack["technique"]["uid"],
            attack.get("sub_technique", {}).get("uid"),
            attack.get("tactic", {}).get("name"),
        )
        for attack in attacks
    ]
    assert told == [
        ("T1071", "T1071.001", "Command and Control"),
        ("T1499", "T1499.001", "Impact"),
        ("T1499", "T1499.002", "Impact"),
        ("T1078", None, None),
        ("T1046", None, "Discovery"),
    ]


def test_the_flow_is_the_evidence() -> None:
    """Ends, protocol, ids and direction; both addresses are observables."""
    (evidence,) = event("ipv6")["evidences"]
    assert evidence["src_endpoint"] == {"ip": "2001:db8::1", "port": 40000}
    assert evidence["connection_info"]["protocol_ver_id"] == 6
    assert evidence["connection_info"]["direction"] == "Outbound"
    assert event("summary")["evidences"][0]["connection_info"]["flag_history"] == "ShAdDaFf"
    assert "port" not in event("no_ports")["evidences"][0]["dst_endpoint"]
    assert [item["value"] for item in event("ipv6")["observables"]] == [
        "2001:db8::1",
        "2001:db8::2",
    ]
    assert "evidences" not in event("bare")


@pytest.mark.parametrize(
    ("direction", "number", "caption"),
    [
        ("inbound", 1, "Inbound"),
        ("outbound", 2, "Outbound"),
        ("internal", 3, "Lateral"),
        ("external", 99, "external"),
        ("", 0, "Unknown"),
    ],
)
def test_every_direction_has_its_number(direction: str, number: int, caption: str) -> None:
    """What is neither from nor to a host of one's own is Other, by its own name."""
    document = copy.deepcopy(DOCUMENTS["opened"])
    document["network"]["direction"] = direction
    found = ocsf(document, SEVERITY)
    assert faults(found) == []
    connection = found["evidences"][0]["connection_info"]
    assert (connection["direction_id"], connection["direction"]) == (number, caption)


def test_what_ocsf_has_no_place_for_is_unmapped() -> None:
    """By its ECS names, and whole."""
    unmapped = event("fold")["unmapped"]
    assert unmapped["metatap"] == DOCUMENTS["fold"]["metatap"]
    assert unmapped["source"] == {"bytes": 3000, "packets": 20}
