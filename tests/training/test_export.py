"""`export`: the file computes what PyTorch computes, and the agent accepts it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, numpy_helper

from metatap.detector import Model
from metatap.features import WIDTH
from metatap_training.datasets import Flows
from metatap_training.datasets.sources import DataError
from metatap_training.export import Bundle, build_graph, make_bundle
from metatap_training.export.parity import Parity, check_parity, hard_rows, rounding
from metatap_training.export.runner import Runner
from metatap_training.export.speed import measure, session_of
from metatap_training.learners import Committee
from metatap_training.learners.model import Shape
from metatap_training.preprocess import Scaling, fit_scaling
from tests.training import synthetic

SHAPE = Shape(dense=8, stumps=8, linear=4)
MEMBERS = 3
DEPTH = MEMBERS * SHAPE.depth


@pytest.fixture(scope="module")
def flows() -> Flows:
    return synthetic.flows()


@pytest.fixture(scope="module")
def scaling(flows: Flows) -> Scaling:
    return fit_scaling(flows)


@pytest.fixture(scope="module")
def model() -> Committee:
    """A small model with nothing at its initial value."""
    torch.manual_seed(3)
    model = Committee.untrained(SHAPE, MEMBERS)
    with torch.no_grad():
        for member in model.members:
            member.head.prior.normal_(std=0.2)
            member.head.log_penalty.normal_(-2, 0.5)
            member.head.log_mass.normal_()
    return model.eval()


@pytest.fixture(scope="module")
def session(model: Committee, scaling: Scaling) -> ort.InferenceSession:
    return session_of(build_graph(model, scaling).SerializeToString())


@pytest.fixture(scope="module")
def bundle(model: Committee, scaling: Scaling, flows: Flows) -> Bundle:
    return make_bundle(model, scaling, flows, rows=100)


def test_onnx_runtime_agrees_with_pytorch(
    session: ort.InferenceSession, model: Committee, scaling: Scaling, flows: Flows
) -> None:
    """Scores, embeddings and heads within 1e-4: K = 1, 5, 10, 64, absent and huge values."""
    background = np.random.default_rng(0).random((200, DEPTH)).astype(np.float32)
    check_parity(session, model, scaling, flows.features[:200], background).require()


def test_parity_refuses_a_difference() -> None:
    """NaN is a difference too."""
    with pytest.raises(DataError, match="differs"):
        Parity(score=2e-4, embedding=0, head=0, whole=0).require()
    with pytest.raises(DataError, match="differs"):
        Parity(score=float("nan"), embedding=0, head=0, whole=0).require()


def test_hard_rows_hold_absent_and_huge_values() -> None:
    """What is tried is harder than what was given."""
    rows = hard_rows(np.ones((20, WIDTH), np.float32))
    assert np.isnan(rows).any()
    assert np.isnan(rows).all(1).any()
    assert np.nanmax(rows) == np.float32(1e19)


def test_nothing_to_adapt_gives_a_zero_head(session: ort.InferenceSession) -> None:
    """Zero support and background rows: the branch isn't entered, scoring goes on."""
    depth = DEPTH
    feed = {
        "features": np.ones((8, WIDTH), np.float32),
        "heads": np.ones((depth + 1, 8), np.float32),
        "support": np.zeros((0, WIDTH), np.float32),
        "support_label": np.zeros(0, np.float32),
        "background": np.zeros((0, depth), np.float32),
    }
    score, embedding, head = session.run(["score", "embedding", "head"], feed)
    assert head.shape == (depth + 1,)
    assert not head.any()
    np.testing.assert_allclose(score[:, 0], embedding.sum(1) + 1, rtol=1e-5)


def test_nothing_to_score_still_adapts(session: ort.InferenceSession, flows: Flows) -> None:
    """Zero rows to score, one row to adapt, a background smaller than the hard set."""
    background = np.random.default_rng(0).random((3, DEPTH)).astype(np.float32)
    feed = {
        "features": np.zeros((0, WIDTH), np.float32),
        "heads": np.zeros((DEPTH + 1, 8), np.float32),
        "support": flows.features[:1],
        "support_label": np.ones(1, np.float32),
        "background": background,
    }
    score, embedding, head = session.run(["score", "embedding", "head"], feed)
    assert score.shape == (0, 8)
    assert embedding.shape == (0, DEPTH)
    assert np.isfinite(head).all()
    assert head.any()


def test_only_counter_examples_still_give_a_finite_head(
    session: ort.InferenceSession, flows: Flows
) -> None:
    """A pack without examples is refused elsewhere; the graph must not produce NaN."""
    feed = {
        "features": np.zeros((0, WIDTH), np.float32),
        "heads": np.zeros((DEPTH + 1, 8), np.float32),
        "support": flows.features[:2],
        "support_label": np.zeros(2, np.float32),
        "background": np.random.default_rng(0).random((50, DEPTH)).astype(np.float32),
    }
    assert np.isfinite(session.run(["head"], feed)[0]).all()


def test_only_standard_operators_of_an_old_opset(model: Committee, scaling: Scaling) -> None:
    """Older runtimes must read the file."""
    proto = build_graph(model, scaling)
    assert [(item.domain, item.version) for item in proto.opset_import] == [("", 17)]
    assert proto.ir_version <= 9


def test_the_agent_loads_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    """Its own checks and self-test pass, and its scores are PyTorch's."""
    path = tmp_path / "m.onnx"
    size = bundle.write(path, {"a": 1})
    assert path.stat().st_size == size
    assert not path.with_suffix(".part").exists()
    model = Model(path)
    assert model.meta.card == {"a": 1}
    head = model.adapt(bundle.support, np.ones(len(bundle.support), np.float32))
    score, _ = model.score(bundle.features, model.stack([head]))
    np.testing.assert_allclose(score[:, 0], bundle.score, atol=1e-4)
    assert model.meta.background.embedding.shape == bundle.background.shape


def test_the_background_is_balanced_and_says_where_it_came_from(bundle: Bundle) -> None:
    """Networks and their services share it about alike."""
    assert set(bundle.provenance) == {f"source-{network}" for network in synthetic.NETWORKS}
    assert min(bundle.provenance.values()) >= 15
    assert sum(bundle.provenance.values()) == len(bundle.background) <= 100


def test_the_same_model_gives_the_same_bytes(bundle: Bundle) -> None:
    """A file can be compared by its hash."""
    one, two = (bundle.proto({"a": 1}).SerializeToString(deterministic=True) for _ in range(2))
    assert one == two
    assert onnx.load_from_string(one).graph.name == "metatap"


def test_a_file_that_is_too_large_is_not_written(bundle: Bundle, tmp_path: Path) -> None:
    """The limit of a shipped model is hard."""
    path = tmp_path / "m.onnx"
    with pytest.raises(DataError, match="more than"):
        bundle.write(path, {"a": "x" * 2**21})
    assert not path.exists()


def test_a_column_that_was_never_present_has_no_quantiles(
    model: Committee, scaling: Scaling, flows: Flows
) -> None:
    """NaN says so; the JSON itself holds no NaN."""
    features = flows.features.copy()
    features[:, 3] = np.nan
    bundle = make_bundle(model, scaling, replace(flows, features=features), rows=40)
    assert np.isnan(bundle.quantiles[:, 3]).all()
    assert not np.isnan(bundle.quantiles[:, 0]).any()
    for item in bundle.proto({}).metadata_props:
        if item.value.startswith("{"):
            json.loads(item.value, parse_constant=pytest.fail)


def test_cost_is_measured(session: ort.InferenceSession, flows: Flows) -> None:
    """Both figures are there and positive."""
    cost = measure(session, flows.features, np.zeros((50, DEPTH), np.float32))
    assert cost["flows_per_second"] > 0
    assert cost["adapt_ms"] > 0


@pytest.fixture(scope="module")
def integers(model: Committee, scaling: Scaling) -> Runner:
    return Runner(build_graph(model, scaling, integers=True))


def test_integers_score_alike_in_any_batch(integers: Runner, flows: Flows) -> None:
    """To the last bit: their sums are exact, whatever the shape."""
    rows, ground = flows.features[:300], integers.embed(flows.features[300:500])
    head = integers.adapt(rows[:5], ground)
    whole = integers.score(rows, head)
    for size in (1, 3, 64):
        parts = [integers.score(rows[at : at + size], head) for at in range(0, len(rows), size)]
        assert np.array_equal(np.concatenate(parts), whole)


def test_a_threshold_from_embeddings_holds_for_integer_scores(
    integers: Runner, flows: Flows
) -> None:
    """A head is rounded when it is made, so that scoring rounds nothing more."""
    rows, ground = flows.features[:300], integers.embed(flows.features[300:500])
    head = integers.adapt(rows[:5], ground)
    by_hand = integers.embed(rows) @ head[:-1] + head[-1]
    np.testing.assert_allclose(integers.score(rows, head), by_hand, atol=1e-5)


def test_integers_stay_near_float32(
    integers: Runner, model: Committee, scaling: Scaling, flows: Flows
) -> None:
    """Within a hundredth of the distance of the two classes in the median, odd rows included."""
    exact = Runner(build_graph(model, scaling))
    rows = hard_rows(flows.features[:200])
    gaps = np.abs(exact.embed(rows) - integers.embed(rows))
    assert gaps.max() < 0.3
    assert np.median(gaps) < 0.02


def test_weights_are_rounded_in_both_graphs(
    integers: Runner, model: Committee, scaling: Scaling, flows: Flows
) -> None:
    """As in training, so that only features, units and heads are left to round."""
    exact = Runner(build_graph(model, scaling))
    rows = hard_rows(flows.features[:200])
    assert rounding(exact, integers, rows, rows[:5], flows.features[300:500]) < 0.01


def test_a_background_like_the_support_gives_a_finite_head(
    integers: Runner, model: Committee, scaling: Scaling, flows: Flows
) -> None:
    """All embeddings alike: there is nothing to tell apart, and nothing to solve."""
    for graph in (Runner(build_graph(model, scaling)), integers):
        background = np.repeat(graph.embed(flows.features[:1]), 300, 0)
        assert np.isfinite(graph.adapt(flows.features[:1], background)).all()


def test_no_pair_of_products_overflows_16_bits(model: Committee, scaling: Scaling) -> None:
    """What processors without VNNI would cut off."""
    proto = build_graph(model, scaling, integers=True)
    weights = [
        numpy_helper.to_array(item)
        for item in proto.graph.initializer
        if item.data_type == TensorProto.INT8 and len(item.dims) == 2
    ]
    assert len(weights) == 1
    pairs = np.abs(weights[0].astype(int))
    assert 255 * 2 * pairs.max() < 2**15
    assert pairs.max() == 64
