"""The console blocks of a page: commands with the output the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

Steps = list[tuple[str, list[str]]]
"""Each command with the lines of output shown."""


def steps(page: Path) -> Steps:
    """The steps of a page; what was wrapped is one line again."""
    found: Steps = []
    blocks = re.findall(
        r"^```console\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("    "):
                found[-1][1][-1] += f" {line.strip()}"
            else:
                found[-1][1].append(line)
    return found


def prepare(folder: Path) -> None:
    """Make a folder look like the project's root to the commands."""
    for name in ("agent", "tests"):
        (folder / name).symlink_to(ROOT / name)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with the programs of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"},
    )
