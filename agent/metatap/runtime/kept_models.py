"""Copies of model files, so that a rollback does not depend on files that may be overwritten."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import structlog

from metatap.bounded import read_bounded
from metatap.detector.classifier import description_path
from metatap.detector.contract import MAX_FILE_BYTES
from metatap.runtime.serving import digest
from metatap.writing import write_whole

SUFFIX = ".onnx"

log = structlog.get_logger(__name__)


class KeptModels:
    """A folder of model files named by their digest."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made with the first copy.

        Args:
            folder: Of this agent alone.
        """
        self._folder = folder

    def path(self, name: str) -> Path | None:
        """The copy of the model with this digest, None if there is none."""
        path = self._folder / f"{name}{SUFFIX}"
        return path if name.isalnum() and path.is_file() else None

    def keep(self, name: str, source: Path) -> None:
        """Copy the model with this digest; a fault is logged, and there is no copy.

        Args:
            name: Its digest.
            source: A file that held it a moment ago.
        """
        if self.path(name) is not None:
            return
        copy = self._folder / f"{name}{SUFFIX}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if description_path(source).is_file():
                described = read_bounded(description_path(source), MAX_FILE_BYTES)
                write_whole(description_path(copy), described)
            write_whole(copy, read_bounded(source, MAX_FILE_BYTES))
        except OSError as error:
            log.error("model_not_kept", model=name[:12], reason=str(error))  # noqa: TRY400
            return
        if digest(copy) != name:
            log.warning("model_not_kept", model=name[:12], reason=f"{source} changed meanwhile")
            copy.unlink(missing_ok=True)

    def leave(self, names: Collection[str]) -> None:
        """Remove all copies but these."""
        try:
            for path in self._folder.iterdir():
                if path.stem not in names:
                    path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("model_not_removed", reason=str(error))
