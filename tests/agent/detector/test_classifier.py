"""metatap.detector.classifier and classes: real exports of other libraries, served as they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from structlog.testing import capture_logs
from tests.agent.commands import metatap
from tests.agent.detector.exported import (
    BENIGN,
    LABELS,
    OFFICE,
    FloatArray,
    description,
    lab_rows,
    lightgbm_export,
    sklearn_export,
    write,
)

from metatap.demo import read_labels
from metatap.detector import Classifier, Model, RuleSet, open_model, open_scorer
from metatap.detector.classes import parse_description
from metatap.detector.classifier import (
    DESCRIPTION,
    NOT_FINITE,
    NOT_ONE,
    OUT_OF_RANGE,
    row_faults,
)
from metatap.errors import ModelError
from metatap.features import NAMES
from metatap.runtime.build import build_rules
from metatap.runtime.config import load_config

pytestmark = pytest.mark.filterwarnings("ignore")
"""Exporters warn of their own dependencies."""

PARITY = 1e-4


@pytest.fixture(scope="module")
def lab() -> tuple[FloatArray, list[str]]:
    return lab_rows()


@pytest.fixture(scope="module")
def names(lab: tuple[FloatArray, list[str]]) -> list[str]:
    """Classes in the order of the probabilities."""
    return sorted(set(lab[1]))


@pytest.fixture(scope="module")
def boosted(lab: tuple[FloatArray, list[str]]) -> tuple[Any, Any]:
    return lightgbm_export(*lab)


@pytest.fixture(scope="module")
def forest(lab: tuple[FloatArray, list[str]]) -> tuple[Any, Any]:
    imputer = SimpleImputer(strategy="constant", fill_value=-1.0)
    model = make_pipeline(imputer, RandomForestClassifier(20, random_state=0)).fit(*lab)
    return model, sklearn_export(model, lab[0])


@pytest.fixture(scope="module")
def linear(lab: tuple[FloatArray, list[str]]) -> tuple[Any, Any]:
    """A model that takes no NaN."""
    rows = np.nan_to_num(lab[0])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=50)).fit(rows, lab[1])
    return model, sklearn_export(model, rows)


def loaded(path: Path) -> Classifier:
    model = open_model(path)
    assert isinstance(model, Classifier)
    return model


def hard(features: FloatArray) -> FloatArray:
    """Real rows, the same with most values absent, and rows of nothing and of zeros."""
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random(features.shape) < 0.8, np.nan, features)
    edge = np.stack([np.full(features.shape[1], value) for value in (np.nan, 0.0, 1e15)])
    return np.concatenate([features, sparse, edge]).astype(np.float32)


@pytest.mark.parametrize("kind", ["boosted", "forest"])
def test_probabilities_are_those_of_the_library(
    kind: str,
    lab: tuple[FloatArray, list[str]],
    names: list[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Within 1e-4 of the library's own, absent values and extreme ones included."""
    model, proto = request.getfixturevalue(kind)
    classifier = loaded(write(tmp_path, proto, description(names)))
    rows = hard(lab[0])
    rules = RuleSet.of_classes(classifier)
    scores, probability = classifier.score(classifier.select(rows), rules.heads)
    expected = model.predict_proba(rows)
    assert model.classes_.tolist() == names
    assert np.abs(probability - expected).max() <= PARITY
    columns = [at for at, name in enumerate(names) if name != BENIGN]
    np.testing.assert_array_equal(scores, probability[:, columns])
    assert [pack.id for pack in rules.packs] == [names[at] for at in columns]


def test_a_batch_of_one_and_of_none(
    boosted: tuple[Any, Any], names: list[str], lab: tuple[FloatArray, list[str]], tmp_path: Path
) -> None:
    """A flow's probabilities do not depend on the others; no flows give no rows."""
    classifier = loaded(write(tmp_path, boosted[1], description(names)))
    heads = RuleSet.of_classes(classifier).heads
    whole, _ = classifier.score(lab[0][:50], heads)
    one, _ = classifier.score(lab[0][7:8], heads)
    np.testing.assert_allclose(one[0], whole[7], atol=1e-6)
    assert classifier.score(lab[0][:0], heads)[0].shape == (0, heads.shape[1])


def test_features_are_taken_by_name(
    lab: tuple[FloatArray, list[str]], names: list[str], tmp_path: Path
) -> None:
    """A model of a few features, in an order of its own, gets these."""
    order = [NAMES.index(name) for name in ("resp_bytes", "duration", "conn_state.S0")]
    model, proto = lightgbm_export(lab[0][:, order], lab[1])
    chosen = tuple(NAMES[at] for at in order)
    classifier = loaded(write(tmp_path, proto, description(names, chosen)))
    heads = RuleSet.of_classes(classifier).heads
    _, probability = classifier.score(classifier.select(lab[0]), heads)
    assert np.abs(probability - model.predict_proba(lab[0][:, order])).max() <= PARITY


@pytest.mark.parametrize("kind", ["boosted", "forest"])
def test_replay_gives_alerts(
    kind: str, names: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """From the recording to ECS: alerts of every class, on its flows, with reasons, no example."""
    path = write(tmp_path, request.getfixturevalue(kind)[1], description(names))
    out = tmp_path / "alerts.jsonl"
    done = metatap("replay", OFFICE, "--model", path, "--out", out, "--log-level", "error")
    assert done.returncode == 0, done.stderr
    alerts = [json.loads(line) for line in out.read_text().splitlines()]
    labels = read_labels(LABELS)
    rules = {name for name in names if name != BENIGN}
    assert {alert["rule"]["id"] for alert in alerts} == rules
    for alert in alerts:
        own = alert["metatap"]
        family = labels[alert["zeek"]["session_id"]].family.replace("_", "-")
        assert alert["rule"]["id"] == family
        assert own["score"] >= own["threshold"] == pytest.approx(0.5)
        assert own["threshold_source"] == "model"
        assert "nearest" not in own
        assert "example" not in alert["message"]
        assert own["model"]["name"] == "office-classifier"
        assert alert["threat"]["technique"]["id"] == ["T1046"]
    assert any(alert["metatap"].get("reasons") for alert in alerts)


def test_score_check_and_evaluate(
    boosted: tuple[Any, Any], names: list[str], tmp_path: Path
) -> None:
    """One row a flow and class; packs are not asked for; figures as of packs."""
    path = write(tmp_path, boosted[1], description(names))
    done = metatap("score", OFFICE, "--model", path, "--out", tmp_path / "x.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "x.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    rules = [name for name in names if name != BENIGN]
    assert len(found) == len(read_labels(LABELS)) * len(rules)
    assert [row["pack"] for row in found[: len(rules)]] == rules
    assert f"{len(rules)} classes" in done.stderr
    checked = metatap("check", "--model", path)
    assert f"class {rules[0]}: threshold 0.50" in checked.stdout
    assert "pack" not in checked.stdout
    figures = tmp_path / "figures.json"
    judged = metatap("evaluate", OFFICE, "--model", path, "--labels", LABELS, "--json", figures)
    assert judged.returncode == 0, judged.stderr
    assert json.loads(figures.read_text())["precision"]["value"] > 0.9
    refused = metatap("score", OFFICE, "--model", path, "--packs", tmp_path, "--out", "-")
    assert "a classifier takes neither packs nor a background" in refused.stderr
    taught = metatap(
        "teach", "--id", "abc", "--from", OFFICE, "--uid", "C1", "--model", path, "--out",
        tmp_path / "p.yaml",
    )  # fmt: skip
    assert taught.returncode == 1
    assert str(path) in taught.stderr


def test_the_description_may_stand_inside(
    boosted: tuple[Any, Any], names: list[str], tmp_path: Path
) -> None:
    """As a metadata property; it is then the one that counts. A rule's digest covers it."""
    proto = onnx.ModelProto.FromString(boosted[1].SerializeToString())
    onnx.helper.set_model_props(proto, {DESCRIPTION: description(names, threshold=0.9)})
    inside = loaded(write(tmp_path, proto, description(names), "inside"))
    beside = loaded(write(tmp_path, boosted[1], description(names), "beside"))
    assert {rule.threshold for rule in inside.meta.rules} == {0.9}
    assert {rule.threshold for rule in beside.meta.rules} == {0.5}
    digests = {rule.pack.sha256 for model in (inside, beside) for rule in model.meta.rules}
    assert len(digests) == 2
    onnx.helper.set_model_props(proto, {DESCRIPTION: "classifier: 2"})
    wrong = write(tmp_path, proto, None, "wrong")
    with pytest.raises(ModelError, match=r"metatap\.classifier:1:"):
        open_model(wrong)


def test_without_a_description_it_is_refused(boosted: tuple[Any, Any], tmp_path: Path) -> None:
    """The message names the file that is missing."""
    with pytest.raises(ModelError, match=r"metatap\.contract: missing, and no model\.yaml"):
        open_scorer(write(tmp_path, boosted[1], None))
    with pytest.raises(ModelError, match=r"metatap\.contract: missing"):
        Model(write(tmp_path, boosted[1], None))


def test_a_list_of_maps_is_refused(
    forest: tuple[Any, Any], lab: tuple[FloatArray, list[str]], names: list[str], tmp_path: Path
) -> None:
    """The message says how to export; of scikit-learn and of LightGBM."""
    for proto in (
        sklearn_export(forest[0], lab[0], zipmap=True),
        lightgbm_export(lab[0][:500], lab[1][:500], zipmap=True)[1],
    ):
        with pytest.raises(ModelError, match=r"ZipMap.*zipmap': False"):
            open_model(write(tmp_path, proto, description(names)))


def test_a_model_that_takes_no_nan(
    linear: tuple[Any, Any], lab: tuple[FloatArray, list[str]], names: list[str], tmp_path: Path
) -> None:
    """It is refused at once, not at the first flow; with `absent` it is served."""
    with pytest.raises(ModelError, match=r"not finite.*imputer.*absent"):
        open_model(write(tmp_path, linear[1], description(names)))
    classifier = loaded(write(tmp_path, linear[1], description(names, more="absent: 0")))
    heads = RuleSet.of_classes(classifier).heads
    _, probability = classifier.score(lab[0], heads)
    assert np.abs(probability - linear[0].predict_proba(np.nan_to_num(lab[0]))).max() <= 1e-3


def test_a_model_that_does_not_fit_its_description(
    boosted: tuple[Any, Any], names: list[str], tmp_path: Path
) -> None:
    """Another number of features or of classes is refused, with both numbers."""
    with pytest.raises(ModelError, match=r"input features: shape .* 2 features"):
        open_model(write(tmp_path, boosted[1], description(names, NAMES[:2])))
    with pytest.raises(ModelError, match=rf"probabilities .* {len(names) - 1} classes"):
        open_model(write(tmp_path, boosted[1], description(names[:-1])))


GOOD = description([BENIGN, "worm", "scan"], ("duration", "orig_bytes"))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("classifier: 1", "classifier: 2", "m.yaml:1: classifier: must be 1"),
        ("classifier: 1\n", "", "classifier: missing"),
        ("author: lab", "auther: lab", "auther: unknown key, did you mean author?"),
        ("duration", "duratoin", "features: not features of this agent: ['duratoin']"),
        ("orig_bytes", "duration", "a feature stands twice"),
        ("[duration, orig_bytes]", "[]", "not a list of feature names"),
        ("threshold: 0.5", "threshold: 1.5", "threshold: 1.5: must be from 0 to 1"),
        ("threshold: 0.5", "threshold: 0", "would alert on every flow"),
        ("threshold: 0.5", "threshold: 1.0e-46", "is 0 in float32"),
        (", threshold: 0.5", "", "threshold: missing"),
        ("severity: high", "severity: bad", "severity: bad: must be one of"),
        ("T1046", "port scan", "an ATT&CK technique id"),
        ("id: worm", "id: scan", "classes: given twice: scan"),
        ("id: worm", "id: W!", "must be 3 to 64"),
        ("  - benign\n  - {id: worm", "  - {id: worm", "classes: "),
        ("2026-11-24", "today", "created: today: must be a date"),
        ("name: office-classifier", "name: ", "name: missing"),
    ],
)
def test_faults_of_a_description(old: str, new: str, named: str) -> None:
    """Each is named with its line; a single class is no choice."""
    content = GOOD.replace(old, new)
    if named == "classes: ":
        content = content[: content.index("  - {id: scan")]
    with pytest.raises(ModelError) as caught:
        parse_description(content.encode(), "m.yaml", Path("m.onnx"), "0")
    assert named in str(caught.value)
    assert str(caught.value).startswith("m.yaml:")


def test_without_a_rule_it_is_refused() -> None:
    """Nothing would ever alert."""
    content = "\n".join(line for line in GOOD.splitlines() if "id:" not in line)
    with pytest.raises(ModelError, match="nothing would alert"):
        parse_description((content + "\n  - other\n").encode(), "m", Path("m"), "0")


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 40), st.binary(max_size=6))
def test_any_description_is_read_or_refused(at: int, cut: int, put: bytes) -> None:
    """Damage gives ModelError or a description within bounds, nothing else."""
    content = GOOD.encode()
    try:
        found = parse_description(content[:at] + put + content[at + cut :], "m", Path("m"), "0")
    except ModelError:
        return
    assert 2 <= len(found.classes) <= 256
    assert all(0 < rule.threshold <= 1 for rule in found.rules)
    assert set(found.features) <= set(NAMES)


def test_packs_beside_it_are_not_used(
    boosted: tuple[Any, Any], names: list[str], tmp_path: Path
) -> None:
    """The agent starts without them and says so; so does `check`."""
    path = write(tmp_path, boosted[1], description(names))
    flags = {"model": str(path), "packs": str(tmp_path)}
    with capture_logs() as logs:
        rules = build_rules(load_config(flags=flags))
    assert [pack.id for pack in rules.packs] == [name for name in names if name != BENIGN]
    assert [entry["event"] for entry in logs] == ["packs_unused"]
    checked = metatap("check", "--model", path, "--packs", tmp_path)
    assert f"{tmp_path}: not used, since the model is a classifier" in checked.stdout


Ends = dict[str, tuple[int, list[str | int | None]]]
FLOAT, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("inputs", "value", "named"),
    [
        ({"x": (DOUBLE, ["n", 2])}, 0.5, r"input x: tensor\(double\).*not float32 \[n, F\]"),
        ({"x": (FLOAT, [2])}, 0.5, r"input x: tensor\(float\) \[2\], not float32"),
        ({"x": (FLOAT, [1, 2])}, 0.5, r"input x: shape \[1, 2\], but any number of flows"),
        (
            {"x": (FLOAT, ["n", 2]), "y": (FLOAT, ["n", 2])},
            0.5,
            "inputs x, y: a classifier takes one matrix",
        ),
        ({"x": (FLOAT, ["n", 2])}, 0.7, "no probabilities, rows must sum to 1"),
        ({"x": (FLOAT, ["n", 2])}, np.nan, "not finite"),
    ],
)
def test_what_is_no_classifier_is_refused(
    inputs: Ends, value: float, named: str, tmp_path: Path
) -> None:
    """A graph of other inputs, or whose output is no probability; the error names it."""
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Shape", ["x"], ["size"], end=1),
            onnx.helper.make_node("Concat", ["size", "two"], ["shape"], axis=0),
            onnx.helper.make_node("Expand", ["value", "shape"], ["p"]),
        ],
        "constant",
        [onnx.helper.make_tensor_value_info(name, *end) for name, end in inputs.items()],
        [onnx.helper.make_tensor_value_info("p", FLOAT, ["n", 2])],
        [
            onnx.numpy_helper.from_array(np.array([2], np.int64), "two"),
            onnx.numpy_helper.from_array(np.array(value, np.float32), "value"),
        ],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    proto.ir_version = 8
    text = description([BENIGN, "worm"], ("duration", "orig_bytes"))
    path = write(tmp_path, proto, text)
    with pytest.raises(ModelError, match=named) as caught:
        open_model(path)
    assert str(caught.value).startswith(str(path))


def graph_of(path: Path, nodes: list[onnx.NodeProto], name: str = "x") -> Path:
    """A classifier of two features and two classes from nodes `name` → p; `two` is [2]."""
    graph = onnx.helper.make_graph(
        nodes,
        "made up",
        [onnx.helper.make_tensor_value_info(name, FLOAT, ["n", 2])],
        [onnx.helper.make_tensor_value_info("p", FLOAT, ["n", 2])],
        [onnx.numpy_helper.from_array(np.array([0.5, 0.5], np.float32), "half")],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    proto.ir_version = 8
    return write(
        path, proto, description([BENIGN, "worm"], ("duration", "orig_bytes"), more="absent: 0")
    )


WRONG = {
    NOT_FINITE: [[np.inf, 0.0], [1e38, -np.inf]],
    OUT_OF_RANGE: [[3.0, -3.0], [-0.6, 0.6], [9.0, 0.0]],
    NOT_ONE: [[0.4, 0.4], [-0.4, 0.0]],
}
"""Reason → rows that, with a half added to each value, are no probabilities for it."""


def test_a_flow_without_probabilities_is_unscored_and_no_other(tmp_path: Path) -> None:
    """A linear model that looks like a classifier on zeros: its fault costs the batch no flow."""
    model = loaded(graph_of(tmp_path, [onnx.helper.make_node("Add", ["x", "half"], ["p"])]))
    heads = RuleSet.of_classes(model).heads
    good = [[0.0, 0.0], [0.25, -0.25]]
    for reason, rows in WRONG.items():
        scores, found = model.score(np.array([good[0], *rows, good[1]], np.float32), heads)
        assert scores[[0, -1], 0].tolist() == [0.5, 0.25]
        assert np.isnan(scores[1:-1]).all()
        assert model.why_unscored(found) == {reason: len(rows)}
    every = [row for rows in WRONG.values() for row in rows]
    scores, found = model.score(np.array(every, np.float32), heads)
    assert np.isnan(scores).all()
    assert model.why_unscored(found) == {reason: len(rows) for reason, rows in WRONG.items()}
    scores, found = model.score(np.array(good, np.float32), heads)
    assert not model.why_unscored(found)


@given(
    st.lists(st.floats(0, 1, width=32) | st.floats(width=32), min_size=1, max_size=30),
)
def test_a_row_is_scored_if_and_only_if_it_is_of_probabilities(values: list[float]) -> None:
    """Whatever the numbers: the reasons part the rows, and count each once."""
    column = np.array(values, np.float32)
    found = np.stack([column, np.float32(1) - column], 1)
    faults = row_faults(found)
    times = np.sum(list(faults.values()), axis=0)
    assert times.max() <= 1
    assert not times[(column >= 0) & (column <= 1)].any()
    assert times[~((column >= -0.01) & (column <= 1.01))].all()
    assert (faults[NOT_FINITE] == ~np.isfinite(found).all(1)).all()


def test_an_output_of_another_shape_is_the_fault_of_the_batch(tmp_path: Path) -> None:
    """A model that drops rows: none of them can be told from another."""
    constants = {"start": -2, "end": 2**31 - 1, "axis": 0}
    nodes = [
        *(
            onnx.helper.make_node("Constant", [], [name], value_ints=[value])
            for name, value in constants.items()
        ),
        onnx.helper.make_node("Add", ["x", "half"], ["y"]),
        onnx.helper.make_node("Slice", ["y", *constants], ["p"]),
    ]
    model = loaded(graph_of(tmp_path, nodes))
    heads = RuleSet.of_classes(model).heads
    assert model.score(np.zeros((2, 2), np.float32), heads)[0].tolist() == [[0.5]] * 2
    with pytest.raises(ModelError, match=r"output p: shape \[2, 2\], not \[3, 2\]"):
        model.score(np.zeros((3, 2), np.float32), heads)


def test_names_of_a_graph_are_shown_on_one_line_and_short(tmp_path: Path) -> None:
    """A file can neither forge a line of output nor fill the log."""
    name = "x\x1b[31m\nfake line " + "a" * 100_000
    nodes = [onnx.helper.make_node("Identity", [name], ["p"])]
    path = graph_of(tmp_path, nodes, name)
    proto = onnx.load(str(path))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    onnx.save(proto, str(path))
    with pytest.raises(ModelError) as caught:
        open_model(path)
    assert len(str(caught.value)) < 1000 + len(str(path))
    assert str(caught.value).isprintable()


def test_faults_beyond_those_listed_are_counted() -> None:
    """Of a description with 80 unknown keys."""
    content = GOOD + "\n" + "\n".join(f"key{at}: 1" for at in range(80))
    with pytest.raises(ModelError) as caught:
        parse_description(content.encode(), "m.yaml", Path("m.onnx"), "0")
    assert str(caught.value).splitlines()[-1] == "m.yaml: 30 more faults"
