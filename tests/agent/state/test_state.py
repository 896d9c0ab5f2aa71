"""metatap.state: contents survive, or are named as dropped."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatap.errors import StateError
from metatap.state import State
from metatap.state.damage import ASIDE
from metatap.state.state import FILE, MAX_BYTES, VERSION

WRITER = """
import hashlib, random, sys
from pathlib import Path
from metatap.state import State

state = State.open(Path(sys.argv[1]))
rng = random.Random(int(sys.argv[2]))
for at in range(10**9):
    for name in ("one", "two"):
        body = rng.randbytes(rng.choice((10, 5_000, 300_000)))
        state.put(name, hashlib.sha256(body).digest() + at.to_bytes(8) + body)
    print(at, flush=True)
"""


def test_what_is_put_is_there_after_a_restart(tmp_path: Path) -> None:
    """The last content of each name comes back, byte for byte; no name, no content."""
    with_nul = bytes(range(256))
    state = State.open(tmp_path / "a" / "state")
    assert state.get("one") is None
    assert state.put("one", b"first")
    assert state.put("one", with_nul)
    assert state.put("empty", b"")
    state.close()
    state = State.open(tmp_path / "a" / "state")
    assert state.get("one") == with_nul
    assert state.get("empty") == b""
    assert state.get("two") is None
    assert state.dropped == []
    state.close()


def test_the_folder_is_for_one_user_and_one_agent(tmp_path: Path) -> None:
    """The folder is private, and a second agent is refused until the first has gone."""
    folder = tmp_path / "state"
    state = State.open(folder)
    assert folder.stat().st_mode & 0o077 == 0
    with pytest.raises(StateError, match="another agent"):
        State.open(folder)
    state.close()
    State.open(folder).close()


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_instant(tmp_path: Path, seed: int) -> None:
    """After kill −9 all that was acknowledged is there and whole, and nothing is dropped."""
    rng = random.Random(seed)
    acknowledged = -1
    for round_ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(seed * 100 + round_)],
            stdout=subprocess.PIPE,
        ) as writer:
            assert writer.stdout is not None
            acknowledged = int(writer.stdout.readline())
            time.sleep(rng.uniform(0, 0.15))
            writer.kill()
            rest = writer.stdout.read().split()
        if rest:
            acknowledged = int(rest[-1])
        state = State.open(tmp_path)
        for name in ("one", "two"):
            content = state.get(name)
            assert content is not None
            assert hashlib.sha256(content[40:]).digest() == content[:32]
            assert int.from_bytes(content[32:40]) >= acknowledged
        assert state.dropped == []
        state.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_broken_disk_gives_the_content_or_none(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes changed or cut off give what was kept, or None and a line that says so; never else."""
    folder = tmp_path_factory.mktemp("state")
    contents = {f"n{at}": bytes([at]) * 3000 for at in range(5)}
    state = State.open(folder)
    for name, content in contents.items():
        state.put(name, content)
    state.close()
    path = folder / FILE
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=30)):
            raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(raw))
    state = State.open(folder)
    lost = 0
    for name, content in contents.items():
        found = state.get(name)
        assert found in {content, None}
        lost += found is None
    if lost and raw:
        assert state.dropped
    assert state.put("new", b"x")
    assert state.get("new") == b"x"
    state.close()


@pytest.mark.parametrize("junk", [b"not a database, but long enough to be looked at" * 50, b"x"])
def test_a_file_of_another_kind_is_set_aside(tmp_path: Path, junk: bytes) -> None:
    """It is kept under another name, and said; the agent begins anew."""
    (tmp_path / FILE).write_bytes(junk)
    state = State.open(tmp_path)
    assert ASIDE in state.dropped[0]
    assert (tmp_path / (FILE + ASIDE)).read_bytes() == junk
    assert state.put("one", b"x")
    state.close()


def test_a_newer_schema_is_set_aside(tmp_path: Path) -> None:
    """A file of a later version is not read as if it were this one's, nor destroyed."""
    State.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    state = State.open(tmp_path)
    assert f"version {VERSION + 1}" in state.dropped[0]
    assert (tmp_path / (FILE + ASIDE)).exists()
    state.close()


@pytest.mark.parametrize(
    ("at", "change"), [(44, (9).to_bytes(4, "big")), (18, b"\3"), (18, b"\0"), (19, b"\3")]
)
def test_a_header_of_an_unknown_format_is_set_aside(tmp_path: Path, at: int, change: bytes) -> None:
    """SQLite calls that a plain error, as it would a wrong statement, or only reads the file."""
    state = State.open(tmp_path)
    assert state.put("a", b"content")
    state.close()
    path = tmp_path / FILE
    content = bytearray(path.read_bytes())
    content[at : at + len(change)] = change
    path.write_bytes(content)
    state = State.open(tmp_path)
    assert state.get("a") is None
    assert any("set aside" in one for one in state.dropped)
    assert state.put("a", b"anew")
    state.close()
    assert (tmp_path / (FILE + ASIDE)).exists()


def test_a_changed_content_is_dropped_alone(tmp_path: Path) -> None:
    """A content whose digest does not fit is None and named; the others are there."""
    state = State.open(tmp_path)
    state.put("one", b"1")
    state.put("two", b"2")
    state.close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE kept SET content = X'00' WHERE name = 'one'")
    connection.close()
    state = State.open(tmp_path)
    assert state.get("one") is None
    assert state.dropped[0].startswith("one: ")
    assert state.get("two") == b"2"
    state.close()


def test_no_room_keeps_the_earlier_content(tmp_path: Path) -> None:
    """A put that fails says so and changes nothing."""
    state = State.open(tmp_path)
    state.put("one", b"first")
    assert state._connection is not None
    pages = state._connection.execute("PRAGMA page_count").fetchone()[0]
    state._connection.execute(f"PRAGMA max_page_count = {pages}")
    assert not state.put("one", b"x" * 100_000)
    assert "full" in state.dropped[0]
    assert state.get("one") == b"first"
    state.close()


def test_bounds(tmp_path: Path) -> None:
    """Names and sizes are bounded."""
    state = State.open(tmp_path)
    for name, content in (("", b""), ("a/b", b""), ("A", b""), ("a", bytes(MAX_BYTES + 1))):
        with pytest.raises(ValueError, match="not a name"):
            state.put(name, content)
    state.close()
    assert not state.put("one", b"x")


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    """A path that is no folder is an error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file"):
        State.open(tmp_path / "file" / "state")


def test_threads_share_it(tmp_path: Path) -> None:
    """Puts and gets of several threads do not disturb each other."""
    state = State.open(tmp_path)
    faults: list[str] = []

    def work(name: str) -> None:
        for at in range(40):
            content = f"{name}{at}".encode()
            if not state.put(name, content) or state.get(name) != content:
                faults.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert not state.dropped
    state.close()
