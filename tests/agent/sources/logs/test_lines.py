"""One line of a log becomes what it says, or a named fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.flow.rows import text_bytes
from metatap.sources.logs import REASONS, summarise
from metatap.sources.logs.faults import LineError
from metatap.sources.logs.fields import FIELDS
from metatap.sources.logs.lines import LineReader
from tests.agent.sources.logs.samples import START, as_tsv, conn, dns, header


def said(line: bytes | dict[str, Any], log: str = "conn", **options: Any) -> Any:
    """What a line says."""
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    return LineReader(log, **options).read(data)


def fault(line: bytes | dict[str, Any], log: str = "conn") -> tuple[str, str]:
    """Reason and field of a line that can't be read."""
    with pytest.raises(LineError) as caught:
        said(line, log)
    assert caught.value.reason in REASONS
    return caught.value.reason, caught.value.field


def test_keys_may_be_flat_or_nested() -> None:
    """Zeek writes them flat, shippers nest them; flat ones come first."""
    ends = {"orig_h": "192.0.2.7", "orig_p": 7, "resp_h": "::1", "resp_p": 8}
    flat = {name: value for name, value in conn(1).items() if not name.startswith("id.")}
    nested = said(flat | {"id": ends})
    assert nested.id_orig_h == b"\0" * 10 + b"\xff\xff" + bytes([192, 0, 2, 7])
    assert nested.id_resp_h == b"\0" * 15 + b"\1"
    assert (nested.id_orig_p, nested.id_resp_p) == (7, 8)
    assert said(conn(1) | {"id": ends}).id_resp_p == 53
    assert said(conn(1) | {"id": None}).id_resp_p == 53


@pytest.mark.parametrize(
    ("ts", "seconds"),
    [
        (1700000000.123456, 1700000000.123456),
        (1700000000, 1700000000.0),
        (1700000000123, 1700000000.123),
        (1700000000123.25, 1700000000.12325),
        ("2023-11-14T22:13:20.123456Z", 1700000000.123456),
        ("2023-11-14T23:13:20.5+01:00", 1700000000.5),
        ("2023-11-14T22:13:20", 1700000000.0),
        (-5.5, -5.5),
        (None, None),
    ],
)
def test_time_in_each_form_zeek_writes(ts: float | str | None, seconds: float | None) -> None:
    """`LogAscii::json_timestamps`: seconds, milliseconds, ISO 8601."""
    assert said(conn(1, ts=ts)).ts == seconds


def test_services_in_a_set_are_joined() -> None:
    """As the log without sets writes them."""
    assert said(conn(1, service=["ssl", None, "http"])).service == "ssl,http"
    assert said(conn(1, service="ssl,http")).service == "ssl,http"


def test_unknown_fields_are_ignored_and_absent_ones_absent() -> None:
    """Old Zeeks wrote fewer, new ones write more."""
    line = said({k: conn(1)[k] for k in ("uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")}
                | {"tunnel_parents": [], "x": {"y": [1]}})  # fmt: skip
    assert line.orig_bytes is None
    assert line.ts is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"uid": ""}, ("missing", "uid")),
        ({"uid": None}, ("missing", "uid")),
        ({"uid": "C" * 257}, ("range", "uid")),
        ({"capture": "c" * 257}, ("range", "capture")),
        ({"id.orig_p": None}, ("missing", "id.orig_p, id.resp_p")),
        ({"id.orig_p": 65536}, ("range", "id.orig_p")),
        ({"id.resp_h": None}, ("missing", "id.resp_h")),
        ({"id.resp_h": "host.example"}, ("type", "id.resp_h")),
        ({"id.resp_h": "1.2.3.4\0"}, ("type", "id.resp_h")),
        ({"id.orig_h": 5}, ("type", "id.orig_h")),
        ({"ts": True}, ("type", "ts")),
        ({"ts": "yesterday"}, ("type", "ts")),
        ({"ts": 5e10}, ("range", "ts")),
        ({"ts": 1e14}, ("range", "ts")),
        ({"ts": "9999-01-01T00:00:00Z"}, ("range", "ts")),
        ({"ts": "0001-01-01T00:00:00+23:00"}, ("range", "ts")),
        ({"duration": "1"}, ("type", "duration")),
        ({"duration": 1e30}, ("range", "duration")),
        ({"orig_bytes": -1}, ("range", "orig_bytes")),
        ({"orig_bytes": 2**63}, ("range", "orig_bytes")),
        ({"orig_bytes": 10**40}, ("range", "orig_bytes")),
        ({"orig_bytes": 1.5}, ("type", "orig_bytes")),
        ({"orig_bytes": True}, ("type", "orig_bytes")),
        ({"local_orig": 1}, ("type", "local_orig")),
        ({"history": ["S"]}, ("type", "history")),
        ({"service": [5]}, ("type", "service[0]")),
        ({"id": {"orig_p": "x"}}, ("type", "id.orig_p")),
    ],
)
def test_a_wrong_value_names_its_field(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    """The whole line is dropped: half a flow would be scored as if it were one."""
    assert fault(conn(1) | changes) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not_json"),
        (b'{"uid":"C1"', "not_json"),
        (b'{"uid":"C1"} x', "not_json"),
        (b'{"uid":"C1","orig_bytes":NaN}', "not_json"),
        (b'{"uid":"C1","duration":Infinity}', "not_json"),
        (b'{"uid":"C\xff"}', "line_not_utf8"),
        (b"\xff\xfe", "line_not_utf8"),
        (b'{"x":' + b"[" * 90_000 + b"]" * 90_000 + b"}", "too_deep"),
        (b'["uid"]', "no_header"),
        (b"\0\0\0", "no_header"),
        (b"1700000000.0\tC1", "no_header"),
    ],
)
def test_a_broken_line_is_a_named_fault(line: bytes, reason: str) -> None:
    """Whatever the bytes are."""
    assert fault(line)[0] == reason


@pytest.mark.parametrize("line", [b"", b"  ", b"\r", b"#close\t2026", b"# note", b"#"])
def test_empty_lines_and_comments_are_not_lines(line: bytes) -> None:
    """They are neither read nor dropped."""
    assert said(line) is None


@pytest.mark.parametrize("separator", ["\t", "|", ";;", "\x01"])
def test_any_separator_the_header_declares(separator: str) -> None:
    """Text of Zeek's other writers reads alike."""
    reader = LineReader("dns")
    line = dns(3, query="a|b;c\td", answers=["x,y", "-", ""])
    found = [reader.read(part) for part in as_tsv([line], separator).split(b"\n")]
    [record] = [item for item in found if item is not None]
    assert (record.query, record.answers) == ("a|b;c\td", ["x,y", "-", "(empty)"])
    assert record.ts == START + 3


def test_unset_and_empty_fields() -> None:
    """Unset is absent, `(empty)` is an empty list or text; the header may name others."""
    lines = header(["uid", "query", "answers", "rcode"], ["string"] * 4)
    lines += "C1\t-\t(empty)\t-\n#unset_field\tnil\n#empty_field\tvoid\nC2\t-\tvoid\tnil\n"
    reader = LineReader("dns")
    found = [reader.read(line.encode()) for line in lines.split("\n")]
    first, second = [item for item in found if item is not None]
    assert (first.query, first.answers, first.rcode) == (None, [], None)
    assert (second.query, second.answers, second.rcode) == ("-", [], None)


def test_bytes_in_hex_are_those_bytes() -> None:
    r"""What is not UTF-8 stays `\xNN`, as Zeek's JSON has it; `T` and `F` are the flags."""
    text = header(["uid", "server_name", "established"], ["string", "string", "bool"])
    reader = LineReader("ssl")
    found = [reader.read(x.encode()) for x in (text + "C1\t\\xc3\\xa4\\xff\\x5c\tT").split("\n")]
    assert (found[-1].server_name, found[-1].established) == ("ä\\xff\\", True)


@pytest.mark.parametrize(
    ("head", "line", "expected"),
    [
        ("", "1\tC1", ("no_header", "")),
        ("#fields\tts\tuid\n", "1\tC1", ("no_header", "")),
        ("#separator \n#fields\tts\tuid\n", "1\tC1", ("no_header", "")),
        ("#separator \\x09\n", "1\tC1", ("no_header", "")),
        ("#separator \\x09\n#fields\tts\tuid\n", "1\tC1\t2", ("fields", "")),
        ("#separator \\x7c\n#fields|ts|uid\n", "1\tC1", ("fields", "")),
        ("#separator \\x09\n#fields\tts\tquery\n", "1\tq", ("missing", "uid")),
        ("#separator \\x09\n#fields\tts\tuid\n", "nan\tC1", ("type", "ts")),
        ("#separator \\x09\n#fields\tts\tuid\n", "1e99\tC1", ("range", "ts")),
        ("#separator \\x09\n#fields\tqtype\tuid\n", "-1\tC1", ("type", "qtype")),
        ("#separator \\x09\n#fields\tqtype\tuid\n", "1_0\tC1", ("type", "qtype")),
        ("#separator \\x09\n#fields\tqtype\tuid\n", "9" * 20 + "\tC1", ("range", "qtype")),
        ("#separator \\x09\n#fields\tqtype\tuid\n", "9" * 9000 + "\tC1", ("type", "qtype")),
        ("#separator \\x09\n#fields\tqtype\tuid\n#separator \\x09\n", "1\tC1", ("no_header", "")),
    ],
)
def test_a_header_that_does_not_fit(head: str, line: str, expected: tuple[str, str]) -> None:
    """A separator that is wrong or missing, other fields than named, values of another type."""
    reader = LineReader("dns")
    for part in head.split("\n"):
        assert reader.read(part.encode()) is None
    with pytest.raises(LineError) as caught:
        reader.read(line.encode())
    assert (caught.value.reason, caught.value.field) == expected


def test_the_header_of_one_file_is_not_that_of_the_next() -> None:
    """Another file may have another form."""
    reader = LineReader("dns")
    for part in as_tsv([dns(1)]).split(b"\n"):
        reader.read(part)
    reader.restart()
    with pytest.raises(LineError, match="header"):
        reader.read(as_tsv([dns(1)]).split(b"\n")[-3])


def test_texts_of_a_long_line_are_cut() -> None:
    """A batch holds thousands of lines, each of which may be as long as the bound."""
    line = said(conn(1, history="S" * 99_000, label=["x"] * 9000), keep=("label",))
    assert len(line.history) < 2000
    assert len(line.kept_20 if hasattr(line, "kept_20") else line.kept_21) < 2000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(FIELDS)),
    st.dictionaries(st.sampled_from(sorted({*conn(1), *dns(1), "id", "capture"})), json_values),
)
def test_any_document_is_read_or_a_fault(log: str, changes: dict[str, Any]) -> None:
    """Nothing but `LineError` comes out, under a name that is documented."""
    for document in (changes, conn(1) | changes):
        try:
            line = LineReader(log).read(json.dumps(document).encode("utf-8", "surrogatepass"))
        except LineError as error:
            reasons = {error.reason}
        else:
            reasons = set()
            assert line.uid
        assert reasons <= set(REASONS)


@given(st.sampled_from(sorted(FIELDS)), st.lists(st.binary() | st.text().map(str.encode)))
def test_any_bytes_are_read_or_a_fault(log: str, lines: list[bytes]) -> None:
    """Below a header or without."""
    reader = LineReader(log)
    reasons = set()
    for line in [*as_tsv([conn(1)]).split(b"\n")[:6], *lines]:
        try:
            reader.read(line)
        except LineError as error:
            reasons.add(error.reason)
    assert reasons <= set(REASONS)


def test_a_text_that_says_an_escape_of_itself_stays() -> None:
    r"""Zeek writes the text `a\x41` as `a\x5cx41` in TSV: four bytes after the `a`, not one `A`."""
    reader = LineReader("dns")
    lines = as_tsv([dns(1, query="a\\x41", answers=["\\xff"])]).split(b"\n")
    [line] = [found for part in lines if (found := reader.read(part)) is not None]
    summary = summarise("dns", [{"query": line.query, "answers": line.answers}])
    assert (summary["dns.query_bytes"], summary["dns.answer_bytes"]) == (5, 4)
    assert text_bytes(line.query) == b"a\\x41"
