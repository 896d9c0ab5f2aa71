"""A model in force, the file it came from, and what tells that another one is meant."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from metatap.bounded import read_bounded
from metatap.detector import Scorer, open_scorer
from metatap.detector.classifier import description_path
from metatap.detector.contract import MAX_FILE_BYTES
from metatap.errors import ModelError
from metatap.yamlfile import MAX_BYTES


@dataclass(frozen=True, slots=True)
class Serving:
    """A model and the file it came from.

    Attributes:
        scorer: The model.
        digest: Of file and description, see `digest`.
        path: The file, which may hold another one by now.
        threads: It was opened with.
        since: When it was opened, ns since the epoch.
    """

    scorer: Scorer
    digest: str
    path: Path
    threads: int
    since: int

    @classmethod
    def open(cls, path: Path, threads: int) -> Serving:
        """Open a model file.

        Raises:
            ModelError: it breaks docs/model.md, or changed while it was read.
        """
        before = digest(path)
        scorer = open_scorer(path, threads=threads)
        if digest(path) != before:
            raise ModelError(f"{path}: changed while it was read")
        return cls(scorer, before, path, threads, time.time_ns())

    @property
    def name(self) -> str:
        """Name and version, for people."""
        return f"{self.scorer.meta.name} {self.scorer.meta.version}"


def digest(path: Path) -> str:
    """SHA-256 of a model file, or of it and the description beside it where there is one.

    "" of a file that can't be read.
    """
    total = hashlib.sha256()
    try:
        total.update(read_bounded(path, MAX_FILE_BYTES))
    except OSError:
        return ""
    with contextlib.suppress(OSError):
        total.update(hashlib.sha256(read_bounded(description_path(path), MAX_BYTES)).digest())
    return total.hexdigest()
