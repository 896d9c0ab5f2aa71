"""Lines find their conn line, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from metatap.flow import FlowBatch
from metatap.sources.logs import LogOptions, ZeekLogs
from tests.agent.flow.samples import uids
from tests.agent.sources.logs.samples import (
    START,
    Line,
    as_json,
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


def opened(folder: Path, logs: dict[str, list[Line]], **options: object) -> ZeekLogs:
    """A source of these logs."""
    for log, lines in logs.items():
        write(folder / f"{log}.log", as_json(lines))
    return ZeekLogs(folder, LogOptions().with_values(options))


def queries(batches: list[FlowBatch]) -> dict[str, int]:
    """uid → number of its DNS lines, for flows that have any."""
    found = {}
    for batch in batches:
        column = batch.numeric("dns.queries")
        for at, uid in enumerate(uids(batch)):
            if column is not None and column.mask()[at]:
                found[(uid or b"").decode()] = int(column.values[at])
    return found


def test_a_flow_has_the_summaries_of_its_lines(tmp_path: Path) -> None:
    """All lines of its uid, in the order written; each line is passed on."""
    logs = {
        "conn": [conn(1), conn(2), conn(3)],
        "dns": [dns(1), dns(1, query="a.longer.example", qtype=16), dns(3)],
        "http": [http(2), http(2, uri="/z", status_code=200)],
        "ssl": [ssl(2)],
        "ssh": [ssh(3)],
    }
    source = opened(tmp_path, logs)
    [batch] = read(source)
    rows = [
        row(line, {log: [x for x in lines if x["uid"] == line["uid"]] for log, lines in others})
        for line in logs["conn"]
        for others in [[item for item in logs.items() if item[0] != "conn"]]
    ]
    same(batch, rows)
    assert source.messages.passed == 10
    assert source.messages.dropped == {}


def test_the_same_uid_in_another_capture_is_another_flow(tmp_path: Path) -> None:
    """A uid is unique within one run of Zeek only; a log may lack captures."""
    source = opened(
        tmp_path,
        {
            "conn": [conn(1, capture=name) for name in ("a", "b", "c")],
            "dns": [dns(1, capture="b"), dns(1, capture="b"), dns(1, capture="c")],
            "http": [http(1, capture="c")],
        },
    )
    batches = read(source)
    assert [batch.origin.capture for batch in batches] == ["a", "b", "c"]
    assert [queries([batch]) for batch in batches] == [{}, {"C00001": 2}, {"C00001": 1}]
    assert source.messages.dropped == {}


def test_a_capture_that_comes_again_is_dropped(tmp_path: Path) -> None:
    """Captures are contiguous: what a host did before would be told anew else."""
    source = opened(
        tmp_path,
        {
            "conn": [conn(1, capture="a"), conn(2, capture="b"), conn(3, capture="a")],
            "dns": [dns(2, capture="b"), dns(1, capture="a"), dns(2, capture="b")],
        },
    )
    assert sum(batch.rows for batch in read(source)) == 2
    assert source.flows.dropped == {"capture_order": 1}
    assert source.messages.dropped["capture_order"] >= 1
    assert source.messages.received == 6


def test_lines_without_a_conn_line_are_unjoined(tmp_path: Path) -> None:
    """They are counted when the logs end, and do not disturb the others."""
    source = opened(tmp_path, {"conn": [conn(1)], "dns": [dns(7), dns(1), dns(7)]})
    assert queries(read(source)) == {"C00001": 1}
    assert source.messages.dropped == {"unjoined": 2}


def test_order_in_time_is_not_needed_within_a_connection(tmp_path: Path) -> None:
    """A long answer is written when it ends, with the time it began."""
    lines = [dns(at, ts=START + (0 if at % 7 == 0 else at)) for at in range(3000)]
    source = opened(
        tmp_path,
        {"conn": [conn(at, duration=60.0) for at in range(3000)], "dns": lines},
        batch_rows=50,
        slack_s=10,
    )
    assert len(queries(read(source))) == 3000


def test_a_line_may_come_after_its_conn_line(tmp_path: Path) -> None:
    """Zeek writes a failed SSH login late: within the slack it is found, beyond it is not."""
    conns = [conn(at) for at in range(400)]
    late = {"conn": conns, "ssh": [ssh(at, ts=START + at + 20) for at in range(400)]}
    source = opened(tmp_path, late, batch_rows=10, slack_s=60)
    read(source)
    assert source.messages.dropped == {}
    source = opened(tmp_path, late, batch_rows=10, slack_s=0)
    read(source)
    assert source.messages.dropped["unjoined"] > 300


def test_logs_are_read_no_further_than_the_slack(tmp_path: Path) -> None:
    """A day of lines: what waits is some minutes of them."""
    many = range(20_000)
    source = opened(
        tmp_path,
        {"conn": [conn(at) for at in many], "dns": [dns(at) for at in many]},
        batch_rows=100,
        slack_s=300,
    )
    assert len(queries(read(source))) == len(many)
    assert source.messages.dropped == {}
    assert 100 <= source.most_waiting <= 500


@pytest.mark.parametrize("ts", [9e9, -9e9])
@pytest.mark.parametrize("log", ["conn", "dns"])
def test_a_wrong_time_costs_no_other_flow_its_lines(tmp_path: Path, ts: float, log: str) -> None:
    """One `ts` far in the future or past, in conn or in another log."""
    logs = {"conn": [conn(at) for at in range(3000)], "dns": [dns(at) for at in range(3000)]}
    logs[log][500]["ts"] = ts
    source = opened(tmp_path, logs, batch_rows=100, slack_s=60, max_pending=1000)
    assert len(queries(read(source))) >= 2999
    assert source.most_waiting <= 1000


def test_the_bound_on_what_waits_holds(tmp_path: Path) -> None:
    """Lines that never find a conn line push the longest waiting out, which are counted."""
    noise = [dns(at + 50_000, ts=START + at) for at in range(3000)]
    lines = [line for at in range(3000) for line in (noise[at], dns(at))]
    source = opened(
        tmp_path,
        {"conn": [conn(at) for at in range(3000)], "dns": lines},
        batch_rows=100,
        slack_s=30,
        max_pending=300,
    )
    assert len(queries(read(source))) == 3000
    assert source.messages.dropped == {"unjoined": 3000}
    assert source.most_waiting <= 300


def test_old_lines_are_given_up_before_the_bound(tmp_path: Path) -> None:
    """By the clock of the conn log, not by ours."""
    source = opened(
        tmp_path,
        {
            "conn": [conn(at) for at in range(3000)],
            "dns": [dns(at + (0 if at % 2 else 50_000), ts=START + at) for at in range(3000)],
        },
        batch_rows=100,
        slack_s=30,
        max_age_s=600,
    )
    assert len(queries(read(source))) == 1500
    assert source.most_waiting < 800
    assert source.messages.dropped == {"unjoined": 1500}


def test_logs_without_a_time_are_joined_too(tmp_path: Path) -> None:
    """As far as the bound reaches; lines of nobody do not stop the reading."""

    def bare(lines: list[Line]) -> list[Line]:
        return [{k: v for k, v in line.items() if k != "ts"} for line in lines]

    logs = {
        "conn": bare([conn(at) for at in range(3000)]),
        "dns": bare([dns(at + (9000 if at % 3 == 0 else 0)) for at in range(3000)]),
    }
    source = opened(tmp_path, logs, batch_rows=100, max_pending=500)
    assert len(queries(read(source))) == 2000
    assert source.most_waiting <= 500


def test_a_connection_over_several_intervals_keeps_its_lines(tmp_path: Path) -> None:
    """Its lines stand in the files before, or in the folder of the day before."""
    write(tmp_path / "2026-11-01/conn.23.log", as_json([conn(1)]))
    write(tmp_path / "2026-11-01/dns.23.log", as_json([dns(1), dns(2)]))
    write(tmp_path / "2026-11-02/conn.00.log", as_json([conn(2, duration=9000.0)]))
    write(tmp_path / "2026-11-02/dns.00.log", as_json([dns(2, ts=START + 8000)]))
    source = ZeekLogs(tmp_path)
    assert queries(read(source)) == {"C00001": 1, "C00002": 2}
    assert source.messages.dropped == {}


def test_a_line_after_the_change_of_file_is_found(tmp_path: Path) -> None:
    """The other logs are read on by time, not file by file."""
    write(tmp_path / "conn.00.log", as_json([conn(1)]))
    write(tmp_path / "ssh.01.log", as_json([ssh(1, ts=START + 5)]))
    write(tmp_path / "conn.01.log", as_json([conn(90)]))
    source = ZeekLogs(tmp_path)
    first, second = read(source)
    assert "ssh.version" in first.columns
    assert second.origin.node == "conn.01.log"
    assert source.messages.dropped == {}
