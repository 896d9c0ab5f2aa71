"""The image's recipe: what is in it, as whom it runs; hadolint where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metatap.cli import COMMANDS
from metatap.runtime.config import load_config

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
RECIPE = PACKAGING / "Containerfile"


def steps() -> list[tuple[str, str]]:
    """Instructions of the recipe and what they say, continued lines joined."""
    text = re.sub(r"^#.*\n", "", RECIPE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def final() -> list[tuple[str, str]]:
    """Those of the last stage."""
    found = steps()
    return found[max(at for at, (name, _) in enumerate(found) if name == "FROM") :]


def test_hadolint_finds_nothing() -> None:
    """The linter of container recipes is content."""
    beside = Path(sys.executable).with_name("hadolint")
    tool = str(beside) if beside.exists() else shutil.which("hadolint")
    if tool is None:
        pytest.skip("needs hadolint")
    done = subprocess.run([tool, RECIPE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_does_not_run_as_root() -> None:
    """The user is a number other than 0, so that Kubernetes can tell, and set before the start."""
    names = [name for name, _ in final()]
    (user,) = (value for name, value in final() if name == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_the_last_stage_builds_nothing() -> None:
    """No pip, compiler or package manager is run there; only what was built is copied."""
    assert sum(name == "FROM" for name, _ in steps()) == 2
    for name, value in final():
        if name == "RUN":
            assert not re.search(r"\b(pip|apt|apt-get|gcc|curl|wget)\b", value)
        if name == "COPY":
            assert value.startswith(("--from=build ", "packaging/"))


def test_what_it_writes_is_in_the_volume() -> None:
    """The root file system may be read-only: whatever is written to is in the volume."""
    (volume,) = (value for name, value in final() if name == "VOLUME")
    (env,) = (value for name, value in final() if name == "ENV")
    place = volume.strip('[]"')
    values = dict(word.split("=", 1) for word in env.split())
    assert values["TMPDIR"].startswith(place)
    assert values["NUMBA_CACHE_DIR"].startswith(place)
    config = load_config(PACKAGING / "container.yaml")
    assert config.state == Path(place)
    assert [sink.values["path"].parent for sink in config.sinks] == [Path(place)]


def test_what_is_copied_is_there() -> None:
    """Each file the recipe copies is in the tree, and not kept out by the ignore file."""
    ignored = (PACKAGING / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for name, value in steps():
        if name == "COPY" and not value.startswith("--from"):
            for source in value.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored


def test_it_starts_the_sensor() -> None:
    """Entry point, command and health check are commands of metatap."""
    said = {name: value for name, value in final() if name in {"ENTRYPOINT", "CMD", "HEALTHCHECK"}}
    assert said["ENTRYPOINT"] == '["metatap"]'
    assert said["CMD"].strip('[]"') in COMMANDS
    (asked,) = re.findall(r'CMD \["metatap", "(\w+)"\]', said["HEALTHCHECK"])
    assert asked in COMMANDS
