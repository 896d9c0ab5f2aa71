"""`metatap` called in this process: what a start of Python costs is paid once.

For what a command reads, writes, prints and ends with. Where the process itself is tested, its
signals or what goes to its standard output in bytes, start one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest.mock import patch

import structlog

from metatap.cli import main


@dataclass(frozen=True, slots=True)
class Done:
    """What a command gave.

    Attributes:
        returncode: Its exit status.
        stdout: What it printed.
        stderr: What it printed to standard error.
    """

    returncode: int
    stdout: str
    stderr: str


def metatap(*words: str | Path, cwd: Path | None = None, text: str = "", **env: str) -> Done:
    """Call the entry point as `python -m metatap` does.

    Args:
        words: What stands behind `metatap` on the command line.
        cwd: Folder it runs in.
        text: What it reads from standard input.
        env: Variables of the environment beside those there are.
    """
    out, err = _text(), _text()
    argv = ["metatap", *map(str, words)]
    status = 0
    with (
        chdir(cwd) if cwd is not None else nullcontext(),
        patch.object(sys, "argv", argv),
        patch.object(sys, "stdin", TextIOWrapper(BytesIO(text.encode()), "utf-8")),
        patch.dict(os.environ, env),
        redirect_stdout(out),
        redirect_stderr(err),
        _same_logs(),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(status, _read(out), _read(err))


def _text() -> TextIOWrapper:
    return TextIOWrapper(BytesIO(), "utf-8", newline="\n")


def _read(stream: TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@contextmanager
def _same_logs() -> Iterator[None]:
    """Leave the set-up of logs as it was."""
    was_configured, before = structlog.is_configured(), structlog.get_config()
    try:
        yield
    finally:
        if was_configured:
            structlog.configure(**before)
        else:
            structlog.reset_defaults()
