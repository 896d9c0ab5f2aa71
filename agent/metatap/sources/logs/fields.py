"""Which fields of which log are read, and the form of each: one table for JSON and for TSV."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any

import msgspec

from metatap.flow.rows import addr_text
from metatap.flow.schema import Group, Kind, group_columns
from metatap.sources.logs.faults import LineError

Record = dict[str, Any]
"""One line: field → value; a field that is not there is absent or None."""

COUNT_MAX = 2**63 - 1
"""Largest count: no link carries more, while a counter that went below 0 shows up above."""

SECONDS_MAX = 9.2e9
"""Largest time and interval, in seconds either way: int64 nanoseconds end at 9.22e9."""

MILLIS_ABOVE = 1e11
"""A JSON `ts` above this is in milliseconds (`JSON::TS_MILLIS`): as seconds it is the year 5138."""


class Form(StrEnum):
    """What a field of a log holds."""

    TIME = "time"
    INTERVAL = "interval"
    COUNT = "count"
    PORT = "port"
    ADDR = "addr"
    TEXT = "text"
    FLAG = "flag"
    WORDS = "words"
    SERVICE = "service"
    ANY = "any"


_OF_KIND = {
    Kind.TIME: Form.TIME,
    Kind.INTERVAL: Form.INTERVAL,
    Kind.COUNT: Form.COUNT,
    Kind.PORT: Form.PORT,
    Kind.ADDR: Form.ADDR,
    Kind.BOOL: Form.FLAG,
    Kind.ENUM: Form.TEXT,
    Kind.STRING: Form.TEXT,
}

_ENDS: dict[str, Form] = {"id.orig_h": Form.ADDR, "id.orig_p": Form.PORT}
_ENDS |= {"id.resp_h": Form.ADDR, "id.resp_p": Form.PORT}

_KEY: dict[str, Form] = {"ts": Form.TIME, "uid": Form.TEXT, "capture": Form.TEXT}

_CONN = {s.name: _OF_KIND[s.kind] for s in group_columns(Group.CONN) if s.name != "partial"}

FIELDS: dict[str, dict[str, Form]] = {
    "conn": _KEY | _CONN | {"service": Form.SERVICE},
    "dns": _KEY
    | {"query": Form.TEXT, "qtype": Form.COUNT, "rcode": Form.COUNT, "answers": Form.WORDS},
    "http": _KEY
    | dict.fromkeys(("method", "host", "uri", "user_agent"), Form.TEXT)
    | dict.fromkeys(("status_code", "request_body_len", "response_body_len"), Form.COUNT),
    "ssl": _KEY
    | dict.fromkeys(("version", "cipher", "server_name", "next_protocol"), Form.TEXT)
    | dict.fromkeys(("resumed", "established"), Form.FLAG)
    | dict.fromkeys(("cert_chain_fps", "cert_chain_fuids"), Form.WORDS),
    "ssh": _KEY
    | {"version": Form.COUNT, "auth_success": Form.FLAG, "auth_attempts": Form.COUNT}
    | {"client": Form.TEXT, "server": Form.TEXT},
}
"""Log → the fields read from it → their forms; all others are ignored."""

_SECONDS = Annotated[float, msgspec.Meta(ge=-SECONDS_MAX, le=SECONDS_MAX)]
_TIME = Annotated[float, msgspec.Meta(ge=-SECONDS_MAX, le=SECONDS_MAX * 1000)]
_COUNT = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
_PORT = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
_WORDS = list[str | None]

_TYPES: dict[Form, Any] = {
    Form.TIME: _TIME | str | None,
    Form.INTERVAL: _SECONDS | None,
    Form.COUNT: _COUNT | None,
    Form.PORT: _PORT | None,
    Form.ADDR: str | None,
    Form.TEXT: str | None,
    Form.FLAG: bool | None,
    Form.WORDS: _WORDS | None,
    Form.SERVICE: str | _WORDS | None,
    Form.ANY: Any,
}
"""Form → its type in JSON."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of a log are held.

    Attributes:
        forms: Field → form, of all that is read.
        struct: The class of a line, with one attribute a field; a value not there is None.
        attributes: Field → attribute (`id.orig_h` → `id_orig_h`), in the order of the class.
    """

    forms: Mapping[str, Form]
    struct: type[Line]
    attributes: Mapping[str, str]


class Line(msgspec.Struct, gc=False):
    """What the lines of all logs have."""

    uid: str | None = None
    ts: Any = None
    capture: str | None = None


@cache
def layout(log: str, keep: tuple[str, ...] = ()) -> Layout:
    """The layout of a log's lines, with the fields to keep whatever their form.

    Keys are flat (`id.orig_h`); a nested `id` is read as a value of its own.
    """
    forms = FIELDS[log] | {name: Form.ANY for name in keep if name not in FIELDS[log]}
    attributes = {
        name: name.replace(".", "_") if name in FIELDS[log] else f"kept_{at}"
        for at, name in enumerate(forms)
    }
    items = [(attributes[name], _TYPES[form], None) for name, form in forms.items()]
    if log == "conn":
        ends = [(name.partition(".")[2], _TYPES[form], None) for name, form in _ENDS.items()]
        items.append(("id", msgspec.defstruct("Ends", ends) | None, None))
    names = {attribute: name for name, attribute in attributes.items() if name != attribute}
    struct: Any = msgspec.defstruct("Line", items, bases=(Line,), rename=names, gc=False)
    order = {attribute: name for name, attribute in attributes.items()}
    ordered = {order[a]: a for a in struct.__struct_fields__ if a in order}
    return Layout(forms, struct, ordered)


def flatten(line: Any) -> None:
    """Copy the fields of a nested `id` to the flat ones that are not there."""
    for name in _ENDS:
        attribute = name.replace(".", "_")
        if getattr(line, attribute) is None:
            setattr(line, attribute, getattr(line.id, name.partition(".")[2]))


def seconds_of(ts: float | str) -> float:
    """A `ts` of JSON, in seconds since the epoch.

    Raises:
        LineError: it is text that is no ISO 8601 time, or out of its bounds.
    """
    if isinstance(ts, str):
        return _iso_seconds(ts)
    if ts > MILLIS_ABOVE:
        return round(ts * 1000) / 1_000_000
    if ts > SECONDS_MAX:
        raise LineError("range", "ts", f"{ts}: beyond the year 2261")
    return ts


def _iso_seconds(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time, UTC where it says no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise LineError("type", "ts", f"{text[:40]!r}: neither a number nor ISO 8601") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    try:
        seconds = time.timestamp()
    except OverflowError:
        seconds = math.inf
    if not abs(seconds) <= SECONDS_MAX:
        raise LineError("range", "ts", f"{text[:40]!r}: beyond the year 2261")
    return seconds


def as_text(value: Any) -> str | None:
    """A field of any form as text: an address as people write it, what is not text as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return addr_text(value)
    return msgspec.json.encode(value).decode()


_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?", re.ASCII)
_DIGITS = re.compile(r"\d{1,30}", re.ASCII)
_FLAGS = {"T": True, "F": False}


def from_text(name: str, form: Form, text: str) -> Any:
    """A value of a TSV line that is neither unset, nor text, nor a list.

    Raises:
        LineError: the text is not of the form, or out of its bounds.
    """
    if form in (Form.TIME, Form.INTERVAL):
        return _number(name, _NUMBER, text, -SECONDS_MAX, SECONDS_MAX)
    if form is Form.FLAG:
        flag = _FLAGS.get(text)
        if flag is None:
            raise LineError("type", name, f"{text[:40]!r}: neither T nor F")
        return flag
    return _number(name, _DIGITS, text, 0, COUNT_MAX if form is Form.COUNT else 2**16 - 1)


def _number(name: str, form: re.Pattern[str], text: str, least: float, most: float) -> float:
    if not form.fullmatch(text):
        raise LineError("type", name, f"{text[:40]!r}: not a number of its kind")
    value = int(text) if form is _DIGITS else float(text)
    if not least <= value <= most:
        raise LineError("range", name, f"{text[:40]!r}: out of its bounds")
    return value
