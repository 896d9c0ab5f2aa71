"""Logs of a cluster: several loggers write at once, a connection's lines with any of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from metatap.flow import FlowBatch
from metatap.sources.logs import LogOptions, ZeekLogs
from metatap.sources.logs.files import find_folders
from tests.agent.flow.samples import uids
from tests.agent.sources.logs.samples import START, Line, as_json, as_tsv, conn, dns, read, write

NAMES = [
    "2026-11-01/{log}.00:00:0{n}-01:00:00-logger-{n}.log.gz",
    "2026-11-01/{log}.00:00:00-01:00:00-logger-{n}.log",
    "logger-{n}/{log}.log",
    "logger-{n}/2026-11-01/{log}.00:00:00-01:00:00.log.gz",
    "{log}.00:00:00-01:00:00-{n}-east.log",
    "{log}.now-logger-{n}.log",
]


def spread(folder: Path, name: str, flows: int = 4000) -> None:
    """Flows of a second each and their queries, each line with either of two loggers."""
    chance = random.Random(7)
    parts: dict[tuple[str, int], list[Line]] = {(log, n): [] for log in ("conn", "dns")
                                                for n in (1, 2)}  # fmt: skip
    for at in range(flows):
        parts["conn", chance.choice((1, 2))].append(conn(at))
        parts["dns", chance.choice((1, 2))].append(dns(at))
    for (log, n), lines in parts.items():
        write(folder / name.format(log=log, n=n), as_json(lines) if n == 1 else as_tsv(lines))


def joined(batches: list[FlowBatch]) -> int:
    """Flows that have queries."""
    found = [batch.numeric("dns.queries") for batch in batches]
    return sum(int(column.mask().sum()) for column in found if column is not None)


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_all_loggers_are_joined(tmp_path: Path, name: str) -> None:
    """Their conn lines come in one order of time, in batches as full as those of one file."""
    spread(tmp_path, name)
    source = ZeekLogs(tmp_path, LogOptions(batch_rows=500, slack_s=30))
    batches = read(source)
    assert [uid for b in batches for uid in uids(b)] == [b"C%05d" % at for at in range(4000)]
    assert joined(batches) == 4000
    assert source.messages.dropped == {}
    assert [batch.rows for batch in batches] == [500] * 8
    assert {batch.origin.node for batch in batches} == {name.format(log="conn", n=1)}
    assert source.most_waiting < 1000


def test_a_fault_names_the_logger_s_file(tmp_path: Path) -> None:
    """And costs its line; the other lines of both are read."""
    spread(tmp_path, NAMES[2], 100)
    path = tmp_path / "logger-2/conn.log"
    path.write_bytes(path.read_bytes().replace(b"udp", b"udp\t", 1))
    source = ZeekLogs(tmp_path)
    assert sum(batch.rows for batch in read(source)) == 99
    assert source.flows.dropped == {"fields": 1}


@pytest.mark.parametrize("ts", [9e9, -9e9, None])
def test_a_wrong_time_holds_up_no_logger(tmp_path: Path, ts: float | None) -> None:
    """The lines behind it come when their time is."""
    for n in (0, 1):
        lines = [conn(at) for at in range(n, 4000, 2)]
        lines[100]["ts"] = ts
        write(tmp_path / f"logger-{n}/conn.log", as_json(lines))
        write(tmp_path / f"logger-{n}/dns.log", as_json([dns(at) for at in range(n, 4000, 2)]))
    batches = read(ZeekLogs(tmp_path, LogOptions(batch_rows=100, slack_s=60)))
    assert joined(batches) == 4000
    found = [uid for batch in batches for uid in uids(batch)]
    assert all(abs(int((uid or b"")[1:]) - at) < 5 for at, uid in enumerate(found))


def test_one_conn_log_brings_the_lines_of_all_loggers(tmp_path: Path) -> None:
    """Of its interval; the conn lines of the other loggers were not asked for."""
    name = NAMES[0]
    spread(tmp_path, name)
    write(tmp_path / "2026-11-01/dns.01:00:00-02:00:00-logger-1.log.gz", as_json([dns(1)]))
    [folder] = find_folders([tmp_path / name.format(log="conn", n=2)])
    assert {log: len(files) for log, files in folder.files.items()} == {"conn": 1, "dns": 2}


def test_intervals_stay_in_order(tmp_path: Path) -> None:
    """Groups follow each other as single files do."""
    for hour in (1, 0):
        for n in (2, 1):
            name = f"conn.0{hour}:00:0{n}-0{hour + 1}:00:00-logger-{n}.log"
            write(tmp_path / name, as_json([conn(hour * 3600 + n, ts=START + hour * 3600 + n)]))
    [folder] = find_folders([tmp_path])
    assert [file.node[5:13] + file.node[-5:-4] for file in folder.files["conn"]] == [
        "00:00:011", "00:00:022", "01:00:011", "01:00:022",
    ]  # fmt: skip
    assert [batch.rows for batch in read(ZeekLogs(tmp_path))] == [2, 2]
