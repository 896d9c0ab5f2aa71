"""metatap.features.kernel, compiled and encoder: the compiled twin gives the reference's bits."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.agent.context.streams import RECORDING, needs_numba
from tests.agent.flow.samples import batches, plain

from metatap.context import CONTEXT_NAMES, CONTEXT_WIDTH, Context
from metatap.errors import FlowError
from metatap.features import encode, encoder
from metatap.features.classes import MAGNITUDES
from metatap.features.table import INDEX, NAMES
from metatap.flow import FlowBatch, Numeric, Strings, concat
from metatap.flow.columns import Column
from metatap.flow.schema import BY_NAME
from metatap.offline.stream import read
from metatap.sources import open_source

pytestmark = needs_numba

DEMO = str(files("metatap.demo") / "data" / "branch.mtrec")
TEXTS = ("history", "service", "dns.query", "http.uri", "http.host", "ssl.version")


def assert_same_bits(batch: FlowBatch, context: Any = None) -> None:
    got, expected = encoder(compiled=True)(batch, context), encode(batch, context)
    assert got.flags.c_contiguous
    known = ~np.isnan(expected)
    different = (np.isnan(got) == known) | (known & (got.view("u4") != expected.view("u4")))
    assert sorted({NAMES[at] for at in np.nonzero(different)[1]}) == []


@pytest.mark.parametrize("recording", [RECORDING, DEMO])
def test_recordings(recording: str) -> None:
    """All flows of a recording, in batches as they came and as one, with their context."""
    context, whole = Context(), []
    for batch in read(open_source(recording)):
        assert_same_bits(batch, context.update(batch))
        whole.append(batch)
    assert_same_bits(concat(whole))


@settings(max_examples=150)
@given(batches(300), st.booleans(), st.data())
def test_anything_the_schema_allows(batch: FlowBatch, known: bool, data: st.DataObject) -> None:
    """Extreme numbers, any bytes, any mask, any absent column."""
    gone = data.draw(st.sets(st.sampled_from(sorted(batch.columns)))) if batch.columns else set()
    columns = {name: column for name, column in batch.columns.items() if name not in gone}
    context = np.linspace(-1, 1, batch.rows * CONTEXT_WIDTH, dtype=np.float32)
    context[::3] = np.nan
    assert_same_bits(
        FlowBatch(batch.rows, columns), context.reshape(-1, CONTEXT_WIDTH) if known else None
    )


@settings(max_examples=100)
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    *(b"", b"-", b",", b"dns", b"SSL", b"krb_tcp", b"gssapi", b"none"),
                    *(b"TLSv13", b"SSLv2", b"DTLSv12", b"^Dd", b"1.2.3.4", b"\0", b"\xff"),
                    *(b"0" * 70, b"q" * 300),
                ]
            ),
            max_size=12,
        ).map(b"".join),
        min_size=1,
        max_size=140,
    ),
    st.booleans(),
)
def test_odd_strings(items: list[bytes], masked: bool) -> None:
    """Empty words, separators, NULs, what looks like a word: split and told in the same way."""
    strings = Strings.from_items([item if item or not masked else None for item in items])
    columns: dict[str, Column] = dict.fromkeys(TEXTS, strings)
    every = np.ones(len(items))
    for name in ("dns.queries", "http.requests"):
        columns[name] = Numeric(every.astype(np.uint64))
    columns["ssl.resumed"] = Numeric(every.astype(np.bool_))
    assert_same_bits(FlowBatch(len(items), columns))


def test_a_string_longer_than_a_lane() -> None:
    """Bytes are counted in parts, so that no count runs into its neighbour."""
    long = np.frombuffer(b"7a." * 1_100_000, np.uint8)
    query = Strings(np.array([0, len(long)]), long)
    one = Numeric(np.ones(1, np.uint64))
    assert_same_bits(FlowBatch(1, {"dns.queries": one, "dns.query": query, "history": query}))


def test_strings_that_start_later() -> None:
    """The strings of a part of a batch begin and end within its bytes."""
    whole = Strings.from_items([b"dns", b"http,ssl", b"", b"krb"])
    part = Strings(whole.offsets[1:4], whole.data)
    assert_same_bits(FlowBatch(2, {"service": part, "history": part}))


@pytest.mark.parametrize("offsets", [[0, 9], [-1, 2], [2, 1], [0, 2**62]])
def test_offsets_out_of_order(offsets: list[int]) -> None:
    """No byte outside the strings is read, whatever the offsets say; the column is named."""
    strings = Strings(np.array(offsets), np.frombuffer(b"dns", np.uint8))
    with pytest.raises(FlowError, match="service"):
        encoder(compiled=True)(FlowBatch(1, {"service": strings}), None)


def test_codes_outside_the_vocabulary() -> None:
    """A code without a name sets no flag."""
    codes = np.array([255, 13, 4, 1], np.uint8)
    assert_same_bits(FlowBatch(4, {"proto": Numeric(codes), "conn_state": Numeric(codes)}))


def test_a_context_of_another_shape() -> None:
    """It is refused, not read beyond its end."""
    with pytest.raises(ValueError, match="context of shape"):
        encoder(compiled=True)(plain(4), np.zeros((3, CONTEXT_WIDTH), np.float32))


def test_layouts_cause_no_compilation() -> None:
    """Strided, unaligned and read-only columns are read right by the one compiled form."""
    from metatap.features.compiled import encode_rows  # noqa: PLC0415 - an optional dependency

    flows = plain(200)
    odd: dict[str, Column] = {}
    for name, column in flows.columns.items():
        if isinstance(column, Strings):
            offsets: Any = column.offsets.astype(np.int32)
            odd[name] = Strings(offsets, np.repeat(column.data, 2)[::2], column.valid)
            continue
        values = column.values
        wide = np.zeros((len(values), values[0].nbytes + 1), np.uint8)
        wide[:, 1:] = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
        view = wide[:, 1:] if values.ndim == 2 else wide[:, 1:].view(values.dtype)[:, 0]
        view.flags.writeable = False
        mask = None if column.valid is None else np.repeat(column.valid, 2)[::2]
        odd[name] = replace(column, values=view, valid=mask)
    np.testing.assert_array_equal(
        encoder(compiled=True)(FlowBatch(200, odd), None), encode(flows), strict=True
    )
    assert len(encode_rows.signatures) == 1


def test_columns_of_the_matrix() -> None:
    """What the kernel writes as one run is one run in the table."""
    runs = {
        "duration": "orig_bytes resp_bytes missed_bytes orig_pkts resp_pkts orig_ip_bytes "
        "resp_ip_bytes orig_pkt_size resp_pkt_size pkt_interval byte_rate",
        "orig_byte_share": "orig_pkt_share orig_payload_share resp_payload_share",
        "dns.queries": "dns.query_mean dns.query_longest dns.answer_mean dns.rate",
        "dns.nxdomain_share": "dns.rare_qtype_share dns.answers_mean dns.query_digit_share "
        "dns.query_vowel_share dns.query_odd_share",
        "http.requests": "http.uri_mean http.request_body_mean http.response_body_mean "
        "http.user_agent_length",
        "http.error_share": "http.write_share http.uri_digit_share",
        "resp_p.system": "resp_p.dynamic",
    }
    for first, others in runs.items():
        at = INDEX[first]
        assert NAMES[at + 1 : at + 1 + len(others.split())] == tuple(others.split())
    for part in (CONTEXT_NAMES[:MAGNITUDES], CONTEXT_NAMES[MAGNITUDES:]):
        at = INDEX[part[0]]
        assert NAMES[at : at + len(part)] == tuple(part)


def test_what_is_read_is_in_the_schema() -> None:
    """Each column is read as what the schema says it is."""
    from metatap.features import compiled  # noqa: PLC0415 - an optional dependency

    kinds = {"count": compiled.COUNTS, "bool": compiled.FLAGS, "enum": compiled.CODES}
    for kind, names in (kinds | {"string": compiled.TEXTS}).items():
        assert {BY_NAME[name].kind for name in names} == {kind}


def test_a_twin_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cached from another table is compiled anew; if that doesn't help, the reference."""
    from metatap.features import kernel  # noqa: PLC0415 - an optional dependency

    anew: list[bool] = []
    right = kernel.encode
    monkeypatch.setattr(kernel, "recompile", lambda: anew.append(True))
    monkeypatch.setattr(
        kernel, "encode", lambda batch, known: right(batch, known if anew else None)
    )
    assert encoder.__wrapped__() is kernel.encode
    assert anew == [True]
    monkeypatch.setattr(kernel, "encode", lambda batch, _: right(batch, None))
    with capture_logs() as events:
        assert encoder.__wrapped__() is encode
    assert [event["event"] for event in events] == ["twin_not_used"]
    with pytest.raises(ImportError, match="differ"):
        encoder.__wrapped__(compiled=True)


def test_numba_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken numba costs speed, not flows: the reference does the work, an event says why."""
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("kernel", "compiled"):
        monkeypatch.delitem(sys.modules, f"metatap.features.{name}", raising=False)
    monkeypatch.setattr("metatap.compiling.find_spec", lambda _: object())
    with capture_logs() as events:
        assert encoder.__wrapped__() is encode
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("twin_not_used", "warning")
    ]
