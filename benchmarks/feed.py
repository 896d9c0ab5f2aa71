"""A sender process as its benchmark sees it."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import machine

ROOT = Path(__file__).resolve().parents[1]
"""Where `benchmarks` is a package."""


class Feed:
    """Commands for a sender; see `benchmarks.sender` for what they do and answer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ring = 0

    def ready(self) -> int:
        """Wait until a subscriber is there; flows of the ring."""
        self.ring = int(self.answer()["ready"])
        return self.ring

    def answers(self, seconds: float) -> bool:
        """Whether the first answer is there, or the end, within so many seconds."""
        if self._process.stdout is None:
            raise RuntimeError("a sender without standard output")
        return bool(select.select([self._process.stdout], [], [], seconds)[0])

    def tell(self, do: str, **values: Any) -> None:
        """Give a command."""
        if self._process.stdin is None:
            raise RuntimeError("a sender without standard input")
        self._process.stdin.write(json.dumps({"do": do, **values}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer.

        Raises:
            RuntimeError: the sender ended.
        """
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"the sender ended with status {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Give a command and wait for its answer."""
        self.tell(do, **values)
        return self.answer()


@contextmanager
def feed(address: str, core: int, **options: Any) -> Iterator[Feed]:
    """A sender process, ended at the end.

    Args:
        address: ZeroMQ address of the agent.
        core: Which of the cores it keeps to, see `machine.core`.
        **options: Those of `benchmarks.sender`; a flag is set by True.
    """
    argv = [sys.executable, "-m", "benchmarks.sender", "--address", address, "--core"]
    argv.append(str(machine.core(core)))
    for name, value in options.items():
        if value is True:
            argv.append(f"--{name}")
        elif value is not False:
            argv += [f"--{name}", str(value)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield Feed(process)
        finally:
            process.kill()
