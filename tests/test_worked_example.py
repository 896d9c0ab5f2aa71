"""The worked example of docs/offline.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.console import ROOT, prepare, run, steps

PAGE = ROOT / "docs" / "offline.md"

DECIMALS = re.compile(r"\d+\.\d+|N(?= flows/s)|[\d,]+(?= flows/s)")


def plain(line: str) -> str:
    """Without decimals, which another processor may round otherwise, and the widths they give."""
    return re.sub(r"[\s─━┏┓┗┛┡┩╇┳┻│┃]+", " ", DECIMALS.sub("#", line)).strip()


def test_the_example_gives_what_the_page_shows(tmp_path: Path) -> None:
    """Every line shown is printed: who is recognised, what sets a flow apart, what is found."""
    prepare(tmp_path)
    (tmp_path / "build" / "example").mkdir(parents=True)
    shown = steps(PAGE)
    assert len(shown) == 5
    for command, lines in shown:
        done = run(command, tmp_path)
        assert done.returncode == 0, done.stderr
        printed = {plain(line) for line in (done.stdout + done.stderr).splitlines()}
        missing = [line for line in map(plain, lines) if line and line not in printed]
        assert not missing, command
