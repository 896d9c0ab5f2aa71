"""The benchmarks run, tiny, from command line to file. Their times are not looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.feed import ROOT
from benchmarks.harness import Options
from benchmarks.result import Result, read

from benchmarks import zeek_overhead

TINY: dict[str, str] = {
    "whole_path": "--flows 8192 --turns 1",
    "decode": "--rows 256 --turns 1 --seconds 0",
    "stages": "--rows 1024 --flows 8192 --turns 1",
    "idle": "--seconds 0.6 --settle 0",
    "startup": "--turns 1",
    "model": "--turns 1 --packs 4",
}


def ran(name: str, options: str, folder: Path) -> Result:
    """The result of a run in a process of its own."""
    file = folder / f"{name}.json"
    argv = [sys.executable, "-m", f"benchmarks.{name}", *options.split(), "--json", str(file)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{name}: ")
    return read(file)


@pytest.mark.parametrize("name", TINY)
def test_it_runs(name: str, tmp_path: Path) -> None:
    result = ran(name, TINY[name], tmp_path)
    assert result.command == f"python -m benchmarks.{name} {TINY[name]}"
    assert result.report.rows
    assert all(row.measured >= 0 for row in result.report.rows)


def test_a_live_run_scores_all_that_was_sent_and_sees_its_alerts(tmp_path: Path) -> None:
    options = "--rate 6000 --seconds 3 --warm 1 --hostile 0.05 --ring 16384"
    report = ran("latency", options, tmp_path).report
    assert report.info["flows not scored"] == 0
    assert int(report.info["flows sent"]) >= 24_000
    assert int(report.info["alerts opened"]) > 0


def test_without_zeek_its_cost_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZEEK", raising=False)
    monkeypatch.setenv("PATH", "")
    report = zeek_overhead.measure(Options())
    assert "needs a real Zeek" in report.skipped
    assert not report.rows
