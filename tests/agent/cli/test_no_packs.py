"""What the agent says where no pack is in force."""

from __future__ import annotations

from pathlib import Path

from tests.agent.commands import metatap

RECORDING = Path(__file__).parents[2] / "data" / "lab" / "office.mtrec"


def said(folder: Path) -> str:
    done = metatap("replay", RECORDING, "--packs", folder)
    (line,) = (line for line in done.stderr.splitlines() if "no_packs" in line)
    return line


def test_an_empty_folder_is_no_error(tmp_path: Path) -> None:
    """It is how an agent begins: a warning, with what to do."""
    line = said(tmp_path)
    assert "warning" in line
    assert "`metatap teach` makes a pack" in line


def test_packs_that_are_all_refused_are_one(tmp_path: Path) -> None:
    """Somebody meant something to be detected."""
    (tmp_path / "bad.yaml").write_text("none\n")
    assert "error" in said(tmp_path)
