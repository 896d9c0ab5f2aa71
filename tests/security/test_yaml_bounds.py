"""Every kind of YAML file the agent reads is held to the bounds of metatap.yamlfile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from metatap.detector.classes import parse_description
from metatap.errors import MetatapError
from metatap.lists import load_lists
from metatap.packs import load_folder, load_pack
from metatap.runtime.config import load_config
from metatap.yamlfile import MAX_BYTES, MAX_DEPTH, MAX_NODES
from tests.fuzz.documents import DOCUMENTS
from tests.fuzz.tally import Tally
from tests.fuzz.yaml import run

LAUGHS = b"".join(
    b"l%d: &l%d [%s]\n" % (at, at, b", ".join([b"*l%d" % (at - 1)] * 9) if at else b"lol")
    for at in range(10)
)
"""Ten lines that are 9^9 words."""

BOMBS = {
    "aliases": (LAUGHS, "anchors and aliases are not allowed"),
    "merge keys": (b"a: &a {b: 1}\nc: {<<: *a}\n", "anchors and aliases are not allowed"),
    "depth": (b"a: " + b"[" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
    "indentation": (
        b"".join(b" " * at + b"a:\n" for at in range(MAX_DEPTH + 2)),
        f"nested deeper than {MAX_DEPTH} levels",
    ),
    "values": (b"a: [" + b"0," * MAX_NODES + b"]\n", f"more than {MAX_NODES} values"),
    "size": (b"a: " + b"x" * MAX_BYTES, f"larger than {MAX_BYTES} bytes"),
    "a tag that runs code": (b"a: !!python/object/apply:os.abort []\n", "tags are not allowed"),
}
"""What → a file, and what is said of it."""


def _pack(path: Path) -> str:
    with pytest.raises(MetatapError) as caught:
        load_pack(path)
    return str(caught.value)


def _pack_folder(path: Path) -> str:
    packs, errors = load_folder(path.parent)
    assert not packs
    return str(errors[0])


def _lists(path: Path) -> str:
    lists, errors = load_lists(path.parent)
    assert not lists.files
    return str(errors[0])


def _config(path: Path) -> str:
    with pytest.raises(MetatapError) as caught:
        load_config(path, {})
    return str(caught.value)


def _part(path: Path) -> str:
    parts = path.parent / "conf.d"
    parts.mkdir()
    path.rename(parts / path.name)
    main = path.parent / "main.yaml"
    main.write_text("sensor: x\n")
    return _config(main)


def _description(path: Path) -> str:
    with pytest.raises(MetatapError) as caught:
        parse_description(path.read_bytes(), str(path), path, "0" * 64)
    return str(caught.value)


KINDS: dict[str, Callable[[Path], str]] = {
    "pack": _pack,
    "folder of packs": _pack_folder,
    "folder of lists": _lists,
    "configuration": _config,
    "conf.d": _part,
    "classifier": _description,
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_refused_whatever_it_is_said_to_be(tmp_path: Path, kind: str, bomb: str) -> None:
    """With the file's name and the reason, by each reader."""
    content, fault = BOMBS[bomb]
    path = tmp_path / "bomb.yaml"
    path.write_bytes(content)
    said = KINDS[kind](path)
    assert "bomb.yaml" in said
    assert fault in said


def test_a_variable_is_held_to_them_too() -> None:
    """Lists in the environment are YAML as well."""
    for content, fault in BOMBS.values():
        with pytest.raises(MetatapError) as caught:
            load_config(None, {"METATAP_SINKS": content.decode()})
        assert str(caught.value).startswith("METATAP_SINKS: ")
        assert fault in str(caught.value)


@pytest.mark.parametrize("kind", ["pack", "folder of packs", "folder of lists", "configuration"])
def test_a_pipe_is_no_file(tmp_path: Path, kind: str) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "bomb.yaml")
    assert "not a file" in KINDS[kind](tmp_path / "bomb.yaml")


def test_the_documents_of_the_long_fuzzing_are_sound(tmp_path: Path) -> None:
    """Else mutations of them would all be refused for the same reason."""
    for kind, text in DOCUMENTS.items():
        path = tmp_path / kind / "one.yaml"
        path.parent.mkdir()
        path.write_text(text)
    load_pack(tmp_path / "pack" / "one.yaml")
    assert load_lists(tmp_path / "list")[1] == []
    load_config(tmp_path / "config" / "one.yaml", {})
    path = tmp_path / "classifier" / "one.yaml"
    parse_description(path.read_bytes(), "one.yaml", path, "0" * 64)


def test_mutated_files_are_read_or_refused() -> None:
    """Two thousand; the long form is `python -m tests.fuzz yaml`."""
    tally = Tally("yaml")
    run(tally, 2000, 7)
    assert tally.items == 2000
    assert 50 < tally.taken < 800
    assert {"too deep", "an anchor or alias", "an unknown key"} <= set(tally.refused)
