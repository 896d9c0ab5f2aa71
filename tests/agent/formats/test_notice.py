"""metatap.formats.notice against the fields Zeek logs of a notice."""

from __future__ import annotations

import pytest
from tests.agent.formats.cases import DOCUMENTS
from tests.agent.formats.notice_check import faults

from metatap.formats.format import ECS_SEVERITY
from metatap.formats.notice import notice


@pytest.mark.parametrize("case", DOCUMENTS)
def test_every_line_is_one_of_zeek(case: str) -> None:
    """Names, types and order of the fields."""
    assert faults(notice(DOCUMENTS[case], ECS_SEVERITY)) == []


def test_the_check_finds_faults() -> None:
    """A check that passes everything would prove nothing."""
    line = notice(DOCUMENTS["opened"], ECS_SEVERITY)
    assert faults(line | {"p": "22/tcp", "colour": "red"}) == ["colour", "p", "order"]
    assert faults({"note": "A::B", "ts": 1.0}) == ["order"]


def test_what_a_line_says() -> None:
    """Whole but for the score, which is in the sentence."""
    document = DOCUMENTS["summary"]
    assert notice(document, ECS_SEVERITY) == {
        "ts": 1700000342.5,
        "uid": "CHhAvVGS1DHFjwGM9",
        "id.orig_h": "10.0.0.1",
        "id.orig_p": 40000,
        "id.resp_h": "10.0.0.2",
        "id.resp_p": 22,
        "proto": "tcp",
        "note": "Metatap::Alert",
        "msg": document["message"],
        "sub": document["event"]["reason"],
        "src": "10.0.0.1",
        "dst": "10.0.0.2",
        "p": 22,
        "n": 17,
        "peer_descr": "tap-1",
        "actions": ["Notice::ACTION_LOG"],
        "email_dest": [],
        "suppress_for": 300.0,
        "identifier": document["metatap"]["alert"]["id"],
        "severity": 73,
    }


def test_icmp_has_zeeks_ports() -> None:
    """Zeek logs type and code as ports."""
    line = notice(DOCUMENTS["no_ports"], ECS_SEVERITY)
    assert (line["proto"], line["id.orig_p"], line["id.resp_p"]) == ("icmp", 8, 0)
