"""metatap.formats.attack."""

from __future__ import annotations

import re

from tests.agent.alerts.scored import SCAN, SSH
from tests.agent.formats.attack_table import HEAD, PATH

from metatap.alerts.ecs import _threat
from metatap.formats.attack import ATTACK_VERSION, Named, Technique, tactics, techniques
from metatap.formats.cef import CEF

ROW = re.compile(r"(T\d{4}(\.\d{3})?\t[^\t]+\tTA\d{4}(,TA\d{4})*|TA\d{4}\t[^\t]+\t)")


def _techniques(*ids: str) -> list[Technique]:
    return techniques({"threat": _threat(ids)})


def test_the_table_is_whole() -> None:
    """Every row has its cells; every tactic and every sub-technique's technique is there."""
    text = PATH.read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert f"Enterprise {ATTACK_VERSION}." in HEAD
    rows = text.removeprefix(HEAD).splitlines()
    assert all(ROW.fullmatch(row) for row in rows)
    ids = {row.split("\t")[0] for row in rows}
    assert len(ids) == len(rows) == 705
    served = {tactic for row in rows for tactic in row.split("\t")[2].split(",") if tactic}
    assert served <= ids
    assert {name.partition(".")[0] for name in ids} <= ids


def test_a_technique_has_its_names() -> None:
    """And its tactic, where it serves one alone."""
    (found,) = _techniques(*SSH.attack)
    assert found.technique == Named("T1110", "Brute Force")
    assert found.below == Named("T1110.001", "Password Guessing")
    assert found.most_specific == found.below
    assert found.tactic == Named("TA0006", "Credential Access")
    (scan,) = _techniques(*SCAN.attack)
    assert scan.below is None
    assert scan.most_specific.name == "Network Service Discovery"


def test_no_tactic_is_claimed_where_several_are_served() -> None:
    """Valid accounts serve four."""
    assert _techniques("T1078")[0].tactic is None
    assert _techniques("T1078.001")[0].tactic is None


def test_a_technique_stands_for_itself_only_without_its_sub_techniques() -> None:
    """Each is told once, the most specific first."""
    found = _techniques("T1110", "T1110.001", "T1046", "T1110.003")
    assert [item.most_specific.id for item in found] == ["T1110.001", "T1110.003", "T1046"]
    assert [tactic.name for tactic in tactics(found)] == ["Credential Access", "Discovery"]


def test_an_id_newer_than_the_table_stays() -> None:
    """Without name and tactic; what is no id at all is left out."""
    (found,) = _techniques("T9999.001")
    assert found.most_specific == Named("T9999.001", "")
    assert found.tactic is None
    odd = {"threat": {"technique": {"id": ["brute force", "T1110.1", "T1046"]}}}
    assert [item.technique.id for item in techniques(odd)] == ["T1046"]
    assert b"cs3=T9999.001 cs3Label" in CEF.encode({"threat": _threat(["T9999.001"])})
