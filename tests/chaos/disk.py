"""A small disk that is filled and freed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from pathlib import Path
from random import Random
from typing import Self

SIZE = 64 * 2**20
"""Bytes of the disk."""

_CHUNK = bytes(64 * 1024)


class SmallDisk:
    """A tmpfs of its own, for root alone."""

    ways_out = "only root can mount a small disk"

    def __init__(self, folder: Path) -> None:
        """Mount it.

        Raises:
            OSError: that is not allowed here.
        """
        self.folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "metatap-chaos", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise OSError(f"{self.ways_out}: {error}") from None

    def fill(self) -> None:
        """Take all room there is."""
        file = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (len(_CHUNK), 4096):
                with contextlib.suppress(OSError):
                    while os.write(file, _CHUNK[:size]):
                        pass
        finally:
            os.close(file)

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class Flood:
    """Fills the disk and frees it, at random, in a thread; a context manager."""

    def __init__(self, disk: SmallDisk, random: Random) -> None:
        self.faults = 0
        self._disk = disk
        self._random = random
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flood")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._random.uniform(0.5, 4.0)):
            until = self._random.uniform(0.5, 4.0)
            self.faults += 1
            while until > 0 and not self._stop.is_set():
                self._disk.fill()
                self._stop.wait(0.1)
                until -= 0.1
            self._disk.free()
