"""The worked example of docs/offline.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "offline.md"

DECIMALS = re.compile(r"\d+\.\d+|N(?= flows/s)|[\d,]+(?= flows/s)")


def blocks() -> list[str]:
    """The page's blocks of commands with their output."""
    return re.findall(r"^```console\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def steps() -> list[tuple[str, list[str]]]:
    """Each command with the lines of output shown; what was wrapped is one line again."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks():
        text = block.replace("\\\n", " ")
        for line in text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("    "):
                found[-1][1][-1] += f" {line.strip()}"
            else:
                found[-1][1].append(line)
    return found


def plain(line: str) -> str:
    """Without decimals, which another processor may round otherwise, and the widths they give."""
    return re.sub(r"[\s─━┏┓┗┛┡┩╇┳┻│┃]+", " ", DECIMALS.sub("#", line)).strip()


def test_the_example_gives_what_the_page_shows(tmp_path: Path) -> None:
    """Every line shown is printed: who is recognised, what sets a flow apart, what is found."""
    for name in ("agent", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "build" / "example").mkdir(parents=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shown = steps()
    assert len(shown) == 5
    for command, lines in shown:
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stderr
        printed = {plain(line) for line in (done.stdout + done.stderr).splitlines()}
        missing = [line for line in map(plain, lines) if line and line not in printed]
        assert not missing, command
