"""metatap.formats.eve against the names and types of Suricata's schema."""

from __future__ import annotations

import pytest
from tests.agent.formats.cases import DOCUMENTS
from tests.agent.formats.eve_check import SCHEMA, faults

from metatap.formats.eve import FIRST_SIGNATURE, SEVERITY, eve


@pytest.mark.parametrize("case", DOCUMENTS)
def test_every_event_is_one_of_suricata(case: str) -> None:
    """Names and types, but for `metatap`; what the schema requires is there."""
    event = eve(DOCUMENTS[case], SEVERITY)
    assert faults(event) == []
    assert set(SCHEMA["required"]) <= set(event)
    assert event["event_type"] == "alert"


def test_the_check_finds_faults() -> None:
    """A check that passes everything would prove nothing."""
    event = eve(DOCUMENTS["opened"], SEVERITY)
    assert faults(event | {"colour": 1, "src_port": "22"}) == [".src_port", ".colour"]
    assert faults(event | {"timestamp": "2023-11-14T22:15:02Z"}) == ["time 2023-11-14T22:15:02Z"]


def test_what_an_event_says() -> None:
    """As a user of Suricata meets it."""
    event = eve(DOCUMENTS["opened"], SEVERITY)
    assert event["timestamp"] == "2023-11-14T22:15:02.500000+0000"
    assert event["flow"]["start"] == "2023-11-14T22:15:00.000000+0000"
    assert (event["src_ip"], event["src_port"], event["proto"]) == ("10.0.0.1", 40000, "TCP")
    assert event["app_proto"] == "ssh"
    assert event["flow"]["bytes_toclient"] == 4000
    alert = event["alert"]
    assert (alert["action"], alert["severity"]) == ("allowed", 2)
    assert (alert["signature"], alert["category"]) == ("SSH brute force", "Credential Access")
    assert alert["metadata"]["mitre_technique_id"] == ["T1110.001"]
    assert event["metatap"]["event_id"] == DOCUMENTS["opened"]["event"]["id"]
    assert event["metatap"]["score"] == 2.0


def test_a_pack_has_one_signature_id() -> None:
    """It hangs on the pack's id alone, and two packs have two."""
    first, second = (eve(DOCUMENTS[case], SEVERITY) for case in ("opened", "summary"))
    other = eve({**DOCUMENTS["opened"], "rule": {"id": "port-scan"}}, SEVERITY)
    ids = [event["alert"]["signature_id"] for event in (first, second, other)]
    assert ids[0] == ids[1] == 1_474_201_964
    assert ids[2] != ids[0]
    assert all(FIRST_SIGNATURE <= number < 2**31 for number in ids)


def test_a_flow_has_one_flow_id() -> None:
    """The same for all alerts of a flow, exact in a double."""
    first, second, bare = (eve(DOCUMENTS[case], SEVERITY) for case in ("opened", "ipv6", "bare"))
    assert first["flow_id"] == second["flow_id"] < 2**53
    assert "flow_id" not in bare


def test_zeeks_names_become_suricatas() -> None:
    """`ssl` is `tls` there; ICMP has type and code."""
    assert eve(DOCUMENTS["ipv6"], SEVERITY)["app_proto"] == "tls"
    icmp = eve(DOCUMENTS["no_ports"], SEVERITY)
    assert (icmp["proto"], icmp["icmp_type"], icmp["icmp_code"]) == ("ICMP", 8, 0)
    assert "src_port" not in icmp


def test_a_changed_pack_has_another_revision() -> None:
    """The number does not rise, it only changes."""
    document = {**DOCUMENTS["opened"], "rule": {"id": "x", "version": "00000ff00000"}}
    assert eve(document, SEVERITY)["alert"]["rev"] == 0xFF
