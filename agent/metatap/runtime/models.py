"""Which model file is meant: the newest valid one, or the one a rollback returned to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import structlog

from metatap.detector import shipped_model
from metatap.errors import ModelError
from metatap.runtime.kept_models import SUFFIX, KeptModels
from metatap.runtime.serving import Serving, digest
from metatap.state import State

MAX_MODELS = 64
"""Model files of a folder that are looked at, newest first."""

STATE = "model"
"""Name of what is kept of models over a restart."""

log = structlog.get_logger(__name__)

Fault = tuple[Path, str]
"""A file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What came of a look for a model.

    Attributes:
        serving: The model that is meant; the one in force where nothing better is there.
        faults: What is wrong with other files.
    """

    serving: Serving
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Record:
    """What is kept of models over a restart, all by digest.

    Attributes:
        current: The model in force.
        previous: The one before, "" if none is known.
        held: Files that a rollback turned away; they are not taken again.
        configured: The path that was configured; with another one `held` does not count.
    """

    current: str = ""
    previous: str = ""
    held: list[str] = field(default_factory=list)
    configured: str = ""


class Models:
    """Chooses the model, remembers the one before, and returns to it; for one thread at a time.

    Attributes:
        current: The model in force, None before the start.
    """

    def __init__(self, state: State | None) -> None:
        """Know what was in force before a restart.

        Args:
            state: Where it is kept; None: a rollback works until the next restart only.
        """
        self.current: Serving | None = None
        self._previous: Serving | None = None
        self._state = state
        self._kept = None if state is None else KeptModels(state.folder / "models")
        self._record = _read(state)

    @property
    def previous(self) -> str:
        """Digest of the model a rollback returns to, "" if there is none."""
        return self._record.previous

    @property
    def is_held(self) -> bool:
        """Whether a rollback turned files away that are still there."""
        return bool(self._record.held)

    def choose(self, configured: Path | None, threads: int) -> Choice:
        """The model that is meant now.

        It is the newest valid file that was not turned away. The one in force stays if there is
        none, or if it was deleted or overwritten while a newer file is faulty. At a start the copy
        of what was in force takes its place, if the same path is configured.

        Args:
            configured: A model file, a folder of them, or None for the shipped one.
            threads: Of ONNX Runtime.

        Raises:
            ModelError: there is none, and none in force.
        """
        self._at(configured)
        there = _candidates(configured)
        faults: list[Fault] = []
        found = self._newest(there, threads, faults)
        in_force = self._record.current
        is_gone = in_force not in {name for _, name in there}
        if found is not None and not (faults and is_gone and in_force):
            return Choice(found, tuple(faults))
        stays = self.current or self._from_kept(in_force, threads)
        if stays is None:
            if found is None:
                raise ModelError(_reasons(faults, configured))
            return Choice(found, tuple(faults))
        if not faults and not self.is_held:
            where = configured or shipped_model()
            faults.append((where, f"{where}: no model there, {stays.name} stays in force"))
        return Choice(stays, tuple(faults))

    def took(self, serving: Serving) -> None:
        """Note that a model is in force; the one it replaces becomes the one before."""
        record = self._record
        if record.current != serving.digest:
            record.previous, self._previous = record.current, self.current
        record.current = serving.digest
        self.current = serving
        if self._kept is not None:
            self._kept.keep(serving.digest, serving.path)
        self._write()

    def before(self, threads: int) -> Serving:
        """The model to roll back to.

        Raises:
            ModelError: there is none, or its copy is broken.
        """
        if self._previous is not None:
            return self._previous
        found = self._from_kept(self._record.previous, threads)
        if found is None:
            raise ModelError("no earlier model is known")
        return found

    def rolled_back(self, serving: Serving, configured: Path | None) -> None:
        """Note a rollback: the files that are there now are not taken, later ones are."""
        there = [name for _, name in _candidates(configured)]
        turned_away = dict.fromkeys([self._record.current, *there])
        turned_away.pop(serving.digest, None)
        self._record.held = [*turned_away]
        self.took(serving)

    def _at(self, configured: Path | None) -> None:
        """Another path is another wish: what was turned away at the old one counts no more."""
        where = str(configured or "")
        if self._record.configured != where:
            self._record.configured, self._record.held = where, []
            if self.current is None:
                self._record.previous = self._record.current or self._record.previous
                self._record.current = ""

    def _newest(
        self, there: Sequence[tuple[Path, str]], threads: int, faults: list[Fault]
    ) -> Serving | None:
        """The newest valid file that is not held back; what is wrong with newer ones."""
        current = self.current
        for path, name in there:
            if name in self._record.held:
                continue
            if current is not None and name == current.digest and current.threads == threads:
                return current
            try:
                return Serving.open(path, threads)
            except ModelError as error:
                faults.append((path, str(error)))
        return None

    def _from_kept(self, name: str, threads: int) -> Serving | None:
        path = self._kept.path(name) if self._kept is not None else None
        if path is None:
            return None
        found = Serving.open(path, threads)
        if found.digest != name:
            raise ModelError(f"{path}: not the model that was kept")
        return found

    def _write(self) -> None:
        record = self._record
        if self._state is not None:
            values = {item.name: getattr(record, item.name) for item in fields(Record)}
            self._state.put(STATE, json.dumps(values).encode())
        if self._kept is not None:
            self._kept.leave({record.current, record.previous})


def _candidates(configured: Path | None) -> list[tuple[Path, str]]:
    """The files that may be meant, newest first by time then name, with their digests."""
    if configured is None:
        paths = [shipped_model()]
    elif configured.is_dir():
        paths = _newest_first(configured)
    else:
        paths = [configured] if configured.exists() else []
    return [(path, digest(path)) for path in paths]


def _newest_first(folder: Path) -> list[Path]:
    try:
        found = [
            (path.stat().st_mtime_ns, path.name, path)
            for path in folder.glob("*" + SUFFIX)
            if not path.name.startswith((".", "#")) and path.is_file()
        ]
    except OSError as error:
        raise ModelError(f"{folder}: can't be read: {error.strerror}") from None
    return [path for _, _, path in sorted(found, reverse=True)[:MAX_MODELS]]


def _read(state: State | None) -> Record:
    """The record, an empty one where there is none or it is no record."""
    content = None if state is None else state.get(STATE)
    if not content:
        return Record()
    try:
        values = json.loads(content)
        record = Record(**values)
    except (ValueError, TypeError) as error:
        log.warning("model_record_dropped", reason=str(error))
        return Record()
    texts = [record.current, record.previous, record.configured, *record.held]
    return record if all(isinstance(text, str) for text in texts) else Record()


def _reasons(faults: Sequence[Fault], configured: Path | None) -> str:
    if faults:
        return "; ".join(reason for _, reason in faults)
    is_folder = configured is not None and configured.is_dir()
    return f"{configured}: no {'*.onnx file in this folder' if is_folder else 'model there'}"
