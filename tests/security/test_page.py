"""SECURITY.md: what it refers to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metatap.runtime.options import BY_NAME

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_file_exists() -> None:
    """Tests, modules and the service it names; there are many."""
    named = set(re.findall(r"(?:agent|tests|packaging)/[\w./-]*\w", TEXT))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("kind", sorted(set(re.findall(r"`python -m tests\.fuzz (\w+)`", TEXT))))
def test_every_kind_of_fuzzing_exists(kind: str) -> None:
    """As a module with that name."""
    assert (ROOT / "tests" / "fuzz" / f"{kind}.py").is_file()


def test_every_option_exists() -> None:
    """Those with a dot in their name."""
    sections = {name.partition(".")[0] for name in BY_NAME if "." in name}
    named = set(re.findall(r"`([a-z_]+\.[a-z_]+)[`:]", TEXT))
    mentioned = {name for name in named if name.partition(".")[0] in sections}
    assert len(mentioned) >= 5
    assert mentioned <= set(BY_NAME)


def test_no_code_comes_from_data() -> None:
    """The agent's code has none of the ways Python offers."""
    ways = re.compile(
        r"\bpickle\b|(?<![\w.])eval\(|(?<![\w.])exec\(|yaml\.(unsafe_)?load\(|allow_pickle=True"
        r"|register_custom_ops_library|shell=True|os\.system\("
    )
    for path in (ROOT / "agent" / "metatap").rglob("*.py"):
        assert not ways.search(path.read_text(encoding="utf-8")), path
