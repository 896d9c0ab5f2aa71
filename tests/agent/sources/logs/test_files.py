"""Which files are read, and in which order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

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


def nodes(folder: Path) -> list[str]:
    """The conn logs of a folder and those below, in the order they are read."""
    return [file.node for found in find_folders([folder]) for file in found.files.get("conn", ())]


def test_a_folder_comes_after_those_below_it(tmp_path: Path) -> None:
    """The live log lies above the archive, and is newer."""
    names = ["2026-11-01/a/conn.log", "2026-11-01/conn.log", "2026-11-02/conn.log", "conn.log"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x")
    assert nodes(tmp_path) == names


def test_the_same_data_are_read_once(tmp_path: Path) -> None:
    """A file that is being packed, and a second name of a file."""
    for name in ("conn.01.log", "conn.01.log.gz", "conn.02.log.gz", "dns.01.log.gz"):
        (tmp_path / name).write_text("x")
    (tmp_path / "conn.log").symlink_to(tmp_path / "conn.02.log.gz")
    (tmp_path / "conn.03.log").hardlink_to(tmp_path / "conn.02.log.gz")
    with structlog.testing.capture_logs() as events:
        assert nodes(tmp_path) == ["conn.01.log", "conn.02.log.gz"]
    assert [(event["event"], event["files"]) for event in events] == [("logs_twice", 1)]


def test_the_other_logs_of_an_interval_may_begin_later(tmp_path: Path) -> None:
    """A log opens with its first line, so its name is another; what was found is logged."""
    names = ["conn.00:00:00-01:00:00.log", "dns.00:00:03-01:00:00.log.gz"]
    names += ["ssh.00:59:59-01:00:00.log", "http.01:00:00-02:00:00.log", "ssl.log"]
    for name in names:
        (tmp_path / name).write_text("x")
    with structlog.testing.capture_logs() as events:
        [folder] = find_folders([tmp_path / names[0]])
    assert set(folder.files) == {"conn", "dns", "ssh"}
    assert [event["others"] for event in events] == [names[1:3]]


def test_conn_logs_that_are_not_read_are_told(tmp_path: Path) -> None:
    """Of other rotation tools and packers; once, with the first name. Zeek's summary is no log."""
    names = ["conn.log.1.gz", "conn.log-20261101.gz", "conn_20261101.log", "conn-01.log.gz"]
    names += ["conn.log.zst", "conn.jsonl.xz"]
    for name in (*names, "conn.log", "conn-summary.log", "connlog", "dns.log.1", "conn"):
        (tmp_path / name).write_text("x")
    with structlog.testing.capture_logs() as events:
        assert nodes(tmp_path) == ["conn.log"]
    [event] = events
    assert (event["event"], event["files"]) == ("logs_not_read", len(names))
    assert event["first"].endswith("conn-01.log.gz")


def test_a_folder_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of an archive, read as if it were all of it, would say wrong things."""
    (tmp_path / "conn.log").write_text("x")
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def refuse(path: Any = ".") -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        fails_by_name(lambda: find_folders([tmp_path]), "shut")
    real = Path.stat

    def closed(path: Path, **options: Any) -> os.stat_result:
        if path.name == "conn.log":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", closed)
        fails_by_name(lambda: find_folders([tmp_path]), "conn.log")


def test_a_named_file_that_can_not_be_read_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as a run without flows."""
    (tmp_path / "conn.log").write_text("x")
    monkeypatch.setattr(os, "access", lambda *_: False)
    fails_by_name(lambda: find_folders([tmp_path / "conn.log"]), "conn.log")


def test_many_files_are_found_in_time(tmp_path: Path) -> None:
    """Some years of hours in one folder: each is looked at once."""
    for at in range(20_000):
        (tmp_path / f"conn.{at:06d}.log").touch()
    assert len(nodes(tmp_path)) == 20_000
