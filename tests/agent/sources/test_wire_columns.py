"""A group's fields on the wire → columns."""

from __future__ import annotations

import numpy as np
import pytest

from metatap.flow import Group, from_rows, to_row
from metatap.sources import flows_message
from metatap.sources.broker_bin import varbyte
from tests.agent.flow.samples import arbitrary, assert_same, flow, plain
from tests.agent.sources.samples import Parts
from tests.agent.sources.test_zeek_wire import HEADER, count, edited, flows_of, refused


def test_columns_no_flow_has_are_left_out() -> None:
    """An absent column costs nothing; one that every flow has needs no mask."""
    batch = flows_of(flows_message(plain(5), HEADER)).batch
    assert "duration" not in batch.columns
    assert "http.requests" not in batch.columns
    assert batch.columns["ts"].valid is None
    assert batch.columns["dns.query"].mask().tolist() == [True, False, False, True, False]


def test_strings_are_views_of_the_message() -> None:
    """The bytes of strings are not copied."""
    parts = flows_message(plain(4), HEADER)
    uid = flows_of(parts).batch.strings("uid")
    assert uid is not None
    assert np.shares_memory(uid.data, np.frombuffer(parts[3], np.uint8))


def test_a_value_outside_the_vocabulary_is_absent_and_counted() -> None:
    """A later Zeek may know more states; the flow is still worth scoring."""
    rows = [flow(conn_state=state) for state in ("SF", "S0", "REJ")]
    parts = edited(flows_message(from_rows(rows), HEADER), b"SFS0REJ", b"SFS9REJ")
    decoded = flows_of(parts)
    assert decoded.unknown == {"conn_state": 1}
    assert decoded.batch.columns["conn_state"].mask().tolist() == [True, False, True]
    assert to_row(decoded.batch, 2)["conn_state"] == "REJ"


def test_an_unknown_protocol_is_absent_and_counted() -> None:
    """The protocol is the last byte of the responder's port."""
    parts = flows_message(from_rows([flow(id__resp_p=443)]), HEADER)
    decoded = flows_of(edited(parts, b"\x08\x01\xbb\x01", b"\x08\x01\xbb\x09"))
    assert decoded.unknown == {"proto": 1}
    assert "proto" not in decoded.batch.columns


def test_absent_states_are_not_unknown_ones() -> None:
    """No value is not a foreign value."""
    decoded = flows_of(flows_message(from_rows([flow(), flow(conn_state=None)]), HEADER))
    assert decoded.unknown == {}
    assert decoded.batch.columns["conn_state"].mask().tolist() == [True, False]


def test_strings_of_flows_need_not_be_utf8() -> None:
    """A host name is what was on the network; names of nodes are ours."""
    batch = from_rows([flow(uid=b"C\xff\xfe")])
    column = flows_of(flows_message(batch, HEADER)).batch.strings("uid")
    assert column is not None
    assert column.item(0) == b"C\xff\xfe"


def dns(**changes: bytes) -> Parts:
    """A message of four flows, rows 0 and 3 with DNS, with pieces of the payload replaced."""
    parts = flows_message(plain(4), HEADER)
    rows = b"\x0e\x02" + count(0) + count(3)
    return edited(parts, rows, changes.get("rows", rows))


def vector(*values: int) -> bytes:
    """A vector of count on the wire."""
    return b"\x0e" + varbyte(len(values)) + b"".join(count(value) for value in values)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [((3, 0), "rows"), ((1, 1), "rows"), ((0, 4), "rows"), ((0, 2**64 - 1), "rows")],
)
def test_rows_of_a_group_increase_within_the_batch(rows: tuple[int, int], reason: str) -> None:
    """Row numbers are indices: nothing beyond the batch is ever written to."""
    assert refused(dns(rows=vector(*rows))) == (reason, "flows.dns.row")


def test_rows_may_be_any_increasing_ones() -> None:
    """The summaries move with their row numbers."""
    batch = flows_of(dns(rows=vector(1, 2))).batch
    assert batch.columns["dns.query"].mask().tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((0,), ("length", "flows.dns.queries")),
        ((0, 1, 2), ("length", "flows.dns.queries")),
        ((0, 1, 2, 3, 4), ("rows", "flows.dns.row")),
    ],
)
def test_columns_of_a_group_have_one_length(
    rows: tuple[int, ...], expected: tuple[str, str]
) -> None:
    """Each vector has as many elements as there are rows, which are no more than flows."""
    assert refused(dns(rows=vector(*rows))) == expected


def lengths(*values: int) -> Parts:
    """A message of three flows whose uids have these lengths, nine bytes being right."""
    parts = flows_message(plain(3), HEADER)
    return edited(parts, b"C00000002" + vector(9, 9, 9), b"C00000002" + vector(*values))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((9, 9, 8), "length"),
        ((9, 9, 10), "length"),
        ((9, 9, 257), "range"),
        ((9, 9, 2**64 - 1), "range"),
        ((27, 2**63, 2**63), "range"),
        ((9, 18), "length"),
    ],
)
def test_lengths_of_strings_are_those_of_the_bytes(values: tuple[int, ...], reason: str) -> None:
    """They add up, each is at most 256, and nothing wraps around."""
    found, field = refused(lengths(*values))
    assert found == reason
    assert field.startswith("flows.conn.uid_len")


def test_a_sparse_group_without_rows_has_no_bytes() -> None:
    """An empty group is empty in all its fields."""
    parts = flows_message(plain(2), HEADER)
    ssh = b"\x0e\x08" + b"\x0e\x00" * 3 + b"\x05\x00" + b"\x0e\x00"
    broken = edited(parts, ssh, ssh.replace(b"\x05\x00", b"\x05\x01x"))
    assert refused(broken) == ("length", "flows.ssh.client_len")


def test_an_empty_group_may_be_written_in_any_way() -> None:
    """The short cut for the usual bytes is only a short cut."""
    parts = flows_message(plain(2), HEADER)
    ssh = b"\x0e\x08\x0e\x00"
    decoded = flows_of(edited(parts, ssh, b"\x0e\x08\x0e\x80\x00"))
    assert_same(decoded.batch, plain(2))


def test_every_group_is_checked_to_its_end() -> None:
    """A wrong tag in any group's flags is found, and the group named."""
    batch = arbitrary(np.random.default_rng(11), 4)
    for group in Group:
        parts = flows_message(batch, HEADER)
        fields = {refused([*parts[:3], parts[3][:size]])[1] for size in range(len(parts[3]))}
        assert any(field.startswith(f"flows.{group}") for field in fields), group
