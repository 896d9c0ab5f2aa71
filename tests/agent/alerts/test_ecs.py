"""metatap.alerts.ecs, .ecs_fields and .sentence."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.alerts.page import example_alert
from tests.agent.alerts.scored import (
    EXPLANATION,
    SCAN,
    T0,
    Clocks,
    detections,
    explain,
    flow,
    rules,
)

from metatap.alerts import Aggregator, Alert, AlertKind, encode_ecs
from metatap.alerts.ecs import MAX_LINE, ecs_document, iso_time
from metatap.alerts.ecs_fields import BY_NAME, FIELDS
from metatap.alerts.sentence import sentence
from metatap.flow.schema import COLUMNS, Kind
from metatap.packs import Severity


def _leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Dotted names with their values; a list's entries are looked into, arrays stay whole."""
    if name in {"metatap.flow", "metatap.nearest.flow"}:
        return [(name, value)]
    if isinstance(value, dict):
        return [
            leaf
            for key, item in value.items()
            for leaf in _leaves(item, f"{name}.{key}" if name else key)
        ]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [(key, [item]) for entry in value for key, item in _leaves(entry, name)]
    return [(name, value)]


def _fits(type_: str, value: Any) -> bool:
    match type_:
        case "date":
            return datetime.fromisoformat(value).utcoffset() is not None
        case "long":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float" | "double":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "flattened":
            return isinstance(value, dict)
        case _:
            return isinstance(value, str) and value != ""


def _check(document: dict[str, Any]) -> None:
    for name, value in _leaves(document):
        field = BY_NAME[name]
        assert isinstance(value, list) is field.is_array, name
        for item in value if field.is_array else [value]:
            assert _fits(field.type, item), (name, item)
    names = {name for name, _ in _leaves(document)}
    assert {field.name for field in FIELDS if field.is_always} <= names


ROWS = st.fixed_dictionaries(
    {},
    optional={
        "proto": st.sampled_from(("tcp", "udp", "icmp", "unknown_transport")),
        "service": st.binary(max_size=80) | st.just("ssl,http"),
        "uid": st.binary(max_size=80),
        "http.uri": st.binary(max_size=256),
        "id.orig_h": st.ip_addresses().map(str),
        "id.resp_h": st.ip_addresses().map(str),
        "id.orig_p": st.integers(0, 65535),
        "id.resp_p": st.integers(0, 65535),
        "orig_ip_bytes": st.integers(0, 2**63 - 1),
        "resp_pkts": st.integers(0, 2**63 - 1),
        "local_orig": st.booleans(),
        "local_resp": st.booleans(),
        "ts": st.integers(-(10**9), 9 * 10**9),
    },
)


@settings(deadline=None)
@given(ROWS)
def test_every_field_is_in_the_table_with_its_type(row: dict[str, Any]) -> None:
    """Whatever a flow has or lacks, both events hold fields of the table only, rightly typed."""
    aggregator = Aggregator("tap-1", explain)
    alerts = [*aggregator.add(detections([row])), *aggregator.flush()]
    assert len(alerts) == 2
    for alert in alerts:
        line = encode_ecs(alert)
        assert b"\n" not in line
        _check(msgspec.json.decode(line))


def test_what_an_alert_says() -> None:
    """One alert in full, as an analyst meets it."""
    document = ecs_document(example_alert())
    assert document["@timestamp"] == "2023-11-14T22:15:02.500Z"
    assert document["event"]["action"] == "alert_opened"
    assert document["event"]["severity"] == 73
    assert document["rule"]["id"] == "ssh-bruteforce"
    assert document["threat"]["technique"] == {
        "id": ["T1110"],
        "reference": ["https://attack.mitre.org/techniques/T1110/"],
        "subtechnique": {
            "id": ["T1110.001"],
            "reference": ["https://attack.mitre.org/techniques/T1110/001/"],
        },
    }
    assert document["source"] == {"ip": "10.0.0.1", "port": 40000, "bytes": 3000, "packets": 20}
    assert document["network"]["bytes"] == 7000
    assert document["network"]["direction"] == "inbound"
    assert document["zeek"] == {"session_id": "CHhAvVGS1DHFjwGM9"}
    assert document["metatap"]["nearest"]["uid"] == "C1"
    assert document["metatap"]["nearest"]["flow"]["ssh.auth_attempts"] == 6
    assert document["metatap"]["flow"]["ssh.auth_attempts"] == 4
    assert document["metatap"]["over"] == 1.0
    assert document["metatap"]["unusual"] == {
        "one_in": 2000.0,
        "at_or_above": 0,
        "background": 2000,
        "source": "reference",
        "text": "fewer than 1 in 2,000 flows of the model's background score as high",
    }
    assert document["metatap"]["pivot"]["filter"] == 'uid == "CHhAvVGS1DHFjwGM9"'
    assert document["metatap"]["flow"]["id.orig_h"] == "10.0.0.1"
    assert document["message"] == (
        "SSH brute force: 10.0.0.1 → 10.0.0.2:22 (ssh); most like example C1 of pack "
        "ssh-bruteforce; score 2.00 over threshold 1.00; fewer than 1 in 2,000 flows of the "
        "model's background score as high; SSH authentication attempts 4 "
        "(typical 1), not: SSH login succeeded."
    )


def test_a_summary_says_how_many() -> None:
    """Count and span stand in its sentence; its time is that of the last flow."""
    clocks = Clocks()
    aggregator = Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic)
    aggregator.add(detections([flow("C1"), flow("C2", 61)]))
    (summary,) = aggregator.flush()
    assert ", 2 flows in 63.5 s;" in sentence(summary)
    assert ecs_document(summary)["@timestamp"] == iso_time(summary.last)
    assert ecs_document(summary)["event"]["action"] == "alert_summary"


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.0, "1 s"), (600.0, "10 min"), (7200.0, "2 h"), (0.0, "0 s")]
)
def test_spans_have_a_fit_unit(seconds: float, words: str) -> None:
    """Seconds, minutes or hours."""
    alert = replace(example_alert(), kind=AlertKind.SUMMARY, first=0, last=int(seconds * 1e9))
    assert f"1 flow in {words};" in sentence(alert)


def test_icmp_has_no_ports_and_ipv6_has_its_own() -> None:
    """Zeek's ports of ICMP are type and code, which ECS has no port for."""
    row = flow("C1", proto="icmp", service=None, id__orig_h="fe80::1", id__resp_h="ff02::1")
    alerts = Aggregator("tap-1", explain).add(detections([row]))
    document = ecs_document(alerts[0])
    assert "port" not in document["source"]
    assert "port" not in document["destination"]
    assert document["network"]["transport"] == "ipv6-icmp"
    assert document["network"]["iana_number"] == "58"
    assert document["network"]["type"] == "ipv6"
    assert "fe80::1 → ff02::1 (icmp)" in document["message"]


def test_an_ipv6_port_is_unambiguous_in_the_sentence() -> None:
    """Brackets keep address and port apart."""
    alert = Aggregator("t", explain).add(detections([flow("C1", id__resp_h="2001:db8::2")]))[0]
    assert "10.0.0.1 → [2001:db8::2]:22 (ssh)" in sentence(alert)


def test_what_a_pack_lacks_has_no_key() -> None:
    """No description, no author, no reference: no empty fields."""
    alert = Aggregator("t", explain).add(detections([flow("C1")], rules_=rules(SCAN)))[0]
    rule = ecs_document(alert)["rule"]
    assert set(rule) == {"id", "name", "ruleset", "version"}
    assert ecs_document(alert)["threat"]["technique"] == {
        "id": ["T1046"],
        "reference": ["https://attack.mitre.org/techniques/T1046/"],
    }
    bare = replace(alert, rule=replace(alert.rule, attack=()))
    assert "threat" not in ecs_document(bare)


def test_without_an_explanation_the_rest_is_there() -> None:
    """A burst's unexplained alert is still a whole alert."""
    alert = replace(example_alert(), explanation=replace(EXPLANATION, reasons=()))
    document = ecs_document(alert)
    _check(msgspec.json.decode(encode_ecs(alert)))
    assert document["metatap"]["nearest"].pop("flow") == EXPLANATION.nearest_flow
    assert document["metatap"]["nearest"] == {"index": 0, "uid": "C1", "distance": 0.25}
    assert document["metatap"]["score"] == 2.0
    assert "reasons" not in document["metatap"]
    assert "reason" not in document["event"]


def test_a_fold_says_how_many_hosts() -> None:
    """Its events name the first host, and the number of hosts where it is known."""
    opened = replace(example_alert(), destinations=1)
    assert "10.0.0.1 → 10.0.0.2:22 (ssh), one of many hosts; most like" in sentence(opened)
    own = ecs_document(opened)["metatap"]["alert"]
    assert (own["destinations"], own["destinations_at_least"]) == (1, False)
    _check(msgspec.json.decode(encode_ecs(opened)))
    summary = replace(opened, kind=AlertKind.SUMMARY, destinations=1235, count=2000)
    assert "(ssh) and 1,234 more hosts, 2,000 flows in" in sentence(summary)
    assert "and at least 1,234 more hosts," in sentence(replace(summary, at_least=True))
    assert "and 1 more host," in sentence(replace(summary, destinations=2))
    assert "destinations" not in ecs_document(example_alert())["metatap"]["alert"]


def test_a_line_is_bounded() -> None:
    """Huge texts are cut, ids and numbers stay whole."""
    texts = {spec.name: "\x01" * 250 for spec in COLUMNS if spec.kind is Kind.STRING}
    alert = example_alert()
    large = replace(
        alert,
        rule=replace(alert.rule, description="\x01" * 4096, attack=("T1110.001",) * 32),
        flow=alert.flow | texts,
        uids=("\x01" * 250,) * 256,
    )
    line = encode_ecs(large)
    assert len(line) <= MAX_LINE
    document = msgspec.json.decode(line)
    assert document["event"]["id"] == large.event_id
    assert document["metatap"]["pack"]["sha256"] == alert.rule.sha256
    _check(document)


def test_severities_rise() -> None:
    """A severer pack has the higher number."""
    alert = example_alert()
    numbers = [
        ecs_document(replace(alert, rule=replace(alert.rule, severity=severity)))["event"][
            "severity"
        ]
        for severity in Severity
    ]
    assert numbers == sorted(set(numbers))


def test_times_are_utc_to_the_millisecond() -> None:
    """Also before the epoch."""
    assert iso_time(T0 * 10**9 + 1_999_999) == "2023-11-14T22:15:00.001Z"
    assert iso_time(-1) == "1969-12-31T23:59:59.999Z"


def test_the_alert_is_a_record_of_its_own() -> None:
    """It survives JSON, so that open alerts can be kept on disk; features are kept beside it."""
    alert = replace(example_alert(), features=None)
    assert msgspec.json.decode(msgspec.json.encode(alert), type=Alert) == alert


def test_names_of_ecs_are_not_made_up() -> None:
    """A field that is not under a name of our own belongs to a field set of ECS."""
    sets = {
        "@timestamp", "message", "ecs", "event", "rule", "threat", "source", "destination",
        "network", "observer", "related",
    }  # fmt: skip
    assert {re.split(r"\.", f.name)[0] for f in FIELDS if not f.is_own} == sets
