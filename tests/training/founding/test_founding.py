"""`metatap-train founding`, and what it exports run by `metatap score`."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from metatap_training.cli import cli
from metatap_training.datasets import Source, Terms
from metatap_training.datasets.sources import ENVIRONMENT
from metatap_training.founding.families import FAMILIES
from metatap_training.founding.run import usable
from tests.agent.commands import metatap
from tests.training.founding.made_up import write_folder

FLOWS = Path(os.environ.get(ENVIRONMENT, Path(__file__).parents[4] / "shared" / "flows"))


def founding(*words: str | Path) -> str:
    done = CliRunner().invoke(cli, ["founding", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_from_logs_to_rows(tmp_path: Path) -> None:
    """A quick run writes the report and both files; `metatap score` gives every flow a class."""
    flows = write_folder(tmp_path / "flows")
    report = tmp_path / "report.json"
    output = founding("--flows", flows, "--quick", "--out", tmp_path, "--json", report)
    found = json.loads(report.read_text())
    assert [entry["model"] for entry in found["founding"]] == ["CNN", "RNN"]
    for entry in found["founding"]:
        assert entry["classes"] == list(FAMILIES)
        assert sum(map(sum, entry["confusion"])) == entry["test_sequences"]
        right = sum(entry["confusion"][at][at] for at in range(len(FAMILIES)))
        assert entry["accuracy"] == pytest.approx(right / entry["test_sequences"])
        assert len(entry["precision"]) == len(entry["recall"]) == len(FAMILIES)
        assert entry["split"]["mirai-ddos"] == "time"
        assert entry["split"]["symbiote"] == "capture"
        assert f"{entry['model']}: accuracy" in output
    assert found["seeds"] == [0]
    assert found["data"] == ["made-up"]
    log = flows / "made-up" / "conn.jsonl"
    for name in ("cnn", "rnn"):
        out = tmp_path / f"{name}.csv"
        done = metatap("score", log, "--model", tmp_path / f"{name}.onnx", "--out", out)
        assert done.returncode == 0, done.stderr
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        uids = [json.loads(line)["uid"] for line in log.read_text().splitlines()]
        assert [row["uid"] for row in rows] == uids
        assert {row["class"] for row in rows} <= set(FAMILIES)


def test_a_source_that_may_not_train_is_not_read() -> None:
    """Its terms forbid what is exported."""
    terms = [Source(term.value, "", term, "") for term in Terms]
    assert [source.name for source in usable(terms)] == ["yes", "weights"]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """A folder without the families, no seed, no folder for the report."""
    (tmp_path / "sources.tsv").write_text("source\tlicence\tpublishable\tnote\n")
    for words, named in (
        (["--flows", tmp_path], "no flow of the families"),
        (["--flows", tmp_path, "--seeds", "0"], "--seeds: at least one"),
        (["--flows", tmp_path, "--json", tmp_path / "no" / "x.json"], "folder that exists"),
    ):
        done = CliRunner().invoke(cli, ["founding", *map(str, words)])
        assert done.exit_code == 1
        assert named in str(done.exception)


@pytest.mark.shared
@pytest.mark.slow
def test_families_are_told_apart_on_real_flows(tmp_path: Path) -> None:
    """Even a quick run is better than naming the largest family, on captures not trained on."""
    if not (FLOWS / "sources.tsv").is_file():
        pytest.skip("no shared flows")
    report = tmp_path / "report.json"
    founding("--flows", FLOWS, "--quick", "--json", report)
    for entry in json.loads(report.read_text())["founding"]:
        assert entry["accuracy"] > 2 * entry["majority"]
