"""The spool on a disk that is full, read-only or broken: nothing raises, nothing is lost unsaid."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.agent.spool.lines import BIG, Clock, drain, ids, is_balanced, lines, open_spool

from metatap.sinks.backlog import MAX_HELD_BYTES
from metatap.spool import FILE
from metatap.state.damage import ASIDE


def _command(*words: str | Path) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def mounted(folder: Path, *words: str | Path) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    if os.geteuid() or not _command("mount", *words, folder):
        pytest.skip("mounting a file system needs root and a kernel that lets it")
    try:
        yield
    finally:
        _command("umount", "-l", folder)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    with mounted(folder, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        yield folder


def test_a_full_disk_holds_alerts_in_memory_delivers_them_and_recovers(small: Path) -> None:
    """They reach the sinks in order meanwhile, and the disk once there is room."""
    clock = Clock()
    spool = open_spool(small, "a", "b", monotonic=clock)
    total = 0
    while not spool.failing:
        spool.append(lines(total, 10, size=6_000))
        total += 10
    assert spool.failing == "disk_full"
    for _ in range(30):
        spool.append(lines(total, 10, size=6_000))
        total += 10
    assert spool.held >= 300
    assert ids(drain(spool, "a")) == [str(at) for at in range(total)]
    assert spool.depth == total
    assert len(spool.read("b", total, BIG)) == total
    assert spool.held > len(spool.read("b", total, 100 * 6_000)) > 90
    assert _command("mount", "-o", "remount,size=64m", small)
    spool.retry()
    assert spool.failing == "disk_full"
    clock.s += 2
    spool.retry()
    assert (spool.failing, spool.held) == ("", 0)
    spool.append(lines(total, 1))
    spool.close()
    spool = open_spool(small, "a", "b")
    assert ids(drain(spool, "a")) == [str(total)]
    assert ids(drain(spool, "b")) == [str(at) for at in range(total + 1)]
    spool.close()


def test_a_full_disk_is_freed_by_delivering(small: Path) -> None:
    """The spool's own file is what fills the disk: its sinks make room without help."""
    clock = Clock()
    spool = open_spool(small, monotonic=clock)
    total = 0
    while not spool.failing:
        spool.append(lines(total, 10, size=6_000))
        total += 10
    assert ids(drain(spool, "a")) == [str(at) for at in range(total)]
    clock.s += 2
    spool.append(lines(total, 10, size=6_000))
    assert (spool.failing, spool.held) == ("", 0)
    spool.close()
    spool = open_spool(small)
    assert len(drain(spool, "a")) == 10
    spool.close()


def test_beyond_what_memory_holds_alerts_are_dropped_and_counted(small: Path) -> None:
    """The bound is in bytes; what was held is lost to a restart only if the disk stays full."""
    spool = open_spool(small)
    size = 60_000
    total = 0
    while total * size < MAX_HELD_BYTES + 10 * 2**20:
        spool.append(lines(total, 20, size=size))
        total += 20
    claim = spool.claims["a"]
    dropped = claim.alerts.dropped["disk_full"]
    assert dropped > 50
    assert spool.held * size <= MAX_HELD_BYTES
    assert claim.waiting == total - dropped
    assert is_balanced(spool)
    held = spool.held
    spool.close()
    assert claim.alerts.dropped == {"disk_full": dropped + held}
    assert is_balanced(spool)
    spool = open_spool(small)
    assert ids(drain(spool, "a")) == [str(at) for at in range(total - dropped - held)]
    spool.close()


def test_a_file_system_that_turned_read_only_and_came_back(tmp_path: Path) -> None:
    """As after an error of the disk: what is held is written once it is mounted anew."""
    image, folder = tmp_path / "image", tmp_path / "folder"
    with image.open("wb") as file:
        file.truncate(16 * 2**20)
    if os.geteuid() or not _command("mkfs.ext4", "-q", image):
        pytest.skip("needs root and mkfs.ext4")
    clock = Clock()
    with mounted(folder, "-o", "loop", image):
        spool = open_spool(folder, "a", "b", monotonic=clock)
        spool.append(lines(0, 20, size=3_000))
        assert _command("mount", "-o", "remount,abort", folder)
        spool.append(lines(20, 20, size=3_000))
        assert spool.failing == "write_failed"
        clock.s += 2
        spool.append(lines(40, 20, size=3_000))
        assert spool.failing == "write_failed"
        assert spool.held == 40
        assert spool.read("a", 100, BIG) == []
        assert _command("umount", folder)
        with mounted(folder, "-o", "loop", image):
            clock.s += 2
            spool.retry()
            assert (spool.failing, spool.held) == ("", 0)
            assert ids(drain(spool, "a")) == [str(at) for at in range(60)]
            spool.close()
            spool = open_spool(folder, "a", "b")
            assert ids(drain(spool, "b")) == [str(at) for at in range(60)]
            spool.close()


def test_a_file_that_may_no_longer_be_written(tmp_path: Path) -> None:
    """Acknowledgements that can't be written hold in memory."""
    clock = Clock()
    spool = open_spool(tmp_path, "a", "b", monotonic=clock)
    spool.append(lines(0, 10))
    log = tmp_path / (FILE + "-wal")
    if os.geteuid() or not _command("chattr", "+i", log):
        pytest.skip("needs root and a file system with immutable files")
    try:
        spool.append(lines(10, 5))
        assert spool.failing == "write_failed"
        spool.append(lines(15, 5))
        assert spool.held == 10
    finally:
        assert _command("chattr", "-i", log)
    clock.s += 2
    assert ids(drain(spool, "a", limit=3)) == [str(at) for at in range(20)]
    assert (spool.failing, spool.held) == ("", 0)
    spool.close()
    spool = open_spool(tmp_path, "a", "b")
    assert ids(drain(spool, "b")) == [str(at) for at in range(20)]
    spool.close()


def test_a_file_damaged_while_it_is_open_is_set_aside(tmp_path: Path) -> None:
    """What was in it alone is counted as damaged for each sink; the next alerts are kept."""
    clock = Clock()
    spool = open_spool(tmp_path, "a", "b", monotonic=clock)
    spool.append(lines(0, 3_000, size=2_000))
    spool.read("a", 1_000, BIG)
    spool.ack("a", 1_000)
    spool.read("b", 10, BIG)
    size = (tmp_path / FILE).stat().st_size
    with (tmp_path / FILE).open("r+b") as file:
        file.write(os.urandom(size))
    with (tmp_path / (FILE + "-wal")).open("r+b") as file:
        file.write(os.urandom(4 * 2**20))
    total = 3_000
    while not spool.set_aside:
        spool.append(lines(total, 100))
        clock.s += 2
        total += 100
        assert total < 10_000
        if entries := spool.read("a", 500, BIG):
            spool.ack("a", entries[-1].seq)
    assert (tmp_path / (FILE + ASIDE)).exists()
    assert is_balanced(spool)
    spool.ack("b", 10)
    rest = ids(drain(spool, "b"))
    assert rest == [str(at) for at in range(total - len(rest), total)]
    claim = spool.claims["b"].alerts
    assert claim.passed == 10 + len(rest)
    assert sum(claim.dropped.values()) == total - claim.passed
    spool.append(lines(total, 2))
    drain(spool, "a")
    assert is_balanced(spool)
    spool.close()
    spool = open_spool(tmp_path, "a", "b")
    assert ids(drain(spool, "b")) == [str(total), str(total + 1)]
    assert not spool.set_aside
    spool.close()
