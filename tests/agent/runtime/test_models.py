"""metatap.runtime.models: which file is meant, and what a rollback and a restart make of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.runtime.running import other_model, shipped_version

from metatap.detector import open_scorer, shipped_model
from metatap.detector.classifier import description_path
from metatap.errors import ModelError
from metatap.runtime.models import STATE, Models
from metatap.runtime.serving import Serving, digest
from metatap.state import State


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Contents of three valid model files by version."""
    folder = tmp_path_factory.mktemp("store")
    return {v: other_model(folder / f"{v}.onnx", v).read_bytes() for v in ("1", "2", "3")}


class Folder:
    """A folder of models with times of their own."""

    def __init__(self, path: Path, store: dict[str, bytes]) -> None:
        self.path = path
        self._store = store
        path.mkdir()

    def put(self, name: str, version: str, time: int) -> None:
        path = self.path / name
        path.write_bytes(self._store.get(version, b"junk"))
        os.utime(path, (time, time))


@pytest.fixture
def folder(tmp_path: Path, store: dict[str, bytes]) -> Folder:
    return Folder(tmp_path / "models", store)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.open(tmp_path / "state")
    yield state
    state.close()


def step(models: Models, folder: Folder) -> str:
    """Take what is meant now; its version."""
    serving = models.choose(folder.path, 1).serving
    if serving is not models.current:
        models.took(serving)
    return serving.scorer.meta.version


def roll_back(models: Models, folder: Folder) -> str:
    serving = models.before(1)
    models.rolled_back(serving, folder.path)
    return serving.scorer.meta.version


def test_the_newest_valid_file_is_meant(folder: Folder) -> None:
    """By time, then by name; hidden and other files do not count."""
    folder.put("a.onnx", "1", 100)
    folder.put("b.onnx", "2", 100)
    folder.put(".c.onnx", "3", 200)
    folder.put("d.onnx.part", "3", 200)
    models = Models(None)
    assert step(models, folder) == "2"
    folder.put("a.onnx", "1", 101)
    assert step(models, folder) == "1"
    folder.put("z.onnx", "junk", 300)
    choice = models.choose(folder.path, 1)
    assert choice.serving is models.current
    assert choice.faults[0][0] == folder.path / "z.onnx"


def test_deleting_falls_back_and_overwriting_does_not(folder: Folder) -> None:
    """If the one in force is deleted the next newest is meant; if it is broken it stays."""
    folder.put("a.onnx", "1", 100)
    folder.put("b.onnx", "2", 200)
    models = Models(None)
    assert step(models, folder) == "2"
    folder.put("b.onnx", "junk", 300)
    assert step(models, folder) == "2"
    (folder.path / "b.onnx").unlink()
    assert step(models, folder) == "1"
    (folder.path / "a.onnx").unlink()
    choice = models.choose(folder.path, 1)
    assert choice.serving is models.current
    assert "stays in force" in choice.faults[0][1]


def test_nothing_to_start_with(folder: Folder) -> None:
    """Without any valid file, and nothing kept, there is no start; the fault is named."""
    with pytest.raises(ModelError, match="file in this folder"):
        Models(None).choose(folder.path, 1)
    folder.put("a.onnx", "junk", 100)
    with pytest.raises(ModelError, match=r"a\.onnx"):
        Models(None).choose(folder.path, 1)
    with pytest.raises(ModelError, match="no model there"):
        Models(None).choose(folder.path / "none.onnx", 1)


def test_a_file_that_is_touched_is_the_same(folder: Folder) -> None:
    """The same bytes, whatever their time or name, are no other model."""
    folder.put("a.onnx", "1", 100)
    models = Models(None)
    step(models, folder)
    folder.put("b.onnx", "1", 200)
    assert models.choose(folder.path, 1).serving is models.current


def test_more_threads_are_the_same_model_anew(folder: Folder) -> None:
    """Another number of threads opens the file again; it is not the one before."""
    folder.put("a.onnx", "1", 100)
    models = Models(None)
    step(models, folder)
    serving = models.choose(folder.path, 2).serving
    assert serving is not models.current
    models.took(serving)
    assert not models.previous


def test_a_rollback_holds_until_another_file_comes(folder: Folder) -> None:
    """What was there is not taken again; a new file is; two rollbacks undo each other."""
    folder.put("a.onnx", "1", 100)
    models = Models(None)
    step(models, folder)
    with pytest.raises(ModelError, match="no earlier model"):
        models.before(1)
    folder.put("c.onnx", "3", 50)
    folder.put("a.onnx", "2", 200)  # over the first, whose bytes are nowhere else
    assert step(models, folder) == "2"
    assert roll_back(models, folder) == "1"
    assert models.is_held
    assert step(models, folder) == "1"
    assert roll_back(models, folder) == "2"
    assert step(models, folder) == "2"
    assert roll_back(models, folder) == "1"
    folder.put("b.onnx", "shipped", 300)
    shutil.copy(shipped_model(), folder.path / "b.onnx")
    assert step(models, folder) == shipped_version()


def test_a_restart_remembers(folder: Folder, state: State) -> None:
    """The rollback, the model before, and a copy of each; no more than two copies are kept."""
    copies = state.folder / "models"
    folder.put("a.onnx", "1", 100)
    models = Models(state)
    step(models, folder)
    folder.put("a.onnx", "2", 200)
    step(models, folder)
    folder.put("a.onnx", "3", 300)
    step(models, folder)
    assert len([*copies.iterdir()]) == 2
    models = Models(state)
    assert step(models, folder) == "3"
    assert roll_back(models, folder) == "2"
    models = Models(state)
    assert step(models, folder) == "2"
    assert roll_back(models, folder) == "3"
    (folder.path / "a.onnx").unlink()
    models = Models(state)
    assert step(models, folder) == "3"
    assert len([*copies.iterdir()]) == 2


def test_another_path_is_another_wish(folder: Folder, state: State, tmp_path: Path) -> None:
    """A mistyped path does not start with what was in force; a new one forgets a rollback."""
    folder.put("a.onnx", "1", 100)
    models = Models(state)
    step(models, folder)
    folder.put("a.onnx", "2", 200)
    step(models, folder)
    roll_back(models, folder)
    with pytest.raises(ModelError, match="no model there"):
        Models(state).choose(tmp_path / "typo.onnx", 1)
    other = other_model(tmp_path / "other.onnx", "2")
    assert Models(state).choose(other, 1).serving.scorer.meta.version == "2"


def test_a_broken_copy_is_no_rollback(folder: Folder, state: State) -> None:
    """A copy whose bytes changed is refused; the one in force stays."""
    folder.put("a.onnx", "1", 100)
    models = Models(state)
    step(models, folder)
    before = models.current
    assert before is not None
    folder.put("a.onnx", "2", 200)
    step(models, folder)
    (state.folder / "models" / f"{before.digest}.onnx").write_bytes(b"junk")
    models = Models(state)
    step(models, folder)
    with pytest.raises(ModelError):
        models.before(1)


@pytest.mark.parametrize("content", [b"junk", b"[]", b'{"current": 1}', b'{"other": ""}', b"{}"])
def test_a_record_that_is_none(folder: Folder, state: State, content: bytes) -> None:
    """Whatever is kept under the name, the agent starts."""
    state.put(STATE, content)
    folder.put("a.onnx", "1", 100)
    assert step(Models(state), folder) == "1"


def test_pipes_are_refused_not_waited_for(tmp_path: Path) -> None:
    """Else whoever makes one beside the model stops every later change of files."""
    path = tmp_path / "a.onnx"
    os.mkfifo(path)
    assert digest(path) == ""
    with pytest.raises(ModelError, match="not a file"):
        open_scorer(path)
    path.unlink()
    shutil.copy(shipped_model(), path)
    alone = digest(path)
    os.mkfifo(description_path(path))
    assert digest(path) == alone
    assert Serving.open(path, 1).digest == alone
