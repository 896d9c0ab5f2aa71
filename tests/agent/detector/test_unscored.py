"""Flows that a classifier gives no probabilities for: counted with a reason, the rest delivered."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from structlog.testing import capture_logs
from tests.agent.commands import metatap
from tests.agent.detector.exported import BENIGN, LABELS, OFFICE, description, write
from tests.lab.packs import read_all

from metatap.context import Context
from metatap.detector import Classifier, Detector, RuleSet, explain, open_model
from metatap.detector.classifier import NOT_FINITE, OUT_OF_RANGE
from metatap.detector.detector import IMPOSSIBLE
from metatap.flow import FlowBatch

FLOAT = onnx.TensorProto.FLOAT
FEATURES = ("orig_bytes", "resp_bytes")
SCALE = 0.001
"""Of bytes: a linear model of them is soon outside [0, 1]."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """p = (s, 1 − s) with s = `SCALE` × bytes of the originator: no probability from 1,001 on."""
    weights = np.array([[-SCALE, SCALE], [0, 0]], np.float32)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("MatMul", ["x", "w"], ["y"]),
            onnx.helper.make_node("Add", ["y", "b"], ["p"]),
        ],
        "linear",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["n", 2])],
        [onnx.helper.make_tensor_value_info("p", FLOAT, ["n", 2])],
        [
            onnx.numpy_helper.from_array(weights, "w"),
            onnx.numpy_helper.from_array(np.array([1, 0], np.float32), "b"),
        ],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    proto.ir_version = 8
    text = description([BENIGN, "large"], FEATURES, 0.6, more="absent: 0")
    return write(tmp_path_factory.mktemp("linear"), proto, text)


@pytest.fixture(scope="module")
def office() -> FlowBatch:
    return read_all(OFFICE)


@pytest.fixture(scope="module")
def wrong(office: FlowBatch) -> np.ndarray:
    """bool [n], flows of more bytes than the model takes."""
    column = office.numeric("orig_bytes")
    assert column is not None
    return np.asarray(column.mask() & (column.values.astype(np.float64) * SCALE > 1.001))


def test_only_they_are_dropped(path: Path, office: FlowBatch, wrong: np.ndarray) -> None:
    """The others pass with their hits; the event says how many, and what is wrong with them."""
    model = open_model(path)
    assert isinstance(model, Classifier)
    detector = Detector(RuleSet.of_classes(model), Context())
    with capture_logs() as logs:
        found = detector.detect(office)
    assert 0 < wrong.sum() < office.rows
    assert detector.flows.dropped == {IMPOSSIBLE: wrong.sum()}
    assert detector.flows.passed == office.rows - wrong.sum()
    assert detector.flows.balanced
    (entry,) = logs
    assert (entry["event"], entry["reason"]) == ("flows_unscored", IMPOSSIBLE)
    assert entry["detail"] == {OUT_OF_RANGE: wrong.sum()}
    assert entry["flows"] == wrong.sum()
    assert (np.isnan(found.scores).any(1) == wrong).all()
    assert len(found.rows)
    assert not wrong[found.rows].any()
    for reason in explain(found, int(found.rows[0]), 0).reasons:
        assert np.isfinite(reason.moved)


def test_scores_of_all_others_are_written(path: Path, wrong: np.ndarray, tmp_path: Path) -> None:
    """And the account adds up; the command says how many flows have no row."""
    out = tmp_path / "x.csv"
    done = metatap("score", OFFICE, "--model", path, "--out", out)
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (~wrong).sum()
    assert all(0 <= float(row["score"]) <= 1.01 for row in rows)
    assert f"{wrong.sum():,} flows without a row: {IMPOSSIBLE}" in done.stderr


def test_an_evaluation_leaves_them_out_and_says_so(
    path: Path, wrong: np.ndarray, tmp_path: Path
) -> None:
    """A figure is of flows that have a score."""
    figures = tmp_path / "figures.json"
    done = metatap("evaluate", OFFICE, "--model", path, "--labels", LABELS, "--json", figures)
    assert done.returncode == 0, done.stderr
    assert f"{wrong.sum():,} flows left out: {IMPOSSIBLE}" in done.stderr
    found = json.loads(figures.read_text())
    assert found["benign"] + found["malicious"] == (~wrong).sum()


def test_values_that_are_not_finite_are_named(path: Path) -> None:
    """Infinite bytes in, infinite probabilities out: they are of no other reason."""
    model = open_model(path)
    assert isinstance(model, Classifier)
    heads = RuleSet.of_classes(model).heads
    features = np.array([[np.inf, 0], [500, 0]], np.float32)
    scores, given = model.score(features, heads)
    assert model.why_unscored(given) == {NOT_FINITE: 1}
    assert np.isnan(scores[0]).all()
    assert scores[1, 0] == pytest.approx(0.5)
