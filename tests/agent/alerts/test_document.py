"""metatap.alerts.document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from metatap.alerts import document as doc


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (doc.text, "x", "x"),
        (doc.text, "", None),
        (doc.text, 5, None),
        (doc.texts, ["a", "", 5, "b"], ["a", "b"]),
        (doc.texts, "ab", []),
        (doc.integer, 0, 0),
        (doc.integer, 2**63 - 1, 2**63 - 1),
        (doc.integer, 2**63, None),
        (doc.integer, -1, None),
        (doc.integer, True, None),
        (doc.integer, 1.0, None),
        (doc.number, 2, 2.0),
        (doc.number, -1.5, -1.5),
        (doc.number, float("nan"), None),
        (doc.number, float("inf"), None),
        (doc.number, 10**400, None),
        (doc.number, False, None),
        (doc.port, 65535, 65535),
        (doc.port, 65536, None),
        (doc.address, "10.0.0.1", "10.0.0.1"),
        (doc.address, "2001:db8::1", "2001:db8::1"),
        (doc.address, "fe80::1%eth0", None),
        (doc.address, "10.0.0.256", None),
        (doc.moment, "2023-11-14T22:15:02.500Z", datetime(2023, 11, 14, 22, 15, 2, 500_000, UTC)),
        (doc.moment, "2023-11-14T23:15:02+01:00", datetime(2023, 11, 14, 22, 15, 2, 0, UTC)),
        (doc.moment, "2023-11-14T22:15:02", None),
        (doc.moment, "0001-01-01T00:00:00+14:00", None),
        (doc.moment, "now", None),
        (doc.mapping, {"x": 1}, {"x": 1}),
        (doc.mapping, [1], {}),
    ],
)
def test_a_value_is_of_its_type_or_absent(read: Any, value: Any, found: Any) -> None:
    """At the end of a dotted name; a value of another type is as good as none."""
    assert read({"a": {"b": value}}, "a.b") == found
    assert not read({"a": {}}, "a.b")
    assert not read({"a": "text"}, "a.b")


def test_milliseconds_are_whole_before_the_epoch_too() -> None:
    """Rounded down, as the event's own times are."""
    assert doc.milliseconds(datetime(1969, 12, 31, 23, 59, 59, 999_500, UTC)) == -1
    assert doc.milliseconds(None) is None


def test_a_flow_has_zeeks_names_without_dots() -> None:
    """Since a dot stands for a step into the document."""
    event = {"metatap": {"flow": {"id.orig_p": 8, "history": "S"}}}
    assert doc.flow_fields(event) == {"id_orig_p": 8, "history": "S"}
    assert doc.flow_fields({"metatap": {"flow": "x"}}) == {}


def test_false_and_nought_are_there() -> None:
    """Only None, "" and empty containers are absent."""
    fields: dict[str, Any] = {"a": 0, "b": False, "c": None, "d": "", "e": [], "f": {}, "g": 0.0}
    assert doc.present(fields) == {"a": 0, "b": False, "g": 0.0}
