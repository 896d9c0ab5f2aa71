"""metatap.writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metatap.writing import PartFile, write_whole


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """If the writing fails, the old file stands and nothing else remains."""
    path = tmp_path / "x.json"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, None)  # type: ignore[arg-type]
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x.json", b"old")]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, "0o644"), (0o077, "0o600")])
def test_a_new_file_has_what_the_umask_leaves(tmp_path: Path, umask: int, mode: str) -> None:
    """As a file has that any program makes."""
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "x", b"new")
    finally:
        os.umask(before)
    assert modes(tmp_path) == {"x": mode}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    """What only its owner may read is at no instant open to others, nor is its part."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(mode)
    part = PartFile(path)
    part.part.write_bytes(b"new")
    assert not int(modes(tmp_path)[part.part.name], 8) & ~(mode | 0o600)
    part.end(whole=True)
    assert modes(tmp_path) == {"x": oct(mode)}
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_is_replaced_keeps_its_owner(tmp_path: Path) -> None:
    """Root writes into an agent's folder: the agent can still read what is its own."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    os.chown(path, 1234, 2345)
    write_whole(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it leads to is replaced, in its own folder, or made."""
    (tmp_path / "far").mkdir()
    link = tmp_path / "link"
    link.symlink_to("far/x")
    for content in (b"one", b"two"):
        write_whole(link, content)
        assert link.is_symlink()
        assert {path.name: path.read_bytes() for path in (tmp_path / "far").iterdir()} == {
            "x": content
        }


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, kind: str) -> None:
    """A pipe, a device or a folder of that name stays what it is, and no part is made."""
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(OSError, match="not a file"):
        write_whole(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert not path.is_file()


def test_a_part_is_ended_once(tmp_path: Path) -> None:
    """What comes after the first end does nothing: a kept file is not removed."""
    part = PartFile(tmp_path / "x")
    part.part.write_bytes(b"new")
    part.end(whole=True)
    part.end(whole=False)
    part.end(whole=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_longest_name_has_room_for_its_part(tmp_path: Path) -> None:
    """255 bytes are the most a name may have, of however many bytes each character is."""
    for name in ("x" * 255, "ü" * 127, "𝕏" * 63):
        write_whole(tmp_path / name, b"new")
    assert len(list(tmp_path.iterdir())) == 3
