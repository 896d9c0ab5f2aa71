"""The system's notices of changes in some folders (inotify, by watchdog)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchdog.events import (
    DirDeletedEvent,
    DirModifiedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

EVENTS: list[type[FileSystemEvent]] = [
    DirDeletedEvent,
    DirModifiedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
"""What is asked for: not what reading a file gives, or each look would call for the next."""

_TELLING = (FileClosedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent)

MAX_PATHS = 20_000
"""Paths that are remembered as open or complete, at most."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What the last notice said of a file.

    Attributes:
        is_complete: Its writer closed it or moved it there, and nothing was written since.
    """

    is_complete: bool


class Notices(FileSystemEventHandler):
    """Wakes who looks, and knows of files whether their writer is done.

    Where the system gives no notice nothing happens: a fault is logged once a folder.
    """

    def __init__(self, wake: threading.Event) -> None:
        """Nothing is watched yet.

        Args:
            wake: Set at each notice.
        """
        self._wake = wake
        self._observer: BaseObserver | None = None
        self._watches: dict[Path, tuple[int, ObservedWatch]] = {}
        self._failed: set[Path] = set()
        self._said: dict[str, Said] = {}

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch these folders, as they are now: one that was made anew is watched anew."""
        wanted: dict[Path, int] = {}
        for folder in folders:
            try:
                wanted[folder] = folder.stat().st_ino
            except OSError:
                continue
        for folder in [*self._watches]:
            if self._watches[folder][0] != wanted.get(folder):
                self._drop(folder)
        for folder, inode in wanted.items():
            if folder not in self._watches:
                self._add(folder, inode)

    def said(self) -> dict[str, Said]:
        """What was said of files, by normalised path, as it is now."""
        return dict(self._said)

    def forget(self, said: Mapping[str, Said]) -> None:
        """Forget what was said, where nothing else has been said since."""
        for path, what in said.items():
            if self._said.get(path) is what:
                self._said.pop(path, None)

    def close(self) -> None:
        """End watching; idempotent."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()
        self._watches.clear()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Take a notice; called by the observer's thread."""
        if isinstance(event, _TELLING) and len(self._said) < MAX_PATHS:
            path = event.dest_path if isinstance(event, FileMovedEvent) else event.src_path
            said = Said(not isinstance(event, FileModifiedEvent))
            self._said[os.path.normpath(os.fsdecode(path))] = said
        self._wake.set()

    def _add(self, folder: Path, inode: int) -> None:
        try:
            if self._observer is None:
                self._observer = Observer()
                self._observer.daemon = True
                self._observer.start()
            watch = self._observer.schedule(self, str(folder), event_filter=EVENTS)
        except Exception as error:  # noqa: BLE001 - a sensor that only polls is better than none
            if folder not in self._failed:
                self._failed.add(folder)
                log.warning("watch_polls", folder=str(folder), reason=str(error))
        else:
            self._watches[folder] = inode, watch
            self._failed.discard(folder)

    def _drop(self, folder: Path) -> None:
        _, watch = self._watches.pop(folder)
        if self._observer is not None:
            try:
                self._observer.unschedule(watch)
            except Exception as error:  # noqa: BLE001 - the watch of a folder that is gone
                log.debug("watch_gone", folder=str(folder), reason=str(error))
