"""`metatap-train train` and `encode`, on the lab's office."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from metatap.detector import Model
from metatap.errors import MetatapError, ModelError
from metatap.offline.labels import BENIGN, FileLabels
from metatap_training import build
from metatap_training.cli import cli
from metatap_training.custom import run as work
from metatap_training.custom.plan import in_parts
from metatap_training.datasets import Source, Terms
from metatap_training.datasets.own import load_logs
from tests.training import synthetic
from tests.training.datasets.test_own import LAB, conn, write_logs

LABELS = LAB / "office.labels.csv"
OFFICE = ["--data", f"office={LAB / 'office-logs'}", "--labels", str(LABELS)]
ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The fault of a command."""
    result = run(*arguments)
    assert isinstance(result.exception, MetatapError)
    return str(result.exception)


def card_of(path: Path) -> dict[str, Any]:
    """The card of a model file that the agent loads, self-test included."""
    model = Model(path)
    assert model.meta.name == "meta-ridge-own"
    return model.meta.card


@pytest.mark.slow
def test_a_model_is_made_of_logs_and_of_what_they_were_encoded_to(tmp_path: Path) -> None:
    """The same model to the last weight; its card says what it saw and what it does not know."""
    assert run("encode", *OFFICE, "--out", tmp_path / "encoded").exit_code == 0
    made = []
    for name, inputs in (("logs", OFFICE), ("parquet", ["--encoded", tmp_path / "encoded"])):
        out = tmp_path / f"{name}.onnx"
        result = run("train", *inputs, "--steps", 3, "--out", out)
        assert result.exit_code == 0, result.output
        made.append(out)
    cards = [card_of(path) for path in made]
    assert cards[0]["held_out"] is None
    assert cards[0]["parts"] == 6
    (source,) = cards[0]["data"]
    assert (source["source"], source["networks"]) == ("office", ["office"])
    assert set(source["families"]) == {"dns_tunnel", "http_beacon", "port_scan", "ssh_bruteforce"}
    assert source["benign"] == 3238
    assert [card["data"] for card in cards] == [[source], [source]]
    first, second = (Model(path).meta.selftest.score for path in made)
    assert first.tolist() == second.tolist()
    page = run("card", made[0]).stdout
    assert "No held-out evaluation was made" in page
    assert "| office | own | office | flow | 3,238 | 692 | 0 |" in page


@pytest.mark.slow
def test_held_out_families_are_measured(tmp_path: Path) -> None:
    """With the other methods, on flows that were not trained on."""
    out = tmp_path / "m.onnx"
    result = run("train", *OFFICE, "--holdout", "ssh_bruteforce", "--steps", 3, "--out", out)
    assert result.exit_code == 0, result.output
    card = card_of(out)
    row = card["held_out"]["families"]["ssh_bruteforce"]
    assert row["background"] + row["negatives"] == 3238 // 5
    assert "ssh_bruteforce" not in card["data"][0]["families"]
    assert {"meta-ridge", "1-NN margin", "port only"} <= set(row["tpr"])
    page = run("card", out).stdout
    assert f"With {row['negatives']} negatives the rate can't be seen" in page


def test_a_file_that_the_agent_would_refuse_is_not_left(tmp_path: Path) -> None:
    """Better no model than one that stops the sensor from starting."""
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError):
        work._accepted(path)
    assert not path.exists()


@pytest.mark.slow
def test_torchrun_trains_it_in_two_processes(tmp_path: Path) -> None:
    """One file, whose card says two episodes a step."""
    out = tmp_path / "m.onnx"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "metatap_training.cli", "train", *OFFICE]
    done = subprocess.run(
        [*command, "--steps", "3", "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert card_of(out)["episodes_per_step"] == 2
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.slow
def test_published_flows_train_with_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those that may not, nor a family that is held out; only open ones are in the file."""
    flows = in_parts(load_logs(LAB / "office-logs", FileLabels(LABELS)), 5)
    flows = replace(flows, source=flows.network, capture=np.char.add("pub/", flows.capture))
    names = [f"office-logs {at}/5" for at in range(1, 6)]
    terms = [Terms.YES, Terms.YES, Terms.WEIGHTS, Terms.WEIGHTS, Terms.NO]
    sources = [Source(name, "MIT", term, "") for name, term in zip(names, terms, strict=True)]
    monkeypatch.setattr(build, "prepare", lambda *_: build.Data(flows, tuple(sources), {}))
    out = tmp_path / "m.onnx"
    given = [*OFFICE, "--with-flows", tmp_path, "--steps", 3, "--out", out]
    assert run("train", *given, "--holdout", "ssh_bruteforce").exit_code == 0
    card = card_of(out)
    rows = {row["source"]: row for row in card["data"]}
    assert set(rows) == {"office", *names[:4]}
    assert [rows[name]["own"] for name in ("office", names[0])] == [True, False]
    assert not any("ssh_bruteforce" in row["families"] for row in rows.values())
    assert set(card["background"]) == {"office", *names[:2]}
    assert card["parts"] == 1
    page = run("card", out).stdout
    assert "relatives of these families under other names" in page


@pytest.mark.parametrize(
    ("name", "said"), [("source-north", "a published source"), ("north", "a network")]
)
def test_a_name_of_published_flows_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    """Or two networks would be taken for one."""
    sources = tuple(Source(f"source-{n}", "", Terms.YES, "") for n in synthetic.NETWORKS)
    monkeypatch.setattr(build, "prepare", lambda *_: build.Data(synthetic.flows(), sources, {}))
    logs = write_logs(tmp_path / "logs", *(conn(at, label="benign") for at in range(9)))
    given = ("--data", f"{name}={logs}", "--label-field", "label", "--with-flows", tmp_path)
    assert f"{name}: name of {said}" in refused("train", *given, "--out", tmp_path / "m.onnx")


def test_labels_are_needed_once(tmp_path: Path) -> None:
    """Each fault in one line, before anything is read."""
    logs = write_logs(tmp_path / "logs", conn(0, label=BENIGN))
    other = write_logs(tmp_path / "b" / "logs", conn(0, label=BENIGN))
    out = ("--out", tmp_path / "m.onnx")
    assert "--data or --encoded is needed" in refused("train", *out)
    one = "one of --label-field, --labels and --intervals is needed"
    assert one in refused("train", "--data", logs, *out)
    assert one in refused("train", *OFFICE, "--label-field", "label", *out)
    twice = ("--data", logs, "--data", other, "--label-field", "label")
    assert "another folder is called logs" in refused("train", *twice, *out)
    three = (*OFFICE, "--labels", LABELS)
    assert "one for each --data" in refused("train", *three, *out)
    assert "no .parquet file" in refused("train", "--encoded", tmp_path, *out)


def test_flows_that_are_too_few_leave_no_file(tmp_path: Path) -> None:
    """Neither a model nor encoded flows without a label."""
    logs = write_logs(tmp_path / "logs", conn(0, label="malicious"), conn(1, label="odd"))
    out = tmp_path / "m.onnx"
    given = ("--data", logs, "--label-field", "label")
    assert "no benign flows" in refused("train", *given, "--out", out)
    assert not out.exists()
    wrong = ("--data", logs, "--label-field", "kind")
    assert "field kind: in no record" in refused("encode", *wrong, "--out", tmp_path / "encoded")
    assert not list((tmp_path / "encoded").iterdir())


def test_what_labels_and_flows_did_not_share_is_said(tmp_path: Path) -> None:
    """Labels of no flow, flows of another label, lines that can't be read."""
    logs = write_logs(tmp_path / "logs", conn(0), conn(1), conn(2, uid=None))
    labels = tmp_path / "labels.csv"
    labels.write_text("uid,label,family\nC0,benign,\nC1,odd,\nC9,malicious,worm\n")
    out = tmp_path / "encoded"
    result = run("encode", "--data", logs, "--labels", labels, "--out", out)
    assert result.exit_code == 0
    text = " ".join(result.stderr.split())
    assert "2 flows" in text
    assert "1 conn lines dropped: missing" in text
    assert "1 flows are neither: odd 1" in text
    assert "1 labels have no flow: worm 1" in text
