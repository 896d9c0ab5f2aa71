"""Watching files: what changed under the configured paths, once it is written.

In: paths of some kinds (model, packs, lists). Out: the kinds whose files changed. The system's
notices (inotify) only say when to look; what changed is told by looking, so that file systems
without notices differ in speed alone.
"""

from metatap.watch.listing import Target
from metatap.watch.watcher import SETTLE, Watcher

__all__ = ["SETTLE", "Target", "Watcher"]
