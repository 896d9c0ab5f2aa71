"""The console blocks of a page: commands with the output the page shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[1]

LIMIT_S = 120.0
"""Longest time a command may take."""

_LOOK_S = 0.01

Steps = list[tuple[str, list[str]]]
"""Each command with the lines of output shown."""


def steps(page: Path) -> Steps:
    """The steps of a page; what was wrapped is one line again."""
    found: Steps = []
    for block in blocks(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("    "):
                found[-1][1][-1] += f" {line.strip()}"
            else:
                found[-1][1].append(line)
    return found


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def prepare(folder: Path) -> None:
    """Make a folder look like the project's root to the commands."""
    for name in ("agent", "tests"):
        (folder / name).symlink_to(ROOT / name)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with the programs of this environment."""
    return subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=_environment(),
    )


@dataclass(frozen=True, slots=True)
class Done:
    """What a command of a session gave.

    Attributes:
        status: Its exit status.
        output: What it printed, standard error included.
    """

    status: int
    output: str


class Session:
    """One shell for several commands, so that `&`, `$!` and `wait` mean what they say.

    A context manager; whatever still runs at its end is killed.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        """Start the shell.

        Args:
            folder: Where commands run.
            out: An empty folder for their output.
        """
        self._out = out
        self._number = 0
        self._shell = subprocess.Popen(
            ["sh"], stdin=subprocess.PIPE, cwd=folder, env=_environment(), start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()

    def run(self, command: str) -> Done:
        """Run a command to its end.

        Raises:
            TimeoutError: it did not end.
        """
        self._number += 1
        output, status = (self._out / f"{self._number}.{end}" for end in ("out", "status"))
        part = f"{status}.part"
        line = f"{{ {command}\n}} > {output} 2>&1; echo $? > {part}; mv {part} {status}\n"
        if self._shell.stdin is None:
            raise RuntimeError("the shell has no input")
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        deadline = time.monotonic() + LIMIT_S
        while not status.exists():
            if time.monotonic() > deadline or self._shell.poll() is not None:
                raise TimeoutError(f"{command}: did not end: {output.read_text('utf-8')}")
            time.sleep(_LOOK_S)
        return Done(int(status.read_text()), output.read_text("utf-8"))


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"}
