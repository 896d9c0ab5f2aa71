"""metatap.watch: real files, real notices."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metatap.watch import SETTLE, Target, Watcher
from metatap.watch import watcher as module
from metatap.watch.notices import Notices


class Heard:
    """Counts what a watcher tells."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self._new = threading.Condition()

    def __call__(self, kinds: frozenset[str]) -> None:
        with self._new:
            self.kinds += sorted(kinds)
            self._new.notify_all()

    def wait(self, kind: str, times: int = 1) -> None:
        with self._new:
            assert self._new.wait_for(lambda: self.kinds.count(kind) >= times, 20), self.kinds


def targets(folder: Path) -> list[Target]:
    (folder / "packs").mkdir(exist_ok=True)
    return [
        Target("packs", folder / "packs", (".yaml", ".sig")),
        Target("model", folder / "m.onnx", (".yaml",)),
    ]


@pytest.fixture(params=["notices", "polls"])
def watched(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Heard, Watcher]]:
    """A folder, what is heard of it, and its watcher; once by inotify, once as over NFS."""
    if request.param == "polls":
        monkeypatch.setattr(Notices, "watch", lambda *_: None)
    heard = Heard()
    poll = 30.0 if request.param == "notices" else 0.1
    watcher = Watcher(targets(tmp_path), heard, poll=poll)
    watcher.start()
    time.sleep(0.1)  # the first look is over
    yield tmp_path, heard, watcher
    watcher.close()


def test_a_new_file_is_told(watched: tuple[Path, Heard, Watcher]) -> None:
    """A file dropped into a folder is its kind's change, and no other kind's."""
    folder, heard, _ = watched
    (folder / "packs" / "a.yaml").write_text("pack: 1")
    heard.wait("packs")
    assert set(heard.kinds) == {"packs"}


def test_a_replaced_and_a_deleted_file_are_told(watched: tuple[Path, Heard, Watcher]) -> None:
    """A rename over a file is a change though size and time stay; so is its end."""
    folder, heard, _ = watched
    path, other = folder / "packs" / "a.yaml", folder / "other"
    path.write_text("one")
    heard.wait("packs")
    other.write_text("two")
    stat = path.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.rename(path)
    heard.wait("packs", 2)
    path.unlink()
    heard.wait("packs", 3)


def test_a_watched_file_and_its_companion(watched: tuple[Path, Heard, Watcher]) -> None:
    """Of a model file the file and its description matter, not its neighbours."""
    folder, heard, _ = watched
    (folder / "other.onnx").write_bytes(b"x")
    (folder / "m.onnx").write_bytes(b"x")
    heard.wait("model")
    (folder / "m.yaml").write_bytes(b"x")
    heard.wait("model", 2)
    assert heard.kinds == ["model", "model"]


def test_what_editors_leave_is_ignored(watched: tuple[Path, Heard, Watcher]) -> None:
    """Swap files, backups, locks and hidden temporary files are no change; a save is one."""
    folder, heard, _ = watched
    packs = folder / "packs"
    for name in (
        ".a.yaml.swp",
        "4913",
        "a.yaml~",
        ".#a.yaml",
        "#a.yaml#",
        "a.yaml.part",
        ".a.yaml",
    ):
        (packs / name).write_text("x")
    time.sleep(2 * SETTLE)
    assert heard.kinds == []
    (packs / "a.yaml").write_text("one")
    heard.wait("packs")
    (packs / "a.yaml").rename(packs / "a.yaml~")  # as vim does: away, new, write, away with it
    (packs / "a.yaml").write_text("two")
    (packs / "a.yaml~").unlink()
    heard.wait("packs", 2)


def test_half_a_file_is_not_told(watched: tuple[Path, Heard, Watcher]) -> None:
    """While a copy goes on nothing is told; at its end it is told once."""
    folder, heard, watcher = watched
    path = folder / "packs" / "a.yaml"
    with path.open("wb", buffering=0) as file:
        for _ in range(8):
            file.write(b"x" * 1000)
            time.sleep(SETTLE / 4)
            assert heard.kinds == []
        assert path in watcher.unsettled()
    heard.wait("packs")
    time.sleep(2 * SETTLE)
    assert heard.kinds == ["packs"]
    assert not watcher.unsettled()


def test_a_stalled_copy_is_told_again(watched: tuple[Path, Heard, Watcher]) -> None:
    """A copy that pauses longer than `SETTLE` is told at the pause and at its end."""
    folder, heard, _ = watched
    with (folder / "packs" / "a.yaml").open("wb", buffering=0) as file:
        file.write(b"x")
        heard.wait("packs")
        file.write(b"x")
    heard.wait("packs", 2)


def test_what_is_doubted_is_told_when_it_is_settled(watched: tuple[Path, Heard, Watcher]) -> None:
    """`again` tells of a file once more after `SETTLE`, though it did not change."""
    folder, heard, watcher = watched
    path = folder / "packs" / "a.yaml"
    path.write_text("half")
    heard.wait("packs")
    watcher.again([path])
    heard.wait("packs", 2)
    assert not watcher.unsettled()


def test_a_folder_made_anew_is_watched(watched: tuple[Path, Heard, Watcher]) -> None:
    """A folder that was moved away and made again goes on being watched."""
    folder, heard, _ = watched
    (folder / "packs" / "a.yaml").write_text("one")
    heard.wait("packs")
    (folder / "packs").rename(folder / "old")
    heard.wait("packs", 2)
    (folder / "packs").mkdir()
    (folder / "packs" / "b.yaml").write_text("two")
    heard.wait("packs", 3)


def test_links_are_followed(watched: tuple[Path, Heard, Watcher]) -> None:
    """A mounted ConfigMap changes by one link beside the files' own links."""
    folder, heard, _ = watched
    packs = folder / "packs"
    for name in ("one", "two"):
        (packs / f"..{name}").mkdir()
        (packs / f"..{name}" / "a.yaml").write_text(name)
    (packs / "..data").symlink_to("..one")
    (packs / "a.yaml").symlink_to("..data/a.yaml")
    heard.wait("packs")
    (packs / "..new").symlink_to("..two")
    (packs / "..new").rename(packs / "..data")
    heard.wait("packs", 2)


def test_reading_wakes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at files and reading them is no notice: a watcher does not call itself."""
    looks = []
    look = Watcher.look

    def counted(self: Watcher) -> frozenset[str]:
        looks.append(1)
        for path in (tmp_path / "packs").iterdir():
            path.read_bytes()
        return look(self)

    monkeypatch.setattr(Watcher, "look", counted)
    watcher = Watcher(targets(tmp_path), Heard(), poll=30.0)
    (tmp_path / "packs" / "a.yaml").write_text("one")
    watcher.start()
    time.sleep(1.0)
    count = len(looks)
    time.sleep(1.0)
    watcher.close()
    assert len(looks) == count > 0


def test_other_targets(tmp_path: Path) -> None:
    """After `follow` the new paths count, and what lies there already is not told."""
    heard = Heard()
    watcher = Watcher(targets(tmp_path), heard, poll=0.1)
    watcher.start()
    new = tmp_path / "new"
    new.mkdir()
    (new / "a.yaml").write_text("one")
    watcher.follow([Target("lists", new, (".yaml",))], 0.1)
    (tmp_path / "packs" / "a.yaml").write_text("one")
    time.sleep(2 * SETTLE)
    assert heard.kinds == []
    (new / "a.yaml").write_text("two")
    heard.wait("lists")
    watcher.close()


def test_without_notices_it_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where inotify has no watches left, changes are found by looking."""
    from metatap.watch import notices  # noqa: PLC0415

    def refuse() -> None:
        raise OSError("inotify instance limit reached")

    monkeypatch.setattr(notices, "Observer", refuse)
    heard = Heard()
    watcher = Watcher(targets(tmp_path), heard, poll=0.1)
    watcher.start()
    (tmp_path / "packs" / "a.yaml").write_text("one")
    heard.wait("packs")
    watcher.close()


def settled_by_hand(tmp_path: Path) -> tuple[Watcher, Callable[[float], None]]:
    now = [100.0]
    watcher = Watcher(targets(tmp_path), Heard(), clock=lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return watcher, advance


def test_a_file_away_for_a_moment_is_not_deleted(tmp_path: Path) -> None:
    """A deletion is told after `SETTLE`; a file that came back the same is no change."""
    path = tmp_path / "packs" / "a.yaml"
    (tmp_path / "packs").mkdir()
    path.write_text("one")
    watcher, advance = settled_by_hand(tmp_path)
    path.rename(tmp_path / "away")
    assert not watcher.look()
    advance(module.SETTLE / 2)
    (tmp_path / "away").rename(path)
    watcher.look()
    advance(module.SETTLE)
    kinds = watcher.look()
    assert kinds <= {"packs"}  # its inode's time changed: it may be read again, it is never gone
    path.unlink()
    assert not watcher.look()
    advance(module.SETTLE)
    assert watcher.look() == {"packs"}
