"""The README and the pages it links to: what they say can be done."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from metatap.cli import COMMANDS
from metatap.runtime.config import load_config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", README, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def test_make_targets_exist() -> None:
    """Each `make` command of the README is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert named == {"demo", "test"}
    assert named <= targets


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    """The configuration of the README is accepted as it stands."""
    (block,) = blocks("yaml")
    path = tmp_path / "metatap.yaml"
    path.write_text(block, encoding="utf-8")
    config = load_config(path, {}, {})
    assert config.sources[0].url.startswith("zeek+tcp://")
    assert config.sinks


def test_subcommands_exist() -> None:
    """Each `metatap …` command in the README is a subcommand."""
    named = set(re.findall(r"`metatap ([a-z]+)", README))
    assert named >= {"run", "check", "replay", "record"}
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project leads to one."""
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if "://" not in link:
            assert (page.parent / link).exists(), link
