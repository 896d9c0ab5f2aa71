"""The event for Zeek, read back by the agent's own reader of that format."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.formats.cases import DOCUMENTS
from tests.zeek.broker_bin import parse

from metatap.flow.schema import CONTRACT_VERSION
from metatap.sinks import zeek_values as values
from metatap.sinks.zeek_event import (
    FIELDS,
    ID_BYTES,
    MAX_ATTACK,
    MAX_BYTES,
    TEXT_BYTES,
    TOPIC,
    alert_event,
)
from metatap.sources.broker_bin import ADDR, STRING, Reader
from metatap.sources.encode import encode_event

Document = Mapping[str, Any]

_ROOT = Path(__file__).resolve().parents[3]
_SCRIPT = _ROOT / "zeek_scripts/metatap/notice.zeek"
_PAGE = _ROOT / "docs/wire.md"

_TYPES = {
    "string": "string",
    "count": "count",
    "time": "time",
    "double": "double",
    "interval": "interval",
    "addr": "addr",
    "port": "port",
    "vector of string": "vector",
}


def _script_fields() -> dict[str, str]:
    """The fields of `Metatap::AlertInfo` with their types, in order."""
    found = re.search(r"type AlertInfo: record \{\n(.*?)\n\t\};", _SCRIPT.read_text(), re.DOTALL)
    assert found
    fields = re.findall(r"^\t\t(\w+):\s+(.*?)\s+&optional &log;$", found[1], re.MULTILINE)
    assert len(fields) == found[1].count(";\n") + 1
    return dict(fields)


def _record(document: Document, event_id: str = "an-event") -> dict[str, Any]:
    """Each field as (type, value) or None, read by a reader that knows nothing of the agent."""
    event = parse(alert_event(document, event_id))
    assert event.name == "Metatap::alert"
    version, record = event.args
    assert version == ("count", CONTRACT_VERSION)
    return {
        name: None if value.kind == "none" else (value.kind, value.plain())
        for name, value in zip(FIELDS, record.data, strict=True)
    }


def test_fields_are_those_of_the_script() -> None:
    """Zeek reads a record by position: names, order and types are the script's."""
    script = _script_fields()
    assert list(script) == list(FIELDS)
    full = _record(DOCUMENTS["opened"])
    for name, value in full.items():
        assert value is not None, name
        assert value[0] == _TYPES[script[name]], name


def test_fields_are_those_of_the_page() -> None:
    """`docs/wire.md` lists them in order, with their types."""
    section = _PAGE.read_text().partition("## `Metatap::alert")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| (\w+) \| ([a-z ]+) \|", section, re.MULTILINE)
    assert dict(listed[-len(FIELDS) :]) == _script_fields()
    assert [name for name, _ in listed[-len(FIELDS) :]] == list(FIELDS)


def test_bounds_are_those_of_the_script() -> None:
    """The script would cut what the agent lets through, and the reverse."""
    script = _SCRIPT.read_text()
    for name, value in (("id", ID_BYTES), ("text", TEXT_BYTES), ("attack", MAX_ATTACK)):
        assert f"const {name}_max = {value};" in script
    assert 'Cluster::subscribe(fmt("metatap.alert.v%d.", contract_version))' in script
    assert f"metatap.alert.v{CONTRACT_VERSION}." == TOPIC


def test_fields_of_an_alert() -> None:
    """Each field is that of the document, in Zeek's types."""
    document = DOCUMENTS["opened"]
    own = document["metatap"]
    got = {name: value[1] for name, value in _record(document).items() if value}
    assert got["id"].decode() == own["alert"]["id"]
    assert got["kind"] == b"opened"
    assert got["event_id"].decode() == document["event"]["id"]
    assert got["revision"] == 0
    assert got["ts"] == 1_700_000_102_500_000_000
    assert got["pack"] == b"ssh-bruteforce"
    assert got["severity"] == b"high"
    assert got["score"] == own["score"]
    assert got["threshold"] == own["threshold"]
    assert got["n"] == 1
    assert got["suppress_for"] == 300 * 10**9
    assert got["msg"].decode() == document["message"]
    assert got["sub"].decode() == document["event"]["reason"]
    assert got["uid"].decode() == document["zeek"]["session_id"]
    assert str(got["orig_h"]) == "10.0.0.1"
    assert got["resp_p"] == (22, 1)
    assert got["community_id"].decode() == document["network"]["community_id"]
    assert got["attack"] == [b"T1110.001"]
    assert got["sensor"] == b"tap-1"


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_every_alert_has_an_event(name: str) -> None:
    """Whatever an alert lacks is unset; what Zeek must have is there."""
    got = _record(DOCUMENTS[name])
    for field in ("id", "kind", "event_id", "ts", "pack", "severity", "suppress_for", "msg"):
        assert got[field], field


def test_an_event_without_an_alert_id_has_its_own() -> None:
    """Something has to tell one notice from another."""
    assert _record({}, "e-1") == dict.fromkeys(FIELDS) | {"id": ("string", b"e-1")}


def test_long_texts_and_lists_are_cut() -> None:
    """Between characters; a window to a day."""
    document = {
        "message": "é" * 2000,
        "event": {"reason": "x" + "é" * 2000},
        "metatap": {"alert": {"id": "i" * 999, "window": {"seconds": 1e12}}},
        "threat": {"technique": {"id": [f"T{at}" for at in range(50)]}},
    }
    got = {name: value[1] for name, value in _record(document).items() if value}
    assert got["msg"] == "é".encode() * 512
    assert got["sub"] == b"x" + "é".encode() * 511
    assert got["id"] == b"i" * ID_BYTES
    assert len(got["attack"]) == MAX_ATTACK
    assert got["suppress_for"] == 86_400 * 10**9


@pytest.mark.parametrize(
    "when", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "yesterday", "2023-11-14T22:15:02"]
)
def test_times_that_zeek_has_no_room_for_are_unset(when: str) -> None:
    """64 bits of nanoseconds end in 2262."""
    assert _record({"@timestamp": when})["ts"] is None


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=50)
    | st.sampled_from("xé\n\ud800").map(lambda letter: letter * 5000)
    | st.ip_addresses().map(str)
    | st.sampled_from(["tcp", "icmp", "fe80::1%eth0", "2023-11-14T22:15:02Z", "\ud800"]),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_PATHS = [
    *("@timestamp", "message", "event.id", "event.reason", "rule.name", "zeek.session_id"),
    *("metatap.alert.id", "metatap.alert.kind", "metatap.alert.revision", "metatap.alert.count"),
    *("metatap.alert.window.seconds", "metatap.pack.id", "metatap.pack.severity"),
    *("metatap.score", "metatap.threshold", "source.ip", "destination.ip", "metatap.flow"),
    *("metatap.flow.proto", "network.community_id", "threat.technique.id", "observer.name"),
    *("threat.technique.subtechnique.id", "metatap.alert", "metatap", "event"),
]


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for path, value in flat.items():
        *above, name = path.split(".")
        place = document
        for part in above:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[name] = value
    return document


@given(
    st.dictionaries(st.sampled_from(_PATHS), _JSON).map(_nested),
    st.text(max_size=500),
    st.dictionaries(st.sampled_from(["id.orig_p", "id_resp_p", "proto"]), _JSON),
)
def test_any_document_has_an_event_within_bounds(
    document: dict[str, Any], event_id: str, flow: dict[str, Any]
) -> None:
    """Whatever stands in a document, Zeek's types and bounds hold, down to the last byte."""
    own = document.setdefault("metatap", {})
    if isinstance(own, dict):
        own["flow"] = flow
    payload = alert_event(document, event_id)
    assert len(payload) <= MAX_BYTES
    reader = Reader(payload)
    reader.record("message", 3)
    assert reader.count("version") == reader.count("kind") == 1
    reader.record("event", 2)
    assert reader.text("name", 100) == "Metatap::alert"
    reader.record("args", 2)
    assert reader.count("contract") == CONTRACT_VERSION
    reader.record("alert", len(FIELDS))
    reader.text("id", ID_BYTES)
    for name in list(FIELDS)[1:]:
        reader.skip(name, 1 + MAX_ATTACK)
    reader.end("payload")
    script = _script_fields()
    for name, value in _record(document, event_id).items():
        assert value is None or value[0] == _TYPES[script[name]]


@given(st.ip_addresses())
def test_addresses_read_back(address: Any) -> None:
    """IPv4 is mapped into IPv6, as in the columns."""
    raw = values.addr(str(address))
    assert raw[0] == ADDR
    found = ip_address(raw[1:])
    assert (getattr(found, "ipv4_mapped", None) or found) == (
        getattr(address, "ipv4_mapped", None) or address
    )


@given(st.text(), st.integers(0, 300))
def test_strings_read_back(text: str, most: int) -> None:
    """A string is cut to a beginning of itself that is UTF-8."""
    raw = values.string(text, most)
    assert raw[0] == STRING
    found = Reader(raw).text("text", most)
    whole = text.encode(errors="replace").decode()
    assert whole.startswith(found)
    assert len(found) == len(whole) or len(whole[: len(found) + 1].encode()) > most


@given(st.floats())
def test_doubles_read_back(value: float) -> None:
    """Every double, those that are no number included."""
    (found,) = parse(encode_event("event", [values.double(value)])).args
    assert found.kind == "double"
    assert found.data == value or (math.isnan(found.data) and math.isnan(value))
