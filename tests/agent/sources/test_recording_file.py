"""The file of a recording."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.errors import SourceError, WireError
from metatap.sources import Record, RecordingReader, RecordingWriter
from metatap.sources.recording_file import MAGIC, REASONS
from metatap.sources.zeek_wire import REASONS as WIRE_REASONS

LIMIT = 1 << 20
RECORDS = [Record(at * 1000, (b"topic", bytes([at]) * 50)) for at in range(5)]


def write(path: Path, records: list[Record]) -> Path:
    """A recording of these records."""
    with RecordingWriter(path, started_ns=7) as writer:
        for record in records:
            writer.write(record.time_ns, record.parts)
    return path


def read(path: Path, limit: int = LIMIT) -> list[Record | WireError]:
    """What is in it."""
    reader = RecordingReader(path, limit)
    try:
        return list(reader)
    finally:
        reader.close()


def reasons(found: list[Record | WireError]) -> list[str]:
    """Reasons of what could not be read."""
    return [each.reason for each in found if isinstance(each, WireError)]


def rewrite(path: Path, data: bytes) -> Path:
    """The recording with other bytes inside the compression."""
    path.write_bytes(gzip.compress(data))
    return path


PARTS = st.lists(st.binary(max_size=40), max_size=6).map(tuple)


@settings(max_examples=50)
@given(st.lists(st.builds(Record, st.integers(0, 2**63), PARTS), max_size=8))
def test_records_come_back(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    """Any parts, of any number and size, with their times."""
    path = tmp_path_factory.mktemp("records") / "a.mtrec"
    assert read(write(path, records)) == records


def test_the_same_messages_make_the_same_file(tmp_path: Path) -> None:
    """A committed recording changes only if its contents do."""
    one, two = write(tmp_path / "one.mtrec", RECORDS), write(tmp_path / "two.mtrec", RECORDS)
    assert one.read_bytes() == two.read_bytes()
    reader = RecordingReader(one, LIMIT)
    assert reader.started_ns == 7
    reader.close()


def test_what_was_flushed_is_there_after_a_crash(tmp_path: Path) -> None:
    """A process that dies leaves no trailer; each flushed record is read all the same."""
    path = tmp_path / "a.mtrec"
    writer = RecordingWriter(path)
    for record in RECORDS:
        writer.write(record.time_ns, record.parts)
    writer.flush()
    crashed = tmp_path / "crashed.mtrec"
    crashed.write_bytes(path.read_bytes())
    writer.close()
    assert read(crashed) == RECORDS


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_file_that_ends_within_a_record_says_so(tmp_path: Path, cut: int) -> None:
    """The last record is `truncated`, all before it is read."""
    path = write(tmp_path / "a.mtrec", RECORDS)
    found = read(rewrite(path, gzip.decompress(path.read_bytes())[:-cut]))
    assert found[:-1] == RECORDS[:-1]
    assert reasons(found) == ["truncated"]


def test_any_cut_of_the_compressed_file_is_survived(tmp_path: Path) -> None:
    """Whatever is sound is read; what is left is one reason."""
    path = write(tmp_path / "a.mtrec", RECORDS)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        try:
            found = read(path)
        except SourceError:
            continue
        sound = [each for each in found if isinstance(each, Record)]
        assert sound == RECORDS[: len(sound)]
        assert reasons(found) in ([], ["truncated"])


def test_any_flipped_byte_is_survived(tmp_path: Path) -> None:
    """Damage is noticed by the compression or by the checksum of a record, never passed on."""
    path = write(tmp_path / "a.mtrec", RECORDS)
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            found = read(path)
        except SourceError:
            continue
        assert all(each in RECORDS for each in found if isinstance(each, Record))
        assert set(reasons(found)) <= set(REASONS) | set(WIRE_REASONS)


def test_a_damaged_record_is_skipped_and_the_next_is_read(tmp_path: Path) -> None:
    """The checksum covers the time and the body."""
    path = write(tmp_path / "a.mtrec", RECORDS)
    data = gzip.decompress(path.read_bytes())
    for piece, changed in [(b"\x02" * 50, b"\x09" * 50), ((2000).to_bytes(8, "big"), b"\0" * 8)]:
        found = read(rewrite(path, data.replace(piece, changed, 1)))
        assert reasons(found) == ["checksum"]
        assert [each for each in found if isinstance(each, Record)] == RECORDS[:2] + RECORDS[3:]


def test_parts_that_do_not_fit_their_record_are_skipped(tmp_path: Path) -> None:
    """A part's length goes beyond the body, or there is half a length, under a right checksum."""
    head = MAGIC + bytes(8)
    body = b""
    for broken in (b"\0\0\0\x09abc", b"\0\0", b"\0\0\0\0" * 65):
        checked = bytes(8) + len(broken).to_bytes(4, "big")
        crc = zlib.crc32(broken, zlib.crc32(checked))
        body += checked + crc.to_bytes(4, "big") + broken
    assert reasons(read(rewrite(tmp_path / "a.mtrec", head + body))) == ["parts"] * 3


def test_a_large_record_is_passed_over(tmp_path: Path) -> None:
    """It is not held in memory, and the next one is read."""
    large = Record(0, (bytes(50 << 20),))
    path = write(tmp_path / "a.mtrec", [RECORDS[0], large, RECORDS[1]])
    found = read(path)
    assert reasons(found) == ["too_big"]
    assert [each for each in found if isinstance(each, Record)] == RECORDS[:2]


def test_a_length_beyond_the_end_is_no_allocation(tmp_path: Path) -> None:
    """Four gigabytes announced, nothing there."""
    path = tmp_path / "a.mtrec"
    rewrite(path, MAGIC + bytes(8) + bytes(8) + b"\xff\xff\xff\xff" + bytes(4))
    assert reasons(read(path)) == ["truncated"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a recording"),
        (b"plain text", "not a recording"),
        (gzip.compress(b"something else entirely", mtime=0), "not a recording"),
        (gzip.compress(MAGIC, mtime=0), "not a recording"),
        (gzip.compress(MAGIC[:-1] + b"\x02" + bytes(8), mtime=0), "version 2, not 1"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """The message names the file."""
    path = tmp_path / "other.mtrec"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"other.mtrec: .*{message}"):
        RecordingReader(path, LIMIT)


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    """Reading and writing alike."""
    with pytest.raises(SourceError, match=r"no\.mtrec: No such file"):
        RecordingReader(tmp_path / "no.mtrec", LIMIT)
    with pytest.raises(SourceError, match=r"no\.mtrec: No such file"):
        RecordingWriter(tmp_path / "missing" / "no.mtrec")


def test_a_full_disk_is_an_error_of_the_recording() -> None:
    """It shows when the file is flushed or closed, and is named there as well."""
    writer = RecordingWriter(Path("/dev/full"))
    writer.write(0, [b"topic"])
    with pytest.raises(SourceError, match="/dev/full: No space left"):
        writer.flush()
    with pytest.raises(SourceError, match="/dev/full: No space left"):
        writer.close()
    writer.close()


def test_what_ended_a_recording_is_told_and_not_that_it_cannot_be_closed() -> None:
    """Without an error of its own, a recording that can't be closed is one."""
    with pytest.raises(KeyError), RecordingWriter(Path("/dev/full")):
        raise KeyError
    with pytest.raises(SourceError, match="/dev/full: No space left"):
        RecordingWriter(Path("/dev/full")).__enter__().__exit__(None, None, None)


def test_a_writer_knows_what_it_wrote(tmp_path: Path) -> None:
    """Messages, and bytes before compression."""
    with RecordingWriter(tmp_path / "a.mtrec") as writer:
        writer.write(0, [b"ab", memoryview(b"cde")])
    assert (writer.messages, writer.size) == (1, 13)
    writer.close()
