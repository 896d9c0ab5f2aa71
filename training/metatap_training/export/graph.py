"""The ONNX graph, written node by node: scoring, and adaptation inside an `If`.

opset 17, IR 8, standard operators only, so that ONNX Runtime 1.20 and newer run it. Every formula
has its twin in `learners` (`Embedder`, `RidgeHead`) or `preprocess.scaling`; `parity` compares.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from metatap.features import WIDTH, Scale, scale_slice
from metatap_training.export.adapt import adapt_branch
from metatap_training.export.nodes import Nodes
from metatap_training.learners import Committee
from metatap_training.learners.model import CAP
from metatap_training.preprocess import CLIP, Scaling

OPSET = 17
IR = 8

LOWEST = -3.0e38
"""ThresholdedRelu is x where x > alpha, else 0: with the lowest alpha it turns NaN, and nothing
else, into 0. (IsNaN and Where do the same in twenty times the time.)"""

_FLOAT = TensorProto.FLOAT


def build_graph(model: Committee, scaling: Scaling) -> onnx.ModelProto:
    """The model file's graph, without metadata; inputs and outputs as in docs/model.md."""
    depth = model.depth
    main = Nodes("m_")
    trunk = _Trunk(model, scaling, main)
    embedding = trunk.embed(main, "features", output="embedding")
    head_weights = main.op("Slice", "heads", *_rows(main, 0, depth))
    head_bias = main.op("Slice", "heads", *_rows(main, depth, depth + 1))
    product = main.op("MatMul", embedding, head_weights)
    main.op("Add", product, head_bias, output="score")
    count = main.op("Size", "support_label")
    asked = main.op("Greater", count, main.constant(0, np.int64))
    main.nodes.append(
        helper.make_node(
            "If",
            [asked],
            ["head"],
            then_branch=adapt_branch(model, trunk.embed),
            else_branch=_idle_branch(depth + 1),
        )
    )
    graph = helper.make_graph(
        main.nodes,
        "metatap",
        [
            helper.make_tensor_value_info("features", _FLOAT, ["n", WIDTH]),
            helper.make_tensor_value_info("heads", _FLOAT, [depth + 1, "P"]),
            helper.make_tensor_value_info("support", _FLOAT, ["k", WIDTH]),
            helper.make_tensor_value_info("support_label", _FLOAT, ["k"]),
            helper.make_tensor_value_info("background", _FLOAT, ["m", depth]),
        ],
        [
            helper.make_tensor_value_info("score", _FLOAT, ["n", "P"]),
            helper.make_tensor_value_info("embedding", _FLOAT, ["n", depth]),
            helper.make_tensor_value_info("head", _FLOAT, [depth + 1]),
        ],
        main.constants,
    )
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="metatap-train"
    )
    proto.ir_version = IR
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _rows(nodes: Nodes, start: int, stop: int) -> tuple[str, str, str]:
    starts, stops, axes = (nodes.constant([value], np.int64) for value in (start, stop, 0))
    return starts, stops, axes


def _idle_branch(width: int) -> onnx.GraphProto:
    nodes = Nodes("i_")
    nodes.op("Identity", nodes.constant(np.zeros(width)), output="i_head")
    outputs = [helper.make_tensor_value_info("i_head", _FLOAT, [width])]
    return helper.make_graph(nodes.nodes, "idle", [], outputs, nodes.constants)


class _Trunk:
    """Normalisation and trunk; constants live in the main graph, both branches of use share them.

    The affine part of the normalisation is (x − mean) / std as x · slope + shift.
    """

    def __init__(self, model: Committee, scaling: Scaling, main: Nodes) -> None:
        self._log = scale_slice(Scale.LOG)
        slope = 1 / scaling.std.astype(np.float64)
        self._slope = main.constant(slope)
        self._shift = main.constant(-scaling.mean * slope)
        self._one, self._zero = main.constant(1.0), main.constant(0.0)
        self._low, self._high = main.constant(-CLIP), main.constant(CLIP)
        self._cap = main.constant(CAP)
        units = [member.trunk.wide for member in model.members]
        weight = np.concatenate([unit.weight.detach().numpy().T for unit in units], 1)
        bias = np.concatenate([unit.bias.detach().numpy() for unit in units])
        self._wide = main.constant(weight), main.constant(bias)

    def embed(self, nodes: Nodes, features: str, output: str | None = None) -> str:
        """Nodes from raw features [n, F] to embeddings [n, d]."""
        block = nodes.slice_columns(features, 0, self._log.stop)
        rest = nodes.slice_columns(features, self._log.stop, WIDTH)
        log = nodes.op("Log", nodes.op("Add", nodes.op("Abs", block), self._one))
        joined = nodes.op("Concat", log, rest, axis=1)
        scaled = nodes.op("Add", nodes.op("Mul", joined, self._slope), self._shift)
        known = nodes.op("ThresholdedRelu", scaled, alpha=LOWEST)
        known = nodes.op("Clip", known, self._low, self._high)
        units = nodes.op("Gemm", known, *self._wide)
        return nodes.op("Clip", units, self._zero, self._cap, output=output)
