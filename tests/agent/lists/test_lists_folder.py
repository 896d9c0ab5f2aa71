"""The lists of a folder, when files come, change and break."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metatap.lists import Lists, folder, load_lists


def put(path: Path, *rules: str) -> Path:
    entries = "".join(f"  - {{{rule}}}\n" for rule in rules)
    path.write_text(f"list: 1\nrules:\n{entries}")
    return path


def ids(lists: Lists) -> list[str]:
    return [rule.id for rule in lists.rules]


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """The first rule that matches counts, so the order is the operator's."""
    put(tmp_path / "b.yml", "id: second, reason: a, orig: 10.0.0.1")
    put(tmp_path / "a.yaml", "id: first, reason: a, orig: 10.0.0.1")
    for name in (".hidden.yaml", "#edited.yaml", "a.yaml~", "notes.txt"):
        put(tmp_path / name, "id: none, reason: a, orig: 10.0.0.1")
    (tmp_path / "folder.yaml").mkdir()
    lists, errors = load_lists(tmp_path)
    assert (ids(lists), errors) == (["first", "second"], [])


def test_a_faulty_file_is_left_out_as_a_whole(tmp_path: Path) -> None:
    """The others are unaffected, and every fault has its line."""
    put(tmp_path / "bad.yaml", "id: good, reason: a, orig: 10.0.0.1", "orig: no, reason: a")
    put(tmp_path / "good.yaml", "id: other, reason: a, orig: 10.0.0.1")
    lists, [error] = load_lists(tmp_path)
    assert ids(lists) == ["other"]
    assert str(error).startswith(f"{tmp_path}/bad.yaml:4: orig: no: must be an address")


def test_a_file_that_breaks_leaves_its_last_good_state(tmp_path: Path) -> None:
    """Until it is mended, or is gone."""
    path = put(tmp_path / "a.yaml", "id: old-one, reason: a, orig: 10.0.0.1")
    before, _ = load_lists(tmp_path)
    path.write_text("list: 1\nrules:\n  - {id: new-one, rea")
    lists, [error] = load_lists(tmp_path, before)
    assert (ids(lists), str(path) in str(error)) == (["old-one"], True)
    put(path, "id: new-one, reason: a, orig: 10.0.0.1")
    lists, errors = load_lists(tmp_path, lists)
    assert (ids(lists), errors) == (["new-one"], [])
    path.unlink()
    lists, errors = load_lists(tmp_path, lists)
    assert (ids(lists), errors) == ([], [])


def test_a_file_that_did_not_change_is_not_read_anew(tmp_path: Path) -> None:
    """Of many files, one is edited at a time."""
    put(tmp_path / "a.yaml", "id: one, reason: a, orig: 10.0.0.1")
    put(tmp_path / "b.yaml", "id: two, reason: a, orig: 10.0.0.1")
    before, _ = load_lists(tmp_path)
    put(tmp_path / "b.yaml", "id: two, reason: b, orig: 10.0.0.1")
    after, _ = load_lists(tmp_path, before)
    assert after.files[0] is before.files[0]
    assert [rule.reason for rule in after.rules] == ["a", "b"]


def test_a_file_that_is_being_written_leaves_its_last_state(tmp_path: Path) -> None:
    """What is there of it is not looked at."""
    path = put(tmp_path / "a.yaml", "id: old-one, reason: a, orig: 10.0.0.1")
    before, _ = load_lists(tmp_path)
    put(path, "id: new-one, reason: a, orig: 10.0.0.1")
    other = put(tmp_path / "b.yaml", "id: half, reason: a, orig: 10.0.0.1")
    lists, errors = load_lists(tmp_path, before, [path, other])
    assert (ids(lists), errors) == (["old-one"], [])


def test_an_id_is_of_one_rule(tmp_path: Path) -> None:
    """The later file is left out and both places are named; its last state stays if it fits."""
    put(tmp_path / "a.yaml", "id: same, reason: a, orig: 10.0.0.1")
    path = put(tmp_path / "b.yaml", "id: other, reason: a, orig: 10.0.0.1")
    before, _ = load_lists(tmp_path)
    put(path, "id: third, reason: a, orig: 10.0.0.1", "id: same, reason: a, orig: 10.0.0.2")
    lists, [error] = load_lists(tmp_path)
    assert ids(lists) == ["same"]
    assert str(error) == f"{path}:4: id same: is that of a rule in {tmp_path}/a.yaml:3"
    lists, [error] = load_lists(tmp_path, before)
    assert ids(lists) == ["same", "other"]


def test_numbers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files and of rules; what is beyond is an error, not silence."""
    for at in range(4):
        put(tmp_path / f"{at}.yaml", *(f"reason: a, orig: 10.0.{at}.{n}" for n in range(2)))
    monkeypatch.setattr(folder, "MAX_FILES", 3)
    monkeypatch.setattr(folder, "MAX_ALL", 5)
    lists, errors = load_lists(tmp_path)
    assert len(lists) == 4
    assert "4 lists, only 3 are read" in str(errors[0])
    assert "2.yaml: more than 5 rules in all lists" in str(errors[1])


def test_a_folder_that_can_not_be_read_leaves_all_as_it_was(tmp_path: Path) -> None:
    """As when a mount is gone for a while."""
    put(tmp_path / "a.yaml", "id: one, reason: a, orig: 10.0.0.1")
    before, _ = load_lists(tmp_path)
    lists, [error] = load_lists(tmp_path / "gone", before)
    assert ids(lists) == ["one"]
    assert "gone: can't be read: No such file" in str(error)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe nobody writes to is an error at once."""
    os.mkfifo(tmp_path / "pipe.yaml")
    lists, [error] = load_lists(tmp_path)
    assert (len(lists), "pipe.yaml: can't be read" in str(error)) == (0, True)
