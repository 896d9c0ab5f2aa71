"""`metatap score` and `metatap evaluate`, run as a user runs them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.agent.commands import metatap
from tests.agent.offline.written import LABELS, OFFICE, conn_line, labelled, write_conn

from metatap.cli.meter import Meter, Rounds

FLOWS = Path(os.environ.get("METATAP_FLOWS", Path(__file__).parents[4] / "shared" / "flows"))


def test_score_to_a_file_and_to_stdout(tmp_path: Path) -> None:
    """Both have the same rows, four a flow; the account stands on stderr, without a meter."""
    done = metatap("score", OFFICE, "--out", tmp_path / "x.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    text = (tmp_path / "x.csv").read_text()
    flows = len(LABELS.read_text().splitlines()) - 1
    assert len(text.splitlines()) == 1 + 4 * flows
    assert f"{flows:,} flows, 4 packs, {4 * flows:,} rows" in done.stderr
    assert done.stderr.count("pack ") == 4
    assert "\x1b" not in done.stderr
    assert metatap("score", OFFICE, "--out", "-").stdout == text


def test_score_says_what_was_dropped(tmp_path: Path) -> None:
    """Lines that can't be read are named by reason; all others are there."""
    log = write_conn(tmp_path / "conn.log", [conn_line(at) for at in range(30)])
    log.write_text("{broken\n" + log.read_text())
    done = metatap("score", log, "--out", tmp_path / "x.csv")
    assert done.returncode == 0, done.stderr
    assert f"{log}: 1 flows dropped: not_json" in done.stderr
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 1 + 4 * 30


def test_a_background_moves_thresholds_only_so_far(tmp_path: Path) -> None:
    """With a background of its own the thresholds are others, and its flows are counted."""
    log = write_conn(tmp_path / "conn.log", [conn_line(at) for at in range(500)])
    one = metatap("score", log, "--out", "-")
    other = metatap("score", log, "--background", log, "--out", "-")
    assert other.returncode == 0, other.stderr
    assert "background: 500 flows" in other.stderr
    assert "local background" in other.stderr
    columns = [
        {row["threshold"] for row in csv.DictReader(done.stdout.splitlines())}
        for done in (one, other)
    ]
    assert columns[0] != columns[1]
    assert len(other.stdout.splitlines()) == len(one.stdout.splitlines())


@pytest.mark.parametrize("command", ["score", "evaluate"])
def test_a_live_source_is_refused(command: str, tmp_path: Path) -> None:
    """It has no end: an error that says so, status 1, no file."""
    rest: list[str | Path] = (
        ["--out", tmp_path / "x.csv"] if command == "score" else ["--labels", LABELS]
    )
    done = metatap(command, "zeek+tcp://127.0.0.1:5555", *rest)
    assert done.returncode == 1
    assert "live" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_nothing(tmp_path: Path, number: int, status: int) -> None:
    """Ctrl-C or SIGTERM in the midst of a long log: no part of a file, no traceback."""
    records = [conn_line(at) for at in range(20_000)]
    (tmp_path / "logs").mkdir()
    write_conn(tmp_path / "logs" / "conn.log", records)
    for day in range(20):
        shutil.copyfile(tmp_path / "logs" / "conn.log", tmp_path / "logs" / f"conn.{day}.log")
    words = ["score", str(tmp_path / "logs"), "--out", str(tmp_path / "x.csv")]
    run = subprocess.Popen(
        [sys.executable, "-m", "metatap", *words], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not any(part.stat().st_size for part in tmp_path.glob(".x.csv.*.part")):
        assert time.monotonic() < until
        time.sleep(0.01)
    run.send_signal(number)
    _, error = run.communicate(timeout=60)
    assert run.returncode == status, error
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_evaluate_prints_and_writes(tmp_path: Path) -> None:
    """Tables on stdout, plain and of 140 columns at most, and the same figures as JSON."""
    out = tmp_path / "figures.json"
    done = metatap("evaluate", OFFICE, "--labels", LABELS, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 140
    figures = json.loads(out.read_text())
    for row in figures["families"]:
        assert row["family"] in done.stdout
    assert f"{figures['precision']['value']:.3f}" in done.stdout
    assert "bootstrap over" in done.stdout


def test_evaluate_by_fields_of_a_log(tmp_path: Path) -> None:
    """Labels come from conn.log; without one of the two ways to name them it is a wrong use."""
    log = write_conn(tmp_path / "conn.log", labelled(400))
    done = metatap("evaluate", log, "--label-field", "label")
    assert done.returncode == 0, done.stderr
    assert "worm" in done.stdout
    assert metatap("evaluate", log).returncode == 2
    done = metatap("evaluate", log, "--label-field", "label", "--family-field", "kind")
    assert done.returncode == 0
    assert "--family-field kind: this field is in no record" in done.stderr
    done = metatap("evaluate", log, "--label-field", "nothing")
    assert done.returncode == 1
    assert "--label-field nothing: this field is in no record" in done.stderr
    assert "no flow is labelled" not in done.stderr


def test_evaluate_without_a_known_label_says_what_there_is(tmp_path: Path) -> None:
    """The labels found with their counts, and the option; a wrong word there is a wrong use."""
    records = [conn_line(at, label="Attack" if at < 3 else None) for at in range(10)]
    log = write_conn(tmp_path / "conn.log", records)
    done = metatap("evaluate", log, "--label-field", "label")
    assert done.returncode == 1
    assert "labels found: (none) 7, Attack 3; --malicious" in done.stderr
    for word in (" Benign", ""):
        wrong = metatap("evaluate", log, "--label-field", "label", "--malicious", word)
        assert wrong.returncode == 2


def test_evaluate_says_which_labels_and_flows_do_not_match(tmp_path: Path) -> None:
    """On stderr and in the JSON; no folder for the JSON is an error before anything is read."""
    log = write_conn(tmp_path / "conn.log", [conn_line(0), conn_line(1)])
    labels, out = tmp_path / "labels.csv", tmp_path / "out.json"
    labels.write_text("uid,label,family\nC000000,malicious,scan\nX,malicious,worm\n")
    done = metatap("evaluate", log, log, "--labels", labels, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "1 labels have no flow in the source: worm 1" in done.stderr
    assert "1 labelled uids are on several flows" in done.stderr
    figures = json.loads(out.read_text())
    assert (figures["unmatched"], figures["repeated"], figures["partial"]) == ({"worm": 1}, 1, 0)
    done = metatap("evaluate", "none", "--labels", labels, "--json", tmp_path / "no" / "x.json")
    assert done.returncode == 1
    assert "x.json: not a file in a folder that exists" in done.stderr


class Terminal(io.StringIO):
    """What a person would see."""

    def isatty(self) -> bool:
        return True


def test_a_person_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds have a bar with a share; where no source is read nothing is said of flows."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", seen := Terminal())
    with Rounds("intervals", 4) as rounds:
        for _ in range(4):
            rounds.advance()
    assert "intervals" in seen.getvalue()
    assert "100%" in seen.getvalue()
    with Meter("packs", []):
        pass
    assert "packs" in seen.getvalue()
    assert "flows" not in seen.getvalue()


@pytest.mark.shared
def test_a_shared_source_loses_no_flow(tmp_path: Path) -> None:
    """As many rows as lines of conn times packs, in their order."""
    folder = FLOWS / "corelight-malware-detectors"
    if not folder.is_dir():
        pytest.skip("no shared flows")
    done = metatap("score", folder, "--out", tmp_path / "x.csv")
    assert done.returncode == 0, done.stderr
    with gzip.open(folder / "conn.jsonl.gz", "rt") as file:
        uids = [json.loads(line)["uid"] for line in file]
    with (tmp_path / "x.csv").open(newline="") as scores:
        found = [row["uid"] for row in csv.DictReader(scores)]
    assert found == [uid for uid in uids for _ in range(4)]
