"""`datasets.intervals`: labels by time and addresses."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.flow import FlowBatch, from_rows
from metatap.offline.labels import ANY, BENIGN, MALICIOUS, NOTHING, Label
from metatap.sources import ZeekLogs
from metatap_training.datasets import intervals
from metatap_training.datasets.intervals import IntervalLabels
from metatap_training.datasets.own import load_logs
from metatap_training.datasets.sources import DataError
from tests.training.datasets.test_own import conn, write_logs

HEAD = "start,end,orig_h,resp_h,label,family\n"


def written(path: Path, lines: str, head: str = HEAD) -> Path:
    path.write_text(head + lines, "utf-8")
    return path


def batch(*flows: dict[str, Any]) -> FlowBatch:
    return from_rows([conn(0) | flow | {"partial": False} for flow in flows])


def given_to(labels: IntervalLabels, found: FlowBatch, tmp_path: Path) -> list[Label]:
    source = ZeekLogs(write_logs(tmp_path / "logs", conn(0)))
    try:
        return labels.of(source, found, np.arange(found.rows))
    finally:
        source.close()


def test_the_first_line_that_speaks_of_a_flow_counts(tmp_path: Path) -> None:
    """The end of an interval is not in it; an empty cell is no condition."""
    path = written(
        tmp_path / "list.csv",
        "100,200,10.0.0.0/24,10.0.1.5,malicious,worm\n"
        "1970-01-01T00:02:30+00:00,1970-01-01T01:05:00+01:00,,2001:db8::/32,malicious,tunnel\n"
        ",,10.0.0.9,,unknown,\n"
        ",,,,benign,\n",
    )
    found = batch(
        {"ts": 100.0, "id.orig_h": "10.0.0.7", "id.resp_h": "10.0.1.5"},
        {"ts": 200.0, "id.orig_h": "10.0.0.7", "id.resp_h": "10.0.1.5"},
        {"ts": 199.0, "id.orig_h": "10.0.2.7", "id.resp_h": "10.0.1.5"},
        {"ts": 150.0, "id.orig_h": "2001:db8::1", "id.resp_h": "2001:db8::2"},
        {"ts": 300.0, "id.orig_h": "2001:db8::1", "id.resp_h": "2001:db8::2"},
        {"ts": 150.0, "id.orig_h": "10.0.0.9", "id.resp_h": "10.0.3.1"},
    )
    labels = IntervalLabels(path)
    assert given_to(labels, found, tmp_path) == [
        Label(MALICIOUS, "worm"),
        Label(BENIGN, "(none)"),
        Label(BENIGN, "(none)"),
        Label(MALICIOUS, "tunnel"),
        Label(BENIGN, "(none)"),
        NOTHING,
    ]
    assert labels.tally().unknown == {"unknown": 1}
    assert not labels.tally().unmatched


def test_a_flow_no_line_speaks_of_is_unknown_and_an_idle_line_is_told(tmp_path: Path) -> None:
    """A typing error in a time shows up."""
    labels = IntervalLabels(written(tmp_path / "list.csv", "1,2,,,malicious,worm\n"))
    assert given_to(labels, batch({"ts": 5.0}), tmp_path) == [NOTHING]
    assert labels.tally().unmatched == {"worm": 1}


def test_flows_get_captures_from_the_list(tmp_path: Path) -> None:
    """And a label that is the name of the attack."""
    path = written(
        tmp_path / "list.csv",
        "1700000000,1700000002,,,PortScan,,exercise\n,,,,benign,,\n",
        "start,end,orig_h,resp_h,label,family,capture\n",
    )
    folder = write_logs(tmp_path / "site", conn(0), conn(1), conn(2))
    flows = load_logs(folder, IntervalLabels(path, ANY), scope="filter")
    assert flows.family.tolist() == ["PortScan", "PortScan", ""]
    assert flows.capture.tolist() == ["site/exercise", "site/exercise", "site/2023-11-14"]
    assert set(flows.scope) == {"filter"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("soon,2,,,benign,", "start: soon: neither seconds nor ISO 8601"),
        ("2026-01-01T00:00:00,,,,benign,", "start: 2026-01-01T00:00:00: without its zone"),
        ("3,2,,,benign,", "end: 2: not after start, 3"),
        ("nan,2,,,benign,", "start: nan: out of bounds"),
        ("1e300,,,,benign,", "start: 1e300: out of bounds"),
        (",,10.0.0.1/24,,benign,", "orig_h: 10.0.0.1/24 has host bits set"),
        (",,,example,benign,", "resp_h: 'example' does not appear to be"),
        (",,,,,", "label: empty"),
    ],
)
def test_a_wrong_cell_is_named_with_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    """The second line of the file, after the head and a good one."""
    path = written(tmp_path / "list.csv", f"1,2,,,benign,\n{line}\n")
    with pytest.raises(DataError, match=rf"list\.csv:3: {said}"):
        IntervalLabels(path)


def test_a_list_without_its_columns_or_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read."""
    with pytest.raises(DataError, match=r"list\.csv:1: no column end, resp_h"):
        IntervalLabels(written(tmp_path / "list.csv", "", "start,orig_h,label\n"))
    monkeypatch.setattr(intervals, "LINES_MAX", 2)
    with pytest.raises(DataError, match=r"list\.csv:4: more than 2 intervals"):
        IntervalLabels(written(tmp_path / "list.csv", "1,2,,,benign,\n" * 3))


@settings(max_examples=150, deadline=None)
@given(
    block=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    length=st.integers(0, 128),
    address=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    near=st.booleans(),
)
def test_a_block_holds_what_ipaddress_says(
    block: Any, length: int, address: Any, near: bool
) -> None:
    """Of its own version: `::/0` as it stands holds IPv4 as well, mapped."""
    network = ipaddress.ip_network(f"{block}/{min(length, block.max_prefixlen)}", strict=False)
    if near:
        address = network.broadcast_address
    made = intervals._block("", "", str(network))
    assert made is not None
    packed = ipaddress.IPv6Address(f"::ffff:{address}") if address.version == 4 else address
    mapped = network
    if network.version == 4:
        mapped = ipaddress.ip_network(f"::ffff:{network.network_address}/{network.prefixlen + 96}")
    held = made.holds(intervals._split(int(packed))[None])
    assert held.tolist() == [packed in mapped]
