"""The thread that looks: which kinds of files changed, and whether they are written."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from metatap.watch.listing import Listing, Target
from metatap.watch.notices import Notices, Said

GATHER = 0.02
"""Seconds after a notice before a look: the further notices of one change come in one go."""

SETTLE = 0.5
"""Seconds without a change after which a file is taken as written though nobody said so, and a
file that vanished as deleted: editors write by moving away and making anew."""

BUSY = 0.05
"""Of the time, at most this share goes into looking."""

OnChange = Callable[[frozenset[str]], None]
"""Told the kinds that changed; called by the watcher's thread."""


class Watcher:
    """Tells of changes under some paths.

    A file counts as changed once its writer closed it or moved it there, or once it is still for
    `SETTLE`; until then it is `unsettled`.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        on_change: OnChange,
        *,
        poll: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See what is there now; only what changes later is told.

        Args:
            targets: What to watch.
            on_change: Told the kinds that changed.
            poll: Seconds between looks where no notice comes.
            clock: Seconds, never set.
        """
        self._on_change = on_change
        self._poll = poll
        self._clock = clock
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._notices = Notices(self._wake)
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._targets = tuple(targets)
        self._kinds: dict[Path, str] = {}
        self._seen: Listing = self._all()
        self._told: Listing = dict(self._seen)
        self._moved: dict[Path, float] = {}
        self._doubtful: set[Path] = set()

    def start(self) -> None:
        """Begin to watch."""
        self._notices.watch(target.folder for target in self._targets)
        self._thread.start()
        self._wake.set()

    def follow(self, targets: Sequence[Target], poll: float) -> None:
        """Watch other paths from now on; what lies there now is not told."""
        with self._lock:
            self._poll = poll
            if self._targets == tuple(targets):
                return
            self._targets = tuple(targets)
            self._seen = self._all()
            self._told = dict(self._seen)
            self._moved.clear()
            self._doubtful.clear()
        self._wake.set()

    def unfinished(self) -> frozenset[Path]:
        """Files that are being written: what is in them is not what they will hold."""
        with self._lock:
            paths = self._seen.keys()
            return frozenset(p for p in paths if self._seen[p] != self._told.get(p))

    def unsettled(self) -> frozenset[Path]:
        """Files that changed less than `SETTLE` ago: a fault in one may be half a file."""
        with self._lock:
            now = self._clock()
            return frozenset(path for path, at in self._moved.items() if now - at < SETTLE)

    def again(self, paths: Iterable[Path]) -> None:
        """Tell of these files once more when they are settled, changed or not."""
        with self._lock:
            self._doubtful.update(paths)
        self._wake.set()

    def close(self) -> None:
        """End the thread; idempotent."""
        self._closed = True
        self._wake.set()
        self._notices.close()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> frozenset[str]:
        """Look once; the kinds with files that changed and are complete."""
        with self._lock:
            now = self._clock()
            said = self._notices.said()
            listing = self._all()
            for path in listing.keys() | self._seen.keys():
                if listing.get(path) != self._seen.get(path):
                    self._moved[path] = now
            self._seen = listing
            changed = {
                path
                for path in listing.keys() | self._told.keys()
                if listing.get(path) != self._told.get(path)
            }
            ready = {path for path in changed if self._is_ready(path, said, now)}
            self._tell(ready)
            waiting = {os.path.normpath(path) for path in changed - ready}
            self._notices.forget({name: what for name, what in said.items() if name not in waiting})
            still = {path for path in self._doubtful if self._left(path, now) <= 0}
            self._doubtful -= still
            self._moved = {path: at for path, at in self._moved.items() if now - at < SETTLE}
            kinds = frozenset(self._kinds[path] for path in ready | still if path in self._kinds)
            known = self._told.keys() | listing.keys()
            self._kinds = {path: kind for path, kind in self._kinds.items() if path in known}
            return kinds

    def _tell(self, ready: Iterable[Path]) -> None:
        """Note that the kinds of these files are told."""
        for path in ready:
            if path in self._seen:
                self._told[path] = self._seen[path]
            else:
                self._told.pop(path, None)

    def _all(self) -> Listing:
        """What lies under all targets."""
        found: Listing = {}
        for target in self._targets:
            here = target.look()
            found.update(here)
            self._kinds.update(dict.fromkeys(here, target.kind))
        return found

    def _is_ready(self, path: Path, said: Mapping[str, Said], now: float) -> bool:
        what, signature = said.get(os.path.normpath(path)), self._seen.get(path)
        has_content = signature is not None and signature.size > 0
        is_complete = has_content and what is not None and what.is_complete
        return is_complete or self._left(path, now) <= 0

    def _left(self, path: Path, now: float) -> float:
        """Seconds until a file is still for `SETTLE`."""
        return self._moved.get(path, -SETTLE) + SETTLE - now

    def _run(self) -> None:
        pause = self._poll
        while not self._closed:
            if self._wake.wait(pause):
                time.sleep(GATHER)
                self._wake.clear()
            if self._closed:
                return
            begin = self._clock()
            changed = self.look()
            self._notices.watch(target.folder for target in self._targets)
            if changed:
                self._on_change(changed)
            now = self._clock()
            least = (now - begin) / BUSY
            with self._lock:
                waits = [self._left(path, now) for path in [*self._moved, *self._doubtful]]
                pause = max(min([self._poll, *waits]), least, GATHER)
