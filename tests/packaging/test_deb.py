"""The Debian package in a machine of its own: `make deb-check` builds both and names them here.

The machine is a Debian in a folder (debootstrap) that systemd-nspawn boots, so the unit, its
hardening and the package's scripts are run by the real service manager.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.runtime.running import RECORDING

HERE = Path(__file__).parent
QUIETLY = ("--quiet", "--register=no", "--keep-unit")
UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh /root/trial.sh
ExecStopPost=/bin/systemctl --no-block poweroff --force
[Install]
WantedBy=default.target
"""


def repacked(package: Path, folder: Path) -> Path:
    """The package as its next revision, with another default configuration."""
    root = folder / "second"
    subprocess.run(["dpkg-deb", "-R", package, root], check=True)
    control = root / "DEBIAN/control"
    text = control.read_text(encoding="utf-8")
    control.write_text(re.sub(r"^(Version: .*)-\d+$", r"\1-2", text, flags=re.MULTILINE))
    with (root / "etc/metatap/metatap.yaml").open("a", encoding="utf-8") as file:
        file.write("# the maintainer's change\n")
    made = folder / "second.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, made],
        check=True,
        capture_output=True,
    )
    shutil.rmtree(root)
    return made


@pytest.fixture(scope="module")
def package() -> Path:
    named = os.environ.get("METATAP_DEB")
    if named is None:
        pytest.skip("no package named by METATAP_DEB: `make deb-check`")
    return Path(named)


@pytest.fixture(scope="module")
def trial(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the trial in a booted machine found."""
    rootfs = os.environ.get("METATAP_ROOTFS")
    if rootfs is None or os.geteuid() or shutil.which("systemd-nspawn") is None:
        pytest.skip("needs root, systemd-nspawn and a Debian named by METATAP_ROOTFS")
    folder = tmp_path_factory.mktemp("deb")
    machine = folder / "machine"
    subprocess.run(["cp", "-a", "--reflink=auto", rootfs, machine], check=True)
    shutil.copy(package, machine / "root/first.deb")
    shutil.move(repacked(package, folder), machine / "root/second.deb")
    shutil.copy(RECORDING, machine / "root/branch.mtrec")
    shutil.copy(HERE / "trial.sh", machine / "root/trial.sh")
    (machine / "etc/systemd/system/trial.service").write_text(UNIT, encoding="utf-8")
    wants = machine / "etc/systemd/system/default.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "trial.service").symlink_to("/etc/systemd/system/trial.service")
    (machine / "etc/machine-id").write_text("", encoding="utf-8")
    try:
        booted = subprocess.run(
            ["systemd-nspawn", *QUIETLY, "--private-network", "--directory", machine, "--boot"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        log = machine / "root/trial.log"
        if not log.exists():
            pytest.skip(f"no machine can be booted here: {booted.stdout[-500:]}")
        yield log.read_text(encoding="utf-8")
    finally:
        shutil.rmtree(machine, ignore_errors=True)


@pytest.mark.slow
def test_the_package_lives_and_leaves(trial: str) -> None:
    """Installed, started, hardened, reloaded, watched, upgraded, refused with a fault, purged."""
    sys.stdout.write(trial)
    lines = trial.splitlines()
    assert [line for line in lines if line.startswith("failed")] == [], trial
    assert lines[-1] == "end", trial
    assert sum(line.startswith("ok ") for line in lines) >= 35, trial


@pytest.mark.slow
def test_the_service_runs_as_hardened_as_its_unit_says(trial: str) -> None:
    """The running process has no capability, a filter on system calls, no way to gain privilege."""
    (seccomp,) = re.findall(r"^seccomp (.*)$", trial, re.MULTILINE)
    assert "CapEff: 0000000000000000" in seccomp
    assert "NoNewPrivs: 1" in seccomp
    assert "Seccomp: 2" in seccomp
    (level,) = re.findall(r"^hardening .*: ([0-9.]+) ", trial, re.MULTILINE)
    assert float(level) <= 2.0
