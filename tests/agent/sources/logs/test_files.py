"""Which files are read, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from metatap.sources.logs.files import find_folders, is_log
from tests.agent.sources.contract import fails_by_name


@pytest.mark.parametrize(
    "name",
    [
        "conn.log",
        "conn.log.gz",
        "dns.00:00:00-01:00:00.log.gz",
        "ssh.jsonl",
        "http.json.gz",
        "ssl.2026-11-01-00-00-00.log",
        "conn.jsonl.gz",
    ],
)
def test_names_of_logs(name: str) -> None:
    """With an interval or without, gzipped or not."""
    assert is_log(name)


@pytest.mark.parametrize(
    "name",
    [
        "conn-summary.12:00:00-13:00:00.log.gz",
        "conn.log.zst",
        "files.log",
        "known_hosts.log",
        "conn",
        "conn.txt",
        "connlog",
        ".log",
        "conn_long.log",
        "captures.tsv",
    ],
)
def test_names_of_others(name: str) -> None:
    """Zeek's own conn-summary is text for people."""
    assert not is_log(name)


def test_a_month_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    """Days, then intervals, the current file last; a log that is not there is no entry."""
    names = ["2026-11-02/conn.00:00:00-01:00:00.log.gz", "2026-11-01/conn.23:00:00-00:00:00.log.gz"]
    names += ["2026-11-01/conn.log", "2026-11-01/conn.00:00:00-01:00:00.log.gz"]
    names += ["2026-11-01/dns.00:00:00-01:00:00.log.gz", "2026-11-01/stats.log"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    first, second = find_folders([tmp_path])
    assert [file.node for file in first.files["conn"]] == [
        "2026-11-01/conn.00:00:00-01:00:00.log.gz",
        "2026-11-01/conn.23:00:00-00:00:00.log.gz",
        "2026-11-01/conn.log",
    ]
    assert set(first.files) == {"conn", "dns"}
    assert [file.node for file in second.files["conn"]] == [names[0]]


def test_a_conn_log_brings_those_beside_it(tmp_path: Path) -> None:
    """Of the same interval, gzipped or not; a file named twice is read once."""
    for name in ("conn.00.log", "dns.00.log.gz", "dns.01.log", "http.log", "ssh.00.log"):
        (tmp_path / name).write_text("x")
    path = tmp_path / "conn.00.log"
    [folder] = find_folders([path, path, tmp_path / "ssh.00.log"])
    found = {log: [file.node for file in files] for log, files in folder.files.items()}
    assert found == {"conn": ["conn.00.log"], "dns": ["dns.00.log.gz"], "ssh": ["ssh.00.log"]}


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """No path, no log, no conn log."""
    (tmp_path / "dns.log").write_text("")
    (tmp_path / "notes.txt").write_text("")
    fails_by_name(lambda: find_folders([tmp_path / "none"]), "none")
    fails_by_name(lambda: find_folders([tmp_path / "notes.txt"]), "notes.txt")
    fails_by_name(lambda: find_folders([tmp_path]), "no conn log")
    fails_by_name(lambda: find_folders([]), "no conn log")


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    """A link to a folder above would never end; zeekctl's `current` would be read twice."""
    (tmp_path / "conn.log").write_text("")
    (tmp_path / "current").symlink_to(tmp_path)
    assert len(find_folders([tmp_path])) == 1
    assert len(find_folders([tmp_path / "current"])) == 1
