"""`make sbom` and `make audit`: what the agent is made of, in an environment of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]
SBOM = ROOT / "dist" / "metatap.cdx.json"

pytestmark = [pytest.mark.slow, pytest.mark.untraced]


def make(target: str) -> subprocess.CompletedProcess[str]:
    """Run a target with the environment these tests run in, which is taken as it is."""
    words = ["make", "--silent", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.dev", target]
    environment = {name: each for name, each in os.environ.items() if not name.startswith("MAKE")}
    lock = ROOT / "build" / ".supply-chain"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as handle:  # both targets make the same environment first
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, check=False, env=environment
        )
    if "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached, and build/agent is not made yet")
    return done


def normal(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_sbom_is_valid_and_names_every_dependency() -> None:
    """By the schema of its version; with versions and package URLs, no path of this machine."""
    done = make("sbom")
    assert done.returncode == 0, done.stdout + done.stderr
    text = SBOM.read_text(encoding="utf-8")
    document = json.loads(text)
    version = SchemaVersion.from_version(document["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None
    assert document["metadata"]["component"]["name"] == "metatap"
    found = {normal(each["name"]): each for each in document["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(each for group in extras.values() for each in group)]
    names = {normal(match[0]) for each in wanted if (match := re.match(r"[\w.-]+", each))}
    assert names <= set(found)
    assert all(each["version"] and each["purl"] for each in found.values())
    assert not {"torch", "pytest", "pip", "setuptools"} & set(found)
    assert str(ROOT) not in text


def test_an_audit_that_can_not_ask_fails() -> None:
    """Without an answer there is no telling, so the status is never that of a clean result."""
    done = make("audit")
    said = done.stdout + done.stderr
    if done.returncode == 0:
        assert "No known vulnerabilities found" in said
        assert "could not be audited" not in said
    else:
        assert re.search(r"could not be audited|Found \d+ known|[Cc]onnection|resolve", said), said
