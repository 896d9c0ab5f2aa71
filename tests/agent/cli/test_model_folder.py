"""A folder of models: every command takes the file of it that the agent would take."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.agent.commands import metatap
from tests.agent.detector.exported import BENIGN, description, write
from tests.agent.offline.written import LABELS, OFFICE, conn_line, write_conn

from metatap.detector import shipped_model
from metatap.runtime.shipped import shipped_packs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the shipped model and a newer file that is none."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copyfile(shipped_model(), models / "good.onnx")
    (models / "bad.onnx").write_bytes(b"no model")
    os.utime(models / "good.onnx", (1_000_000_000, 1_000_000_000))
    return models


def test_every_command_takes_the_newest_valid_model(folder: Path, tmp_path: Path) -> None:
    """The newer file is named with what is wrong with it; the result is that of the good one."""
    log = write_conn(tmp_path / "conn.log", [conn_line(at) for at in range(40)])
    pack = shipped_packs() / "port-scan.yaml"
    uid = LABELS.read_text().splitlines()[1].partition(",")[0]
    taught = tmp_path / "a.yaml"
    teach = (
        "--id",
        "one-flow",
        "--from",
        OFFICE,
        "--uid",
        uid,
        "--anyway",
        "--force",
        "--out",
        taught,
    )
    for words in (
        ("score", log, "--out", "-"),
        ("evaluate", OFFICE, "--labels", LABELS),
        ("packs", "test", pack, log),
        ("packs", "list", "--state"),
        ("packs", "diff", pack, pack, log),
        ("teach", *teach),
        ("check",),
    ):
        found = metatap(*words, "--model", folder)
        if words[0] != "check":
            assert found.returncode == 0, found.stderr
            assert f"{folder / 'good.onnx'} is taken" in found.stderr
        if words[0] in {"score", "teach"}:
            assert found.stdout == metatap(*words).stdout
        assert f"{folder / 'bad.onnx'}: not a model" in found.stderr


def test_a_folder_from_the_environment(folder: Path, tmp_path: Path) -> None:
    """It is the agent's configuration that counts."""
    log = write_conn(tmp_path / "conn.log", [conn_line(0)])
    done = metatap("score", log, "--out", "-", METATAP_MODEL=str(folder))
    assert done.returncode == 0, done.stderr
    assert "good.onnx is taken" in done.stderr


def test_a_folder_without_a_model_is_named(folder: Path, tmp_path: Path) -> None:
    """Empty, or with nothing but faulty files: status 1, each of these named, nothing written."""
    log = write_conn(tmp_path / "conn.log", [conn_line(0)])
    (folder / "good.onnx").unlink()
    done = metatap("score", log, "--model", folder, "--out", tmp_path / "x.csv")
    assert done.returncode == 1
    assert "bad.onnx: not a model" in done.stderr
    (folder / "bad.onnx").unlink()
    for words in (("score", log), ("evaluate", log, "--labels", LABELS)):
        out = ("--out", tmp_path / "x.csv") if words[0] == "score" else ()
        done = metatap(*words, "--model", folder, *out)
        assert done.returncode == 1
        assert f"metatap: {folder}: no" in done.stderr
    assert not (tmp_path / "x.csv").exists()


def test_a_folder_of_a_classifier(folder: Path, tmp_path: Path) -> None:
    """Its description lies beside it; teaching it is refused, by the file that was taken."""
    names = ("duration", "orig_bytes")
    constants = {"none": np.zeros(2, np.float32), "half": np.full(2, 0.5, np.float32)}
    make = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [make("Mul", ["x", "none"], ["y"]), make("Add", ["y", "half"], ["p"])],
        "half",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 2])],
        [onnx.helper.make_tensor_value_info("p", onnx.TensorProto.FLOAT, ["n", 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    proto.ir_version = 8
    write(folder, proto, description([BENIGN, "worm"], names, more="absent: 0"), "bad")
    log = write_conn(tmp_path / "conn.log", [conn_line(0)])
    done = metatap("score", log, "--model", folder, "--out", "-")
    assert done.returncode == 0, done.stderr
    assert "class worm: 1 alerts" in done.stderr
    done = metatap("packs", "test", shipped_packs() / "port-scan.yaml", "--model", folder)
    assert done.returncode == 1
    assert "bad.onnx: a classifier, which takes no packs" in done.stderr
