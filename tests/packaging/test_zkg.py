"""The Zeek package, installed by the real zkg from a copy of the working tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "packaging" / "zkg-check.sh"


@pytest.mark.zeek
@pytest.mark.slow
def test_zkg_installs_tests_loads_and_removes_it() -> None:
    """zkg runs the package's own test, Zeek loads it by its name, its removal leaves nothing."""
    zkg = os.environ.get("ZKG") or shutil.which("zkg")
    zeek = os.environ.get("ZEEK") or shutil.which("zeek")
    if zkg is None or zeek is None:
        pytest.skip("needs zkg (ZKG or the PATH) and Zeek (ZEEK or the PATH): `make zkg-check`")
    if not Path(zeek).with_name("zeek-config").exists():
        pytest.skip("needs zeek-config beside Zeek")
    done = subprocess.run(
        ["bash", SCRIPT],
        env=os.environ | {"ZKG": zkg, "ZEEK": zeek},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("ok: installed, tested, loaded, removed")
