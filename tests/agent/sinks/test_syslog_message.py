"""metatap.sinks.syslog_message."""

from __future__ import annotations

import os
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import ConfigError
from metatap.packs import Severity
from metatap.sinks import Record, SyslogFormat
from metatap.sinks.syslog_message import FACILITIES, SEVERITIES

TIME = 1_700_000_000_123_456_789

RFC_5424 = re.compile(
    rb"<(?P<pri>[0-9]{1,3})>1 "
    rb"(?P<time>-|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<msg>[!-~]{1,32}) "
    rb'(?P<data>-|\[[!#-<>-\\^-~]{1,32} id="(?P<id>(?:[^"\\\]]|\\["\\\]])*)"\])'
    rb"(?: (?P<text>.*))?",
    re.DOTALL,
)
"""Section 6 of the RFC, with the structured data that is written."""


def encode(style: SyslogFormat, **fields: object) -> bytes:
    record = {"id": "a1", "time": TIME, "severity": Severity.HIGH, "body": b'{"a":1}'} | fields
    return style.encode(Record(**record))  # type: ignore[arg-type]


def test_a_message_is_laid_out_as_the_rfc_has_it() -> None:
    """Every field, to the byte."""
    style = SyslogFormat(hostname="sensor-1")
    want = (
        f"<131>1 2023-11-14T22:13:20.123456Z sensor-1 metatap {os.getpid()} alert "
        '[metatap@32473 id="a1"] {"a":1}'
    )
    assert encode(style) == want.encode()


def test_options_change_what_they_name() -> None:
    """Facility, severity, name of the program, structured data, byte order mark."""
    style = SyslogFormat(
        facility="daemon",
        severities={Severity.HIGH: 0},
        hostname="h",
        app_name="ids",
        enterprise=None,
        bom=True,
    )
    message = encode(style)
    assert message.startswith(b"<24>1 2023-11-14T22:13:20.123456Z h ids ")
    assert message.endswith(b' alert - \xef\xbb\xbf{"a":1}')
    assert encode(style, severity=Severity.LOW).startswith(b"<29>1 "), "the others stay"


def test_priority_is_facility_times_eight_plus_severity() -> None:
    """For every facility and severity; worse is a smaller number."""
    for facility, number in FACILITIES.items():
        for severity, level in SEVERITIES.items():
            message = encode(SyslogFormat(facility=facility), severity=severity)
            assert message.startswith(b"<%d>1 " % (8 * number + level))
    assert len(FACILITIES) == 20
    order = [SEVERITIES[severity] for severity in Severity]
    assert order == sorted(order, reverse=True)


def test_the_systems_name_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no message can hold becomes the nil value."""
    assert f" {socket.gethostname()} metatap ".encode() in encode(SyslogFormat())
    monkeypatch.setattr(socket, "gethostname", lambda: "a b")
    assert b"Z - metatap " in encode(SyslogFormat())


@given(
    st.integers(min_value=-(2**70), max_value=2**70),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.binary(max_size=200),
    st.sampled_from(Severity),
    st.booleans(),
)
def test_whatever_the_record_holds_the_message_keeps_to_the_rfc(
    time: int, name: str, body: bytes, severity: Severity, bom: bool
) -> None:
    """A time that no calendar has is the nil value; an id is escaped and can be read back."""
    message = encode(SyslogFormat(bom=bom), time=time, id=name, body=body, severity=severity)
    found = RFC_5424.fullmatch(message)
    assert found is not None
    assert re.sub(rb'\\(["\\\]])', rb"\1", found["id"]).decode() == name
    assert found["text"] == (b"\xef\xbb\xbf" if bom else b"") + body


def test_wrong_options_are_all_named() -> None:
    """One error for all of them."""
    with pytest.raises(ConfigError) as raised:
        SyslogFormat(
            facility="local9",
            severities={Severity.LOW: 8},
            hostname="a b",
            app_name="x" * 49,
            enterprise=0,
        )
    assert [fault.split(":")[0] for fault in raised.value.faults] == [
        "facility",
        "severities",
        "hostname",
        "app_name",
        "enterprise",
    ]
