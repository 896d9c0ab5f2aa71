"""metatap.sinks.file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.agent.sinks.contract import check_sink

from metatap.packs import Severity
from metatap.sinks import FileSink, FileTransport, Guarantee, Record, Sent, TransportError, backlog


class Disk:
    """`os.write` with a limit: what does not fit raises, as a full disk does.

    Attributes:
        room: Bytes that still fit, None for no limit.
        error: What a write raises that does not fit at all.
    """

    def __init__(self) -> None:
        self.room: int | None = None
        self.error = errno.ENOSPC
        self._write = os.write

    def write(self, file: int, content: bytes | memoryview) -> int:
        """Write as much as fits."""
        if self.room is None:
            return self._write(file, content)
        if self.room == 0:
            raise OSError(self.error, os.strerror(self.error))
        written = self._write(file, content[: self.room])
        self.room -= written
        return written


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk that file sinks write to."""
    fake = Disk()
    monkeypatch.setattr(os, "write", fake.write)
    yield fake
    monkeypatch.undo()


class Clock:
    """A clock moved by hand, s."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    """Lines are appended in order and are counted; the folder is made."""
    path = tmp_path / "new" / "alerts.jsonl"
    check_sink(lambda: FileSink(path), path.read_bytes)
    fast = tmp_path / "fsync.jsonl"
    check_sink(lambda: FileSink(fast, fsync=True), fast.read_bytes)


def test_only_owner_and_group_may_read(tmp_path: Path) -> None:
    """Alerts name hosts: other users of the machine do not see them."""
    path = tmp_path / "a"
    sink = FileSink(path)
    sink.write([b"{}"])
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    """A restart appends."""
    path = tmp_path / "a"
    path.write_bytes(b"old\n")
    sink = FileSink(path)
    sink.write([b"new"])
    assert path.read_bytes() == b"old\nnew\n"


def test_part_of_a_line_is_ended_first(tmp_path: Path) -> None:
    """After a crash in the middle of a line the next alert starts on its own."""
    path = tmp_path / "a"
    path.write_bytes(b'old\n{"torn":')
    sink = FileSink(path)
    sink.write([b"new"])
    assert path.read_bytes() == b'old\n{"torn":\nnew\n'


def test_a_moved_file_is_written_to_until_reopened(tmp_path: Path) -> None:
    """Rotation by rename: nothing is lost before HUP, and after it the new file is used."""
    path, moved = tmp_path / "a", tmp_path / "a.1"
    sink = FileSink(path)
    sink.write([b"1"])
    path.rename(moved)
    sink.write([b"2"])
    sink.reopen()
    sink.write([b"3"])
    assert (moved.read_bytes(), path.read_bytes()) == (b"1\n2\n", b"3\n")


def test_a_truncated_file_is_appended_to(tmp_path: Path) -> None:
    """Rotation by copy and truncate: the next line stands at the start, without a hole."""
    path = tmp_path / "a"
    sink = FileSink(path)
    sink.write([b"1"])
    os.truncate(path, 0)
    sink.write([b"2"])
    assert path.read_bytes() == b"2\n"


def test_a_full_disk_costs_nothing_once_there_is_room(tmp_path: Path, disk: Disk) -> None:
    """Alerts are held and written later; the torn line is the only one that can't be read."""
    path, clock = tmp_path / "a", Clock()
    sink = FileSink(path, monotonic=clock)
    disk.room = 8
    sink.write([b"first", b"second", b"third"])
    assert (sink.alerts.received, sink.alerts.passed) == (3, 1)
    disk.room = None
    sink.write([b"fourth"])
    assert path.read_bytes() == b"first\nse"
    clock.now = 1.0
    sink.write([b"fifth"])
    assert path.read_bytes() == b"first\nse\nsecond\nthird\nfourth\nfifth\n"
    assert sink.alerts.balanced
    assert sink.alerts.dropped == {}


def test_what_is_held_does_not_wait_for_the_next_alert(tmp_path: Path, disk: Disk) -> None:
    """`retry` writes it once there is room again, a second after the last try at the earliest."""
    path, clock = tmp_path / "a", Clock()
    sink = FileSink(path, monotonic=clock)
    disk.room = 0
    sink.write([b"1"])
    clock.now = 1.0
    sink.retry()
    disk.room = None
    clock.now = 1.9
    sink.retry()
    assert path.read_bytes() == b""
    clock.now = 2.0
    sink.retry()
    assert path.read_bytes() == b"1\n"
    assert (sink.alerts.passed, sink.alerts.balanced) == (1, True)


def test_losses_are_logged_once_a_minute(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, then with their sum; what is left at the end is logged too."""
    monkeypatch.setattr(backlog, "MAX_HELD_BYTES", 1)
    disk.room, clock = 0, Clock()
    sink = FileSink(tmp_path / "a", monotonic=clock)
    with capture_logs() as logs:
        sink.write([b"1", b"2", b"3"])
        sink.write([b"4"])
        clock.now = 60.0
        sink.write([b"5", b"6"])
        sink.close()
        sink.write([b"7"])
    lost = [(line["reason"], line["alerts"]) for line in logs if line["event"] == "alerts_dropped"]
    assert lost == [("disk_full", 2), ("disk_full", 3), ("disk_full", 1), ("closed", 1)]
    assert sink.alerts.dropped == {"disk_full": 6, "closed": 1}
    assert sink.alerts.balanced


def test_a_disk_that_stays_full_is_counted(tmp_path: Path, disk: Disk) -> None:
    """What can't be written by the end is dropped under the reason."""
    disk.room = 0
    sink = FileSink(tmp_path / "a")
    sink.write([b"1", b"2"])
    sink.close()
    assert sink.alerts.dropped == {"disk_full": 2}
    assert sink.alerts.balanced


def test_what_is_held_is_bounded(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest alerts go first when too much waits for the disk."""
    monkeypatch.setattr(backlog, "MAX_HELD_BYTES", 10)
    disk.room, disk.error = 0, errno.EIO
    path = tmp_path / "a"
    sink = FileSink(path)
    sink.write([b"12345", b"67890", b"abcde"])
    assert sink.alerts.dropped == {"write_failed": 1}
    disk.room = None
    sink.flush()
    assert path.read_bytes() == b"67890\nabcde\n"
    assert sink.alerts.balanced


def test_a_place_that_can_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    """A folder in the file's place is not the agent's end; once it is gone, alerts are written."""
    path, clock = tmp_path / "a", Clock()
    path.mkdir()
    sink = FileSink(path, monotonic=clock)
    sink.write([b"1"])
    path.rmdir()
    clock.now = 2.0
    sink.write([b"2"])
    assert path.read_bytes() == b"1\n2\n"


def test_an_unconfirmed_write_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk does not confirm, the alerts are written again: twice rather than never."""

    def fail(_file: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    path = tmp_path / "a"
    sink = FileSink(path, fsync=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        sink.write([b"1"])
    assert sink.alerts.passed == 0
    sink.flush()
    assert path.read_bytes() == b"1\n1\n"
    assert sink.alerts.passed == 1


def records(*texts: str) -> list[Record]:
    """Records with these bodies."""
    return [Record(text, 0, Severity.LOW, text.encode()) for text in texts]


def test_a_transport_repairs_part_of_a_line_and_appends(tmp_path: Path) -> None:
    """As the sink does; the folder is made."""
    path = tmp_path / "new" / "a"
    transport = FileTransport(path)
    assert transport.guarantee is Guarantee.AT_LEAST_ONCE
    assert transport.send(records("1", "2")) == Sent(2)
    transport.close()
    with path.open("ab") as file:
        file.write(b"to")
    assert transport.send(records("3")) == Sent(1)
    transport.close()
    assert path.read_bytes() == b"1\n2\nto\n3\n"
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


def test_a_transport_follows_a_rotation_by_itself(tmp_path: Path) -> None:
    """Moved away, deleted, replaced, copied and truncated: the path has what comes next."""
    path, moved = tmp_path / "a", tmp_path / "a.1"
    transport = FileTransport(path)
    transport.send(records("1"))
    path.rename(moved)
    transport.send(records("2"))
    assert (moved.read_bytes(), path.read_bytes()) == (b"1\n", b"2\n")
    path.unlink()
    transport.send(records("3"))
    assert path.read_bytes() == b"3\n"
    other = tmp_path / "other"
    other.write_bytes(b"new\n")
    other.rename(path)
    transport.send(records("4"))
    assert path.read_bytes() == b"new\n4\n"
    os.truncate(path, 0)
    transport.send(records("5"))
    assert path.read_bytes() == b"5\n"
    transport.reopen()
    transport.send(records("6"))
    transport.close()
    transport.close()
    assert path.read_bytes() == b"5\n6\n"


def test_a_transport_says_what_a_full_disk_took(tmp_path: Path, disk: Disk) -> None:
    """Whole lines are done; nothing is if not one fitted."""
    path = tmp_path / "a"
    transport = FileTransport(path)
    three = records("first", "second", "third")
    disk.room = 15
    assert transport.send(three) == Sent(2)
    with pytest.raises(TransportError, match=str(path)) as raised:
        transport.send(three[2:])
    assert raised.value.reason == "disk_full"
    disk.room = None
    assert transport.send(three[2:]) == Sent(1)
    transport.close()
    assert path.read_bytes() == b"first\nsecond\nth\nthird\n"
    disk.room, disk.error = 0, errno.EIO
    with pytest.raises(TransportError) as raised:
        transport.send(three)
    assert raised.value.reason == "write_failed"
    transport.close()


def test_a_transport_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the file each time and for its folder once; without the disk's word nothing is done."""
    synced: list[bool] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(stat.S_ISDIR(os.fstat(file).st_mode))
    )
    transport = FileTransport(tmp_path / "a")
    transport.send(records("1"))
    transport.send(records("2"))
    assert synced == [False, True, False]

    def fail(_file: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TransportError) as raised:
        transport.send(records("3"))
    assert raised.value.reason == "write_failed"
    transport.close()


def test_a_transport_takes_only_files(tmp_path: Path) -> None:
    """No disk answers for a pipe."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    transport = FileTransport(path)
    with pytest.raises(TransportError, match="no regular file"):
        transport.send(records("1"))
    transport.close()
