"""metatap.formats: what holds for every format."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.formats import cef_check, eve_check, notice_check, ocsf_check
from tests.agent.formats.cases import ALERTS, DOCUMENTS, Document
from tests.agent.formats.golden import FOLDER, lines

from metatap.alerts import encode_ecs
from metatap.formats import FORMATS, MAX_FORMATTED, Format
from metatap.packs import Severity

GOLDEN = lines()

CHECKS: dict[str, Callable[[bytes], list[str]]] = {
    "ecs": lambda line: [] if isinstance(msgspec.json.decode(line), dict) else ["no object"],
    "ocsf": lambda line: ocsf_check.faults(msgspec.json.decode(line), complete=False),
    "cef": lambda line: cef_check.faults(cef_check.parse(line.decode())),
    "eve": lambda line: eve_check.faults(msgspec.json.decode(line)),
    "notice": lambda line: notice_check.faults(msgspec.json.decode(line)),
}
"""Format → faults of a line; a field that the format requires may be missing."""

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(max_size=40)
    | st.sampled_from(
        ("", "a|b\\c=d\ne", "9" * 400, "T9999", "256.0.0.1", "fe80::1%eth0", "0001-01-01T00:00:00Z")
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)


def _paths(document: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(document, dict):
        return []
    found = []
    for name, value in document.items():
        found += [(*at, name), *_paths(value, (*at, name))]
    return found


@st.composite
def changed(draw: st.DrawFn) -> Document:
    """A real alert with some fields removed or given another value."""
    document = copy.deepcopy(DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))])
    for _ in range(draw(st.integers(1, 6))):
        paths = _paths(document)
        if not paths:
            break
        *parents, name = draw(st.sampled_from(paths))
        place = document
        for parent in parents:
            place = place[parent]
        if draw(st.booleans()):
            del place[name]
        else:
            place[name] = draw(VALUES)
    return document


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_line_stays_as_it_is(path: Path) -> None:
    """Byte for byte; `python -m tests.agent.formats.golden` writes a wanted change down."""
    assert path.read_bytes() == GOLDEN[path]


def test_no_line_is_left_over() -> None:
    """The folder holds what the cases give and nothing else."""
    assert set(FOLDER.iterdir()) == set(GOLDEN)


def test_the_default_is_the_line_as_it_is() -> None:
    """ECS is what the agent wrote, byte for byte."""
    assert next(iter(FORMATS)) == "ecs"
    for alert in ALERTS.values():
        line = encode_ecs(alert)
        assert FORMATS["ecs"].encode(msgspec.json.decode(line)) == line


@settings(deadline=None, max_examples=300)
@given(changed())
def test_no_document_is_too_odd(document: Document) -> None:
    """Missing fields and wrong types are left out: what is written has the format's own types."""
    before = repr(document)
    for name, format_ in FORMATS.items():
        line = format_.encode(document)
        assert len(line) <= MAX_FORMATTED
        assert b"\n" not in line
        assert b"\r" not in line
        assert CHECKS[name](line) == []
    assert repr(document) == before


@settings(deadline=None, max_examples=20)
@given(VALUES, st.sampled_from(sorted(DOCUMENTS["opened"])))
def test_nothing_else_is_fine_too(value: Any, name: str) -> None:
    """A document with one field of any kind, or none, gives a line."""
    for format_ in FORMATS.values():
        assert format_.encode({name: value})
        assert format_.encode({})


@pytest.mark.parametrize("name", FORMATS)
def test_a_line_is_bounded(name: str) -> None:
    """However long the texts and lists are; a cut text says so."""
    document = copy.deepcopy(DOCUMENTS["opened"])
    document["message"] = '"' * 300_000
    document["metatap"]["alert"]["uids"] = ["=" * 500] * 5_000
    document["threat"]["technique"]["subtechnique"]["id"] = [
        f"T{number:04}.001" for number in range(10_000)
    ]
    line = FORMATS[name].encode(document)
    assert len(line) <= MAX_FORMATTED
    assert "…" in line.decode()


def test_a_deep_document_is_cut() -> None:
    """No nesting is followed beyond its bound."""
    deep: Document = {}
    for _ in range(200):
        deep = {"a": deep, "b": "x" * 2000}
    for format_ in FORMATS.values():
        assert len(format_.encode({"metatap": deep})) <= MAX_FORMATTED


@pytest.mark.parametrize("format_", FORMATS.values(), ids=FORMATS)
def test_every_severity_has_a_number(format_: Format) -> None:
    """Another number for one severity leaves the others; the format itself stays as it was."""
    assert set(format_.severities) == set(Severity)
    document = DOCUMENTS["opened"]
    other = format_.with_severities({"high": format_.lowest})
    assert format_.encode(document) != other.encode(document)
    assert {**other.severities, "high": 0} == {**format_.severities, "high": 0}
    low = copy.deepcopy(document)
    low["metatap"]["pack"]["severity"] = "low"
    assert format_.encode(low) == other.encode(low)


@pytest.mark.parametrize(
    ("given_", "fault"),
    [
        ({"hgih": 3}, "hgih: not a severity; known: low, medium, high, critical"),
        ({"high": 11}, "high: 11 is not from 0 to 10, the severities of cef"),
        ({"high": "7"}, "high: not a whole number"),
        ({"high": True}, "high: not a whole number"),
    ],
)
def test_a_wrong_severity_is_refused(given_: dict[str, Any], fault: str) -> None:
    """The message names it and what is allowed."""
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        FORMATS["cef"].with_severities(given_)
