"""The unit of the service: how exposed it is, and what it names."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "packaging" / "systemd"
UNIT = SYSTEMD / "metatap.service"
LIMIT = 2.0


def settings(path: Path) -> dict[str, str]:
    """Name → value of what a unit sets; of a repeated one the last."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w+=", line))


def exposure(unit: Path) -> float:
    """What systemd-analyze gives, 0 (safe) to 10."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    if found is None:
        pytest.skip(f"systemd-analyze can't judge a file: {done.stderr.strip()}")
    return float(found[1])


def test_the_service_is_little_exposed() -> None:
    """At most 2.0 of 10 by systemd's own measure."""
    assert exposure(UNIT) <= LIMIT


def test_the_service_with_compiled_loops_is_little_exposed(tmp_path: Path) -> None:
    """So it is where numba may make code executable."""
    unit = tmp_path / UNIT.name
    text, part = UNIT.read_text(encoding="utf-8"), (SYSTEMD / "compiled.conf").read_text()
    unit.write_text(text + part, encoding="utf-8")
    assert settings(unit)["MemoryDenyWriteExecute"] == "no"
    assert exposure(unit) <= LIMIT


def test_it_is_checked_told_and_watched() -> None:
    """The configuration is checked before the start, HUP reloads, the watchdog waits for life."""
    unit = settings(UNIT)
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) >= 10
    assert unit["ExecStartPre"].split()[1:] == ["check"]
    assert unit["ExecStart"].split()[1:] == ["run"]
    assert "-HUP" in unit["ExecReload"]
    assert unit["Restart"] == "on-failure"


def test_user_and_folders_are_those_of_the_service() -> None:
    """sysusers.d makes the service's user, tmpfiles.d its folders with the same modes."""
    unit = settings(UNIT)
    users = (SYSTEMD / "metatap.sysusers").read_text(encoding="utf-8")
    assert [line.split()[1] for line in users.splitlines() if line.startswith("u")] == [
        unit["User"]
    ]
    modes = {
        f"{root}/{unit[f'{kind}Directory']}": unit[f"{kind}DirectoryMode"]
        for kind, root in {
            "State": "/var/lib",
            "Cache": "/var/cache",
            "Logs": "/var/log",
            "Runtime": "/run",
        }.items()
    }
    lines = (SYSTEMD / "metatap.tmpfiles").read_text(encoding="utf-8").splitlines()
    made = {line.split()[1]: line.split()[2] for line in lines if line.startswith("d")}
    assert made == modes


@pytest.mark.parametrize("name", ["metatap.sysusers", "metatap.tmpfiles"])
def test_systemd_reads_its_files(name: str, tmp_path: Path) -> None:
    """systemd-sysusers and systemd-tmpfiles make what they say, in a root of their own."""
    tools = {"metatap.sysusers": "systemd-sysusers", "metatap.tmpfiles": "systemd-tmpfiles"}
    tool = shutil.which(tools[name])
    if tool is None:
        pytest.skip(f"needs {tools[name]}")
    (tmp_path / "etc").mkdir()
    folder = tmp_path / "usr/lib" / f"{tools[name].removeprefix('systemd-')}.d"
    folder.mkdir(parents=True)
    shutil.copy(SYSTEMD / "metatap.sysusers", folder / "user.conf")
    words = [tool, f"--root={tmp_path}"]
    if name == "metatap.sysusers":
        subprocess.run(words, check=True, capture_output=True)
        assert "metatap:" in (tmp_path / "etc/passwd").read_text(encoding="utf-8")
        return
    shutil.copy(SYSTEMD / name, folder / "metatap.conf")
    done = subprocess.run([*words, "--create", "--dry-run"], capture_output=True, check=False)
    if b"unrecognized option" not in done.stderr:
        assert done.returncode == 0, done.stderr
