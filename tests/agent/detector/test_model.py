"""metatap.detector.model and contract."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatap.detector import Model, shipped_model
from metatap.detector.contract import MAX_BACKGROUND, MAX_FILE_BYTES, array_json, parse_metadata
from metatap.errors import ModelError
from metatap.features import WIDTH


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(shipped_model())


Change = Callable[[dict[str, str]], None]


def changed(tmp_path: Path, change: Change) -> Path:
    """The shipped model with other metadata."""
    proto = onnx.load(shipped_model())
    props = {item.key: item.value for item in proto.metadata_props}
    change(props)
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, props)
    path = tmp_path / "changed.onnx"
    onnx.save(proto, path)
    return path


def some_flows(rows: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    flows = np.abs(rng.normal(size=(rows, WIDTH)) * 100).astype(np.float32)
    flows[rng.random(flows.shape) < 0.3] = np.nan
    return flows


def test_shipped_model_loads(model: Model) -> None:
    """The model in the package keeps its contract and its size."""
    assert model.width == WIDTH
    assert model.meta.background.embedding.shape[1] == model.depth
    assert shipped_model().stat().st_size <= 2 * 2**20


def test_score_is_linear_in_the_embedding(model: Model) -> None:
    """A score is the embedding times the head's weights plus its bias."""
    flows = model.select(some_flows(40))
    head = model.adapt(flows[:5], np.ones(5, np.float32))
    score, embedding = model.score(flows, model.stack([head]))
    np.testing.assert_allclose(score[:, 0], embedding @ head[:-1] + head[-1], atol=1e-4)


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 300])
def test_scores_do_not_depend_on_the_batch(model: Model, rows: int) -> None:
    """A flow's score is the same within 1e-5 in whatever batch and beside whatever packs."""
    flows = model.select(some_flows(400))
    heads = [model.adapt(flows[at : at + 5], np.ones(5, np.float32)) for at in (0, 5, 10)]
    whole, _ = model.score(flows, model.stack(heads))
    part, _ = model.score(flows[:rows], model.stack(heads[:1]))
    assert part.shape[0] == rows
    np.testing.assert_allclose(part[:, 0], whole[:rows, 0], atol=1e-5, rtol=1e-5)


def test_adaptation_tells_support_from_background(model: Model) -> None:
    """The head of a pack scores its support above nearly all of the background."""
    test = model.meta.selftest
    positive = test.support[test.support_label == 1]
    head = model.adapt(positive, np.ones(len(positive), np.float32))
    own = model.embed(positive) @ head[:-1] + head[-1]
    ground = model.meta.background.embedding @ head[:-1] + head[-1]
    assert np.median(own) > np.quantile(ground, 0.99)


def test_counter_examples_are_pushed_down(model: Model) -> None:
    """A flow given as `not_like` scores lower than without."""
    flows = model.select(some_flows(12))
    ones = np.ones(4, np.float32)
    without = model.adapt(flows[:4], ones)
    with_ = model.adapt(flows[:5], np.append(ones, np.float32(0)))
    other = model.embed(flows[4:5])
    assert (other @ with_[:-1] + with_[-1])[0] < (other @ without[:-1] + without[-1])[0]


def test_empty_batch(model: Model) -> None:
    """No flows give no scores and no error."""
    score, embedding = model.score(model.select(some_flows(0)), model.stack([]))
    assert score.shape == (0, 8)
    assert embedding.shape == (0, model.depth)


def test_extreme_values_score_finite(model: Model) -> None:
    """Absent everywhere, zero everywhere and the largest counts all give finite scores."""
    flows = np.array(
        [[np.nan] * WIDTH, [0.0] * WIDTH, [1.8e19] * WIDTH, [3e38] * WIDTH, [-3e38] * WIDTH],
        np.float32,
    )
    head = model.meta.background.embedding[0]
    score, embedding = model.score(model.select(flows), model.stack([np.append(head, 0.0)]))
    assert np.isfinite(score).all()
    assert np.isfinite(embedding).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda p: p.pop("metatap.contract"), "metatap.contract: missing"),
        (lambda p: p.update({"metatap.contract": "9"}), "version '9'"),
        (lambda p: p.update({"metatap.features": '["nonsense"]'}), "nonsense"),
        (lambda p: p.update({"metatap.features": "{"}), "metatap.features"),
        (lambda p: p.update({"metatap.features": '["duration"]'}), f"shape [{WIDTH}]"),
        (lambda p: p.update({"metatap.background": "[]"}), "metatap.background.embedding"),
        (lambda p: p.update({"metatap.card": "[]"}), "metatap.card"),
        (lambda p: p.pop("metatap.selftest"), "metatap.selftest: missing"),
    ],
)
def test_wrong_metadata_is_refused(tmp_path: Path, change: Change, named: str) -> None:
    """A model whose metadata break the contract is refused; the error names file and key."""
    path = changed(tmp_path, change)
    with pytest.raises(ModelError, match=str(path)) as caught:
        Model(path)
    assert named in str(caught.value)


def test_failed_selftest_is_refused(tmp_path: Path) -> None:
    """A model that does not give the scores it was shipped with is refused."""

    def other_scores(props: dict[str, str]) -> None:
        test = msgspec.json.decode(props["metatap.selftest"])
        test["score"] = array_json(np.full(8, 99.0, np.float32))
        props["metatap.selftest"] = msgspec.json.encode(test).decode()

    with pytest.raises(ModelError, match="self-test"):
        Model(changed(tmp_path, other_scores))


@pytest.mark.parametrize(
    "item",
    [
        None,
        {"dtype": "<f8", "shape": [8], "data": ""},
        {"dtype": "<f4", "shape": [-1], "data": ""},
        {"dtype": "<f4", "shape": [10**9], "data": ""},
        {"dtype": "<f4", "shape": [8], "data": "!!"},
        {"dtype": "<f4", "shape": [8], "data": "AAAA"},
        {"dtype": "<f4", "shape": [8], "data": 5},
        {"dtype": "<f4", "shape": "8", "data": ""},
    ],
)
def test_malformed_arrays_are_refused(tmp_path: Path, item: object) -> None:
    """An array of another form, a size that is not that of its bytes, or no base64."""

    def spoil(props: dict[str, str]) -> None:
        test = msgspec.json.decode(props["metatap.selftest"])
        test["score"] = item
        props["metatap.selftest"] = msgspec.json.encode(test).decode()

    with pytest.raises(ModelError, match=r"metatap\.selftest\.score"):
        Model(changed(tmp_path, spoil))


def test_not_a_model(tmp_path: Path) -> None:
    """A missing file, a file of something else and a file too large are refused by name."""
    missing, text, large = (tmp_path / name for name in ("missing", "text", "large"))
    text.write_text("hello")
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for path, named in (
        (missing, "can't be read"),
        (text, "not a model"),
        (large, "larger than"),
    ):
        with pytest.raises(ModelError, match=named):
            Model(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_mutated_files_never_crash(tmp_path: Path, seed: int, flips: int) -> None:
    """A damaged model file gives ModelError or still passes its self-test, nothing else."""
    content = bytearray(shipped_model().read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(content), flips):
        content[at] = rng.integers(0, 256)
    path = tmp_path / "mutated.onnx"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        Model(path)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "metatap.contract",
                "metatap.features",
                "metatap.background",
                "metatap.selftest",
                "metatap.card",
                "metatap.name",
                "metatap.version",
            ]
        ),
        st.sampled_from(["1", "[]", "{}", '["duration"]', "null", '{"median":{}}', "\x00"]),
    )
)
def test_any_metadata_is_refused_with_a_reason(props: dict[str, str]) -> None:
    """Whatever the metadata say, parsing gives ModelError, never another error."""
    with pytest.raises(ModelError):
        parse_metadata(props)


@pytest.mark.parametrize(("name", "axis"), [("features", 0), ("heads", 1), ("background", 0)])
def test_a_graph_of_a_fixed_size_is_refused(tmp_path: Path, name: str, axis: int) -> None:
    """It could serve one size of a batch only; the message names input and axis."""
    proto = onnx.load(shipped_model())
    given = next(item for item in proto.graph.input if item.name == name)
    given.type.tensor_type.shape.dim[axis].dim_value = 8
    onnx.save(proto, tmp_path / "fixed.onnx")
    with pytest.raises(ModelError, match=rf"input {name}: shape .*axis {axis} must be free"):
        Model(tmp_path / "fixed.onnx")


def test_a_background_beyond_what_32_bits_sum_is_refused(model: Model) -> None:
    """A head made of sums that overflowed would be wrong and look right."""
    ground = np.ones((MAX_BACKGROUND + 1, model.depth), np.float32)
    with pytest.raises(ModelError, match="32769 flows, at most 32768"):
        model.adapt(some_flows(5), np.ones(5, np.float32), ground)
    head = model.adapt(some_flows(5), np.ones(5, np.float32), ground[:-1])
    assert np.isfinite(head).all()


def test_outputs_of_another_shape_are_refused(tmp_path: Path) -> None:
    """A graph that gives each row twice is named as such, whatever its declared shapes."""
    proto = onnx.load(shipped_model())
    for node in proto.graph.node:
        for at, name in enumerate(node.output):
            if name == "score":
                node.output[at] = "once"
        for at, name in enumerate(node.input):
            if name == "score":
                node.input[at] = "once"
    proto.graph.node.append(onnx.helper.make_node("Concat", ["once", "once"], ["score"], axis=0))
    path = tmp_path / "twice.onnx"
    onnx.save(proto, path)
    with pytest.raises(ModelError, match=r"output score: shape \[16, 8\], not \[8, 8\]"):
        Model(path)
