"""A file becomes lines in bounded memory, whatever it holds."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.sources.logs.blocks import BLOCK, Unended, read_lines
from metatap.sources.logs.faults import LineError
from metatap.sources.logs.options import LogOptions
from tests.agent.sources.contract import fails_by_name


def lines_of(path: Path, options: LogOptions | None = None) -> list[bytes | str | Unended]:
    """Lines, reasons of faults and the last line, in order."""
    found: list[bytes | str | Unended] = []
    for piece in read_lines(path, options or LogOptions(), lambda _: None):
        if isinstance(piece, list):
            found += piece
        else:
            found.append(piece.reason if isinstance(piece, LineError) else piece)
    return found


def test_gzip_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    """Names lie; members may follow each other, with padding between them."""
    path = tmp_path / "conn.log"
    path.write_bytes(gzip.compress(b"a\nb") + b"\0" * 9 + gzip.compress(b"c\n") + b"\0\0")
    assert lines_of(path) == [b"a", b"bc"]
    path.write_bytes(b"a\nb")
    assert lines_of(path) == [b"a", Unended(b"b")]


def test_the_progress_is_that_of_the_file(tmp_path: Path) -> None:
    """Bytes as they lie on disk, all of them at the end."""
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"line\n" * 200_000))
    took: list[int] = []
    for _ in read_lines(path, LogOptions(), took.append):
        pass
    assert sum(took) == path.stat().st_size


@given(st.binary(max_size=300), st.integers(1, 40))
def test_lines_are_those_of_a_split(tmp_path_factory: pytest.TempPathFactory,
                                    data: bytes, longest: int) -> None:  # fmt: skip
    """Those that are too long are one fault each, where they stood."""
    path = tmp_path_factory.mktemp("x") / "x"
    path.write_bytes(gzip.compress(data))
    *whole, last = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    expected: list[bytes | str | Unended] = [
        line if len(line) <= longest else "line_too_long" for line in whole
    ]
    if last:
        expected.append(Unended(last) if len(last) <= longest else "line_too_long")
    assert lines_of(path, LogOptions(max_line_bytes=longest)) == expected


@pytest.mark.parametrize("cut", [5, 100, 1000])
def test_cut_gzip_gives_what_it_has(tmp_path: Path, cut: int) -> None:
    """The lines before, then the fault; the piece of a line is part of it."""
    lines = [b"line %d" % at for at in range(5000)]
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n")[:-cut])
    found = lines_of(path)
    assert found[-1] == "gzip_cut"
    assert found[:-1] == lines[: len(found) - 1]


def test_corrupt_gzip_gives_what_it_has(tmp_path: Path) -> None:
    """Wrong bytes inside, a wrong checksum, or something else behind it."""
    good = gzip.compress(b"a\nb\n")
    for data in (good[:-8] + b"\0" * 8, good + b"more", good + b"\x1f\x8bxx" * 9):
        path = tmp_path / "x"
        path.write_bytes(data)
        assert lines_of(path) == [b"a", b"b", "gzip_corrupt"]


def test_a_line_without_end_is_never_held(tmp_path: Path) -> None:
    """256 MiB without an end of line take a few MiB; the line after is read."""
    path = tmp_path / "x"
    engine = zlib.compressobj(wbits=31)
    with path.open("wb") as file:
        for _ in range(256):
            file.write(engine.compress(b"x" * (1 << 20)))
        file.write(engine.compress(b"\nnext\n") + engine.flush())
    tracemalloc.start()
    try:
        found = lines_of(path, LogOptions(max_ratio=2000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == ["line_too_long", b"next"]
    assert peak < 8 << 20


@pytest.mark.untraced
def test_a_bomb_is_left_at_its_bound(tmp_path: Path) -> None:
    """1 GiB of empty lines in 1 MiB: read until the ratio tells, in bounded memory."""
    path = tmp_path / "x"
    engine = zlib.compressobj(wbits=31)
    with path.open("wb") as file:
        for _ in range(1024):
            file.write(engine.compress(b"{}\n" * 349_525))
        file.write(engine.flush())
    rows = 0
    tracemalloc.start()
    try:
        for piece in read_lines(path, LogOptions(), lambda _: None):
            rows += len(piece) if isinstance(piece, list) else 0
            last = piece
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(last, LineError)
    assert last.reason == "gzip_bomb"
    assert rows * 3 <= LogOptions().free_bytes + BLOCK
    assert peak < 32 << 20


def test_logs_that_compress_well_pass(tmp_path: Path) -> None:
    """A flood of like lines is compressed a hundred times, and is read to its end."""
    lines = b"".join(
        b'{"ts":%d.5,"uid":"C%08x","proto":"tcp","conn_state":"S0","history":"S","x":"%s"}\n'
        % (at, at * 2654435761 % 2**32, b"y" * 900)
        for at in range(30_000)
    )
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(lines))
    assert len(lines) / path.stat().st_size > 40
    assert len(lines_of(path)) == 30_000


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """As an error of the source."""
    fails_by_name(lambda: lines_of(tmp_path / "gone"), "gone")


def test_members_of_a_byte_each_take_no_more_than_their_time(tmp_path: Path) -> None:
    """A line of half a million members is put together once, not once a member."""
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"a") * 300_000 + gzip.compress(b"\n"))
    start = time.process_time()
    [line] = lines_of(path)
    assert line == b"a" * 300_000
    assert time.process_time() - start < 20


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_is_left_out(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """At the begin of the text only, however short that is."""
    path, mark = tmp_path / "x", b"\xef\xbb\xbf"
    for text, lines in ((b"a\n" + mark + b"\n", [b"a", mark]), (b"\n", [b""]), (b"", [])):
        path.write_bytes(pack(mark + text))
        assert lines_of(path) == lines
    path.write_bytes(pack(mark[:2]))
    assert lines_of(path) == [Unended(mark[:2])]
