"""The package as zkg sees it."""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import pytest

from tests.zeek import traffic
from tests.zeek.run import Zeek

_ROOT = Path(__file__).resolve().parents[2]


def _meta() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(_ROOT / "zkg.meta")
    return parser["package"]


def test_metadata_names_what_is_there() -> None:
    """Scripts and test command of `zkg.meta` exist, and the Zeek it asks for has the backend."""
    meta = _meta()
    assert (_ROOT / meta["script_dir"] / "__load__.zeek").is_file()
    assert (_ROOT / meta["test_command"].split()[-1]).is_file()
    assert "zeek >=8.0.0" in meta["depends"]


def test_capture_of_the_packages_test_is_made_here(tmp_path: Path) -> None:
    """The committed file is the one that `traffic.smoke` makes, byte for byte."""
    made = traffic.smoke().write(tmp_path / "smoke.pcap").read_bytes()
    assert (_ROOT / "zeek_scripts/testing/smoke.pcap").read_bytes() == made


@pytest.mark.zeek
def test_packages_own_test_passes(zeek: Zeek) -> None:
    """The test command that zkg runs after staging the package: one Zeek sends to another."""
    done = subprocess.run(
        _meta()["test_command"].split(),
        cwd=_ROOT,
        env={**os.environ, "ZEEK": str(zeek.binary), "ZEEKPATH": zeek.path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == ("ok: 12 connections seen, 12 flows received, 3 with DNS, 2 with HTTP\n")


@pytest.mark.zeek
@pytest.mark.parametrize("mode", [[], ["-b"]], ids=["default", "bare"])
def test_loads_without_a_warning(zeek: Zeek, folder: Path, mode: list[str]) -> None:
    """Zeek has nothing to say of these scripts, even in bare mode and told to look for misuse."""
    with zeek.start(folder, *mode, "-u", "-a", "metatap") as process:
        assert process.wait(30) == 0
    assert "metatap" not in (folder / "stderr.log").read_text().lower()
