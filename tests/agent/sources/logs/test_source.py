"""The source `zeek+logs` as a whole."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from metatap.sources.logs import REASONS, LogOptions, ZeekLogs
from metatap.sources.logs.blocks import BLOCK
from tests.agent.flow.samples import uids
from tests.agent.sources.contract import Supply, check_source, closing, read_all
from tests.agent.sources.logs.samples import (
    START,
    Line,
    as_json,
    as_tsv,
    conn,
    dns,
    http,
    read,
    row,
    same,
    ssh,
    ssl,
    write,
)


def test_it_keeps_the_contract_of_a_source(tmp_path: Path) -> None:
    """With lines that can't be read among them."""
    lines = [conn(at) for at in range(10)]
    write(tmp_path / "conn.log", b"{\n" + as_json(lines))
    write(tmp_path / "dns.log", as_json([dns(1), dns(99)]))

    def make() -> Supply:
        source = ZeekLogs(tmp_path, LogOptions(batch_rows=4))
        expected: list[bytes | None] = [line["uid"].encode() for line in lines]
        return Supply(source, expected, ends=True, dropped=("not_json",))

    check_source(make)


@pytest.mark.parametrize("separator", ["\t", "|"])
def test_json_and_tsv_give_the_same_flows(tmp_path: Path, separator: str) -> None:
    """The same lines in both forms, gzipped or not, whatever the name says."""
    logs: dict[str, list[Line]] = {
        "conn": [conn(at, duration=None if at % 3 else 0.5, service=None if at % 2 else "dns,ssl")
                 for at in range(50)],
        "dns": [dns(at) for at in range(0, 50, 2)] + [dns(4, query="ä.example", answers=[])],
        "http": [http(5), http(5, uri="-"), http(7, host=None)],
        "ssl": [ssl(at) for at in range(9)],
        "ssh": [ssh(at, auth_success=None) for at in range(3)],
    }  # fmt: skip
    for log, lines in logs.items():
        write(tmp_path / "json" / f"{log}.log", as_json(lines))
        write(tmp_path / "tsv" / f"{log}.jsonl.gz", as_tsv(lines, separator))
    [first] = read(ZeekLogs(tmp_path / "json"))
    [second] = read(ZeekLogs(tmp_path / "tsv"))
    rows = [
        row(line, {log: [x for x in logs[log] if x["uid"] == line["uid"]]
                   for log in ("dns", "http", "ssl", "ssh")})
        for line in logs["conn"]
    ]  # fmt: skip
    same(first, rows)
    same(second, rows)


text = st.text(max_size=30) | st.sampled_from(["", "-", "\\xff", "\\x41\\x", "x" * 300, "ä" * 200])
count = st.integers(0, 2**63 - 1) | st.integers(0, 9)
seconds = st.floats(-9.1e9, 9.1e9, allow_nan=False)
conn_lines = st.fixed_dictionaries(
    {
        "uid": st.text("abC123", min_size=1, max_size=20),
        "id.orig_h": st.ip_addresses().map(str),
        "id.orig_p": st.integers(0, 65535),
        "id.resp_h": st.ip_addresses().map(str),
        "id.resp_p": st.integers(0, 65535),
    },
    optional={
        "ts": seconds | st.none(),
        "proto": st.sampled_from(["tcp", "udp", "icmp", "sctp"]),
        "service": text,
        "duration": seconds,
        "orig_bytes": count,
        "resp_ip_bytes": count | st.none(),
        "conn_state": st.sampled_from(["SF", "S0", "??", ""]),
        "history": text,
        "local_orig": st.booleans(),
    },
)
dns_lines = st.fixed_dictionaries(
    {}, optional={"query": text, "qtype": count, "rcode": st.integers(0, 5),
                  "answers": st.lists(text, max_size=3)},
)  # fmt: skip
http_lines = st.fixed_dictionaries(
    {}, optional={"method": text, "uri": text, "status_code": count, "request_body_len": count}
)


@given(st.lists(st.tuples(conn_lines, st.lists(dns_lines, max_size=2),
                          st.lists(http_lines, max_size=2)), min_size=1, max_size=6))  # fmt: skip
def test_a_batch_is_that_of_from_rows(
    tmp_path_factory: pytest.TempPathFactory,
    flows: list[tuple[Line, list[Line], list[Line]]],
) -> None:
    """Column for column, mask for mask: absent, empty, cut, escaped and huge values included."""
    folder = tmp_path_factory.mktemp("logs")
    logs: dict[str, list[Line]] = {"conn": [], "dns": [], "http": []}
    rows = []
    for at, (line, queries, requests) in enumerate(flows):
        line["uid"] += str(at).rjust(3, "0")
        logs["conn"].append(line)
        logs["dns"] += [{"uid": line["uid"]} | query for query in queries]
        logs["http"] += [{"uid": line["uid"]} | request for request in requests]
        rows.append(row(line, {"dns": queries, "http": requests}))
    for log, lines in logs.items():
        write(folder / f"{log}.log", as_json(lines))
    [batch] = read(ZeekLogs(folder))
    same(batch, rows)


def test_batches_are_of_one_capture_and_one_file(tmp_path: Path) -> None:
    """And of `batch_rows` flows at most; the origin says which, relative to the path."""
    write(tmp_path / "x/conn.jsonl.gz", as_json([conn(at, capture="a") for at in range(5)]))
    write(tmp_path / "y/conn.jsonl.gz", as_json([conn(9, capture=name) for name in "abb"]))
    write(tmp_path / "z/conn.log", as_tsv([conn(9)]))
    batches = read(ZeekLogs(tmp_path, LogOptions(batch_rows=3)))
    assert [(b.origin.node, b.origin.capture, b.rows) for b in batches] == [
        ("x/conn.jsonl.gz", "a", 3),
        ("x/conn.jsonl.gz", "a", 2),
        ("y/conn.jsonl.gz", "a", 1),
        ("y/conn.jsonl.gz", "b", 2),
        ("z/conn.log", "", 1),
    ]
    assert [batch.origin.batch for batch in batches] == list(range(5))


@pytest.mark.parametrize("form", [as_json, as_tsv])
def test_kept_fields_are_those_of_the_last_batch(
    tmp_path: Path, form: Callable[[list[Line]], bytes]
) -> None:
    """As text, whatever they are; also of fields that are columns."""
    lines = [conn(at, label=f"l{at}", capture="c") for at in range(3)]
    lines[1].pop("label")
    write(tmp_path / "conn.log", form(lines))
    keep = ("label", "capture", "id.resp_p", "id.orig_h", "none")
    with closing(ZeekLogs(tmp_path, LogOptions(batch_rows=2, keep=keep))) as source:
        assert source.read(1) is not None
        assert source.kept == {
            "label": ["l0", None],
            "capture": ["c", "c"],
            "id.resp_p": ["53", "53"],
            "id.orig_h": ["10.0.0.0", "10.0.1.1"],
            "none": [None, None],
        }
        assert source.read(1) is not None
        assert source.kept["label"] == ["l2"]


def test_each_fault_is_counted_and_the_rest_read(tmp_path: Path) -> None:
    """A conn line is a flow; a line of another log is not. The event says file and line."""
    lines = [as_json([conn(1)]), b"{\n", as_json([conn(2, orig_bytes=-1)]), b"\n# note\n"]
    lines += [b"\xff\n", b"x" * 3000 + b"\n", as_json([conn(3)]), b'{"uid": "C']
    write(tmp_path / "conn.log", b"".join(lines))
    write(tmp_path / "dns.log", as_json([dns(1, qtype="A"), dns(1)]))
    source = ZeekLogs(tmp_path, LogOptions(max_line_bytes=2000))
    with structlog.testing.capture_logs() as events:
        [batch] = read(source)
    assert uids(batch) == [b"C00001", b"C00003"]
    faults = {"not_json": 1, "range": 1, "line_not_utf8": 1, "line_too_long": 1, "line_cut": 1}
    assert source.flows.dropped == faults
    assert source.messages.dropped == faults | {"type": 1}
    assert source.flows.received == 7
    assert source.messages.received == 9
    assert set(source.messages.dropped) <= set(REASONS)
    [event] = [event for event in events if event["reason"] == "range"]
    assert (event["file"], event["line"], event["field"]) == ("conn.log", 3, "orig_bytes")
    assert {e["reason"]: e["line"] for e in events if e["log"] == "conn"} == {
        "not_json": 2, "range": 3, "line_not_utf8": 6, "line_too_long": 7, "line_cut": 9,
    }  # fmt: skip


def test_a_fault_is_logged_once_a_minute(tmp_path: Path) -> None:
    """A broken file of a million lines is one event."""
    write(tmp_path / "conn.log", b"{\n" * 1000)
    with structlog.testing.capture_logs() as events:
        read(ZeekLogs(tmp_path))
    assert [event["event"] for event in events] == ["line_skipped"]


def test_a_last_tsv_line_without_end_may_be_cut(tmp_path: Path) -> None:
    """`12` may have been `1234`; a JSON object that ends is whole."""
    write(tmp_path / "a/conn.log", as_tsv([conn(1), conn(2)]).rpartition(b"\n#close")[0])
    write(tmp_path / "b/conn.log", as_json([conn(3)])[:-1])
    source = ZeekLogs(tmp_path)
    assert [name for batch in read(source) for name in uids(batch)] == [b"C00001", b"C00003"]
    assert source.flows.dropped == {"line_cut": 1}


def test_a_header_in_the_middle_is_taken_in(tmp_path: Path) -> None:
    """Logs of two versions joined into one file, then JSON."""
    first, second = conn(1), {k: v for k, v in reversed(conn(2).items()) if k != "history"}
    data = as_tsv([first]) + as_tsv([second], "|") + as_json([conn(3)])
    write(tmp_path / "conn.log", data)
    [batch] = read(ZeekLogs(tmp_path))
    same(batch, [row(first), row(second), row(conn(3))])


def test_a_cut_gzip_gives_what_it_has(tmp_path: Path) -> None:
    """Of each log; the flows before are joined."""
    data = gzip.compress(as_json([conn(at) for at in range(3000)]))
    (tmp_path / "conn.log.gz").write_bytes(data[:-2000])
    write(tmp_path / "dns.log.gz", as_json([dns(at) for at in range(5)]))
    source = ZeekLogs(tmp_path)
    batches = read(source)
    assert sum(batch.rows for batch in batches) > 1000
    assert source.flows.dropped == {"gzip_cut": 1}
    assert "dns.queries" in batches[0].columns


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    """In bytes of the conn files as they lie on disk."""
    for day in ("1", "2"):
        write(tmp_path / day / "conn.log.gz", as_json([conn(at) for at in range(9000)]))
    source = ZeekLogs(tmp_path, LogOptions(batch_rows=1000))
    total = sum(path.stat().st_size for path in tmp_path.rglob("*.gz"))
    assert (source.bytes_read, source.bytes_total) == (0, total)
    with closing(source):
        source.read(1)
        assert 0 < source.bytes_read < total
        read_all(source)
        assert source.bytes_read == total
        assert source.status()["bytes_read"] == total


@pytest.mark.untraced
def test_reading_stops_in_time(tmp_path: Path) -> None:
    """A file with nothing in it that can be read does not hold up whoever waits."""
    write(tmp_path / "conn.log", b"[]\n" * (3 * BLOCK) + as_json([conn(1)]))
    with closing(ZeekLogs(tmp_path)) as source:
        assert source.read(0) is None
        assert not source.done
        assert [batch.rows for batch in read_all(source, seconds=60)] == [1]


def test_lines_that_wait_are_dropped_when_it_is_discarded(tmp_path: Path) -> None:
    """With the reason that was told."""
    write(tmp_path / "conn.log", as_json([conn(1, capture="a"), conn(2, capture="b")]))
    write(tmp_path / "dns.log", as_json([dns(1, capture="a"), dns(9, capture="a")]))
    source = ZeekLogs(tmp_path)
    assert source.read(1) is not None
    assert source.discard("given_up") == 1
    assert source.messages.dropped == {"given_up": 2}
    assert source.messages.balanced
    assert source.flows.dropped == {"given_up": 1}


def test_flows_read_ahead_are_counted_when_it_is_closed(tmp_path: Path) -> None:
    """The first flow of the next capture is known already: closing does not lose it unseen."""
    lines = [conn(at, capture="a" if at < 3 else "b") for at in range(6)]
    (tmp_path / "conn.log").write_bytes(as_json(lines))
    with closing(ZeekLogs(tmp_path)) as source:
        batch = source.read(1.0)
        assert batch is not None
        assert batch.rows == 3
    assert source.flows.dropped == source.messages.dropped == {"undrained": 1}
    assert source.flows.received == source.messages.received == 4
    source.close()
    assert source.flows.received == 4


def month(folder: Path, files: int, rows: int) -> int:
    """A month of interval files of so many conn lines each; the number of flows."""
    for at in range(files):
        flows = range(at * rows, (at + 1) * rows)
        day = folder / f"2026-11-{1 + at // 12:02d}"
        name = f"{2 * (at % 12):02d}:00:00-{2 * (at % 12) + 2:02d}:00:00.log.gz"
        write(day / f"conn.{name}", as_json([conn(n) for n in flows]))
        write(day / f"dns.{name}", as_json([dns(n) for n in flows for _ in range(2)]))
        write(day / f"http.{name}", as_json([http(n) for n in flows if n % 5 == 0]))
    return files * rows


@pytest.mark.untraced
def test_a_month_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """36 files take no more than six: what is held are minutes, not days."""
    peaks = []
    for files in (6, 36):
        flows = month(tmp_path / str(files), files, 1000)
        source = ZeekLogs(tmp_path / str(files), LogOptions(batch_rows=500, max_pending=2000))
        found = 0
        tracemalloc.start()
        try:
            with closing(source):
                while not source.done:
                    batch = source.read(10)
                    found += batch.rows if batch is not None else 0
                    assert source.waiting <= 2000
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert found == flows
        assert source.messages.dropped == {}
        assert source.most_waiting <= 1500
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[1] < 24 << 20


def test_options_out_of_their_bounds_are_refused() -> None:
    """Each names itself."""
    changes: list[dict[str, Any]] = [{"batch_rows": 0}, {"max_pending": 0}, {"slack_s": -1}]
    for change in changes:
        with pytest.raises(Exception, match=next(iter(change))):
            LogOptions(**change)


def test_an_empty_log_is_done_at_once(tmp_path: Path) -> None:
    """No flow, no fault."""
    write(tmp_path / "conn.log", b"")
    source = ZeekLogs(tmp_path)
    assert read(source) == []
    assert (source.flows.received, source.messages.received) == (0, 0)
    assert START > 0
