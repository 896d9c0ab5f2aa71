"""metatap.detector.sequence and its contract: models of sequences of flows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.detector.sequences import CLASSES, FEATURES, LENGTH, expected, sequence_model

from metatap.detector import Model, SequenceModel, open_model, open_scorer, sequence, shipped_model
from metatap.detector.contract import array_json
from metatap.detector.sequence_contract import parse_sequence_metadata
from metatap.errors import ModelError
from metatap.features import NAMES, WIDTH


@pytest.fixture
def model(tmp_path: Path) -> SequenceModel:
    found = open_model(sequence_model(tmp_path / "m.onnx"))
    assert isinstance(found, SequenceModel)
    return found


def test_what_a_file_says(model: SequenceModel) -> None:
    """Features, classes and length are the file's; columns are taken by name."""
    assert (model.meta.features, model.meta.classes, model.meta.length) == (
        FEATURES,
        CLASSES,
        LENGTH,
    )
    rows = np.arange(2 * WIDTH, dtype=np.float32).reshape(2, WIDTH)
    np.testing.assert_array_equal(model.select(rows)[0], [NAMES.index(name) for name in FEATURES])


@pytest.mark.parametrize("count", [0, 1, 256, 257, 700])
def test_any_number_of_sequences(model: SequenceModel, count: int) -> None:
    """They are scored in parts; the parts are put together in order."""
    mask = np.tril(np.ones((LENGTH, LENGTH), np.float32))[np.arange(count) % LENGTH]
    found = model.classify(np.zeros((count, LENGTH, len(FEATURES)), np.float32), mask)
    np.testing.assert_allclose(found, expected(mask), atol=1e-6)


def test_it_is_scored_offline_only(tmp_path: Path) -> None:
    """The live agent refuses it and says where it is scored; a meta model is what it was."""
    path = sequence_model(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="offline: metatap score --model FILE"):
        open_scorer(path)
    with pytest.raises(ModelError, match=r"metatap\.kind: sequence, where a model of kind meta"):
        Model(path)
    assert isinstance(open_scorer(shipped_model()), Model)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "tree"}, "metatap.kind: 'tree', none of meta, classifier, sequence"),
        ({"contract": "2"}, "metatap.contract: version '2'"),
        ({"features": ["nonsense"]}, "metatap.features: not features"),
        ({"classes": ["one"]}, "metatap.classes: not a list of 2 to 256"),
        ({"classes": ["a", "a"]}, "metatap.classes: a class stands twice"),
        ({"classes": ["a", "b\n"]}, "metatap.classes: 'b\\n': not a short name"),
        ({"classes": ["a", "b" * 65]}, "not a short name"),
        ({"classes": ["a", "b", "c"]}, "metatap.selftest.probability"),
        ({"length": 5}, "metatap.selftest.sequences"),
        ({"length": True}, "metatap.length"),
        ({"length": 10**6}, "metatap.length: not a whole number from 1 to 1024"),
        ({"features": list(FEATURES[:2])}, "metatap.selftest.sequences"),
        ({"selftest": {}}, "metatap.selftest.sequences"),
        ({"card": []}, "metatap.card: not an object"),
        ({"name": None}, "metatap.name: missing"),
        ({"name": "n\x1b[2J"}, "metatap.name: 'n\\x1b[2J': not a text of at most 128"),
        ({"version": "1" * 129}, "metatap.version: 111"),
    ],
)
def test_wrong_metadata_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    """The error names file and key."""
    path = sequence_model(tmp_path / "m.onnx", **changes)
    with pytest.raises(ModelError) as caught:
        open_model(path)
    assert str(path) in str(caught.value)
    assert named in str(caught.value)


def test_a_graph_of_another_shape_is_refused(tmp_path: Path) -> None:
    """Metadata that fit each other but not the graph."""
    zeros = np.zeros((1, 5, 3), np.float32)
    test = {
        "sequences": array_json(zeros),
        "mask": array_json(np.ones((1, 5), np.float32)),
        "probability": array_json(np.ones((1, 2), np.float32)),
    }
    path = sequence_model(tmp_path / "m.onnx", length=5, selftest=test)
    with pytest.raises(ModelError, match="input sequences: shape"):
        open_model(path)


@pytest.mark.parametrize("rows", [1, LENGTH])
def test_a_fixed_number_of_sequences_is_refused(tmp_path: Path, rows: int) -> None:
    """As many as in the self-test or not: it could not score any other."""
    path = sequence_model(tmp_path / "m.onnx")
    proto = onnx.load(str(path))
    for item in proto.graph.input:
        item.type.tensor_type.shape.dim[0].dim_value = rows
    onnx.save(proto, str(path))
    with pytest.raises(ModelError, match=rf"shape \[{rows}, .*not \['n'"):
        open_model(path)


def test_what_is_no_probability_is_refused(tmp_path: Path) -> None:
    """Logits that the self-test of the file itself states."""
    path = sequence_model(tmp_path / "m.onnx")
    proto = onnx.load(str(path))
    softmax = proto.graph.node[-1]
    softmax.op_type = "Identity"
    softmax.ClearField("attribute")
    onnx.save(proto, str(path))
    with pytest.raises(ModelError, match="probability: no probabilities"):
        open_model(path)


@pytest.mark.parametrize("cells", [1, 2 * LENGTH * len(FEATURES)])
def test_wide_sequences_are_scored_fewer_at_once(
    model: SequenceModel, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one run holds is bounded by values; at least one sequence is in it."""
    monkeypatch.setattr(sequence, "CELLS", cells)
    mask = np.tril(np.ones((LENGTH, LENGTH), np.float32))[np.arange(7) % LENGTH]
    found = model.classify(np.zeros((7, LENGTH, len(FEATURES)), np.float32), mask)
    np.testing.assert_allclose(found, expected(mask), atol=1e-6)


def test_a_failed_selftest_is_refused(tmp_path: Path) -> None:
    """A model that does not give the probabilities it was made with."""
    mask = np.ones((1, LENGTH), np.float32)
    test = {
        "sequences": array_json(np.zeros((1, LENGTH, 3), np.float32)),
        "mask": array_json(mask),
        "probability": array_json(1 - expected(mask)),
    }
    with pytest.raises(ModelError, match="self-test"):
        open_model(sequence_model(tmp_path / "m.onnx", selftest=test))


@given(
    st.dictionaries(
        st.sampled_from(
            ["contract", "kind", "features", "classes", "length", "selftest", "card", "name"]
        ).map("metatap.{}".format),
        st.sampled_from(["1", "sequence", "[]", "{}", '["duration"]', '["a","b"]', "null", "\x00"]),
    )
)
def test_any_metadata_is_refused_with_a_reason(props: dict[str, str]) -> None:
    """Whatever the metadata say, parsing gives ModelError, never another error."""
    with pytest.raises(ModelError):
        parse_sequence_metadata(props)
