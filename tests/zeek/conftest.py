"""Finds Zeek, or says why there is nothing to test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.zeek.run import Zeek

_SCRIPTS = Path(__file__).resolve().parents[2] / "zeek_scripts"


@pytest.fixture(scope="session")
def zeek() -> Zeek:
    """A real Zeek with this repository's scripts on its path."""
    named = os.environ.get("ZEEK") or shutil.which("zeek")
    if named is None:
        pytest.skip("needs a real Zeek 8.0 or newer on the PATH or named by ZEEK")
    binary = Path(named).resolve()
    config = binary.parent / "zeek-config"
    done = subprocess.run([config, "--zeekpath"], capture_output=True, text=True, check=True)
    return Zeek(binary, f"{_SCRIPTS}:{done.stdout.strip()}")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder whose path is short enough for a unix-domain socket."""
    path = tmp_path_factory.mktemp("z")
    if len(str(path)) > 80:
        pytest.skip(f"no room for a socket's name behind {path}")
    yield path
    shutil.rmtree(path, ignore_errors=True)
