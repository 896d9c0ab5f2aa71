"""docs/install.md: what it tells a reader to do can be done."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from metatap.cli import COMMANDS
from metatap.runtime.config import load_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def blocks(language: str) -> str:
    """The page's code of a language."""
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def test_its_configuration_is_that_of_the_packages(tmp_path: Path) -> None:
    """It is accepted as it stands, and Debian's and the container's hear Zeek at the same place."""
    path = tmp_path / "metatap.yaml"
    path.write_text(blocks("yaml"), encoding="utf-8")
    config = load_config(path)
    for other in ("packaging/deb/metatap.yaml", "packaging/container.yaml"):
        own = load_config(ROOT / other)
        assert own.sources == config.sources
        assert own.state == config.state
    debian = yaml.safe_load((ROOT / "packaging/deb/metatap.yaml").read_text(encoding="utf-8"))
    assert debian.items() >= yaml.safe_load(blocks("yaml")).items()


def test_what_it_names_is_there() -> None:
    """Files of the tree, targets of make and commands of metatap."""
    shell = blocks("sh")
    named = set(re.findall(r"\b(?:packaging|zeek_scripts)/[\w./-]+", PAGE))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([\w-]+)", shell)) <= targets
    commands = set(re.findall(r"\bmetatap (check|run|[a-z]+) --config", shell))
    assert {"check", "run", "alerts", "status"} <= commands <= set(COMMANDS)
