"""The ONNX graph, written node by node: scoring, and adaptation inside an `If`.

opset 17, IR 8, standard operators only, so that ONNX Runtime 1.20 and newer run it. Every formula
has its twin in `learners` (`Embedder`, `RidgeHead`) or `preprocess.scaling`; `parity` compares.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from metatap.features import WIDTH
from metatap_training.export.adapt import adapt_branch
from metatap_training.export.heads import float_scores, integer_scores
from metatap_training.export.nodes import Nodes
from metatap_training.export.trunk import FloatTrunk, IntegerTrunk
from metatap_training.learners import Committee
from metatap_training.preprocess import Scaling

OPSET = 17
IR = 8

_FLOAT = TensorProto.FLOAT


def build_graph(model: Committee, scaling: Scaling, *, integers: bool = False) -> onnx.ModelProto:
    """The model file's graph, without metadata; inputs and outputs as in docs/model.md.

    Args:
        model: The trained committee.
        scaling: Its normalisation.
        integers: Trunk and heads in 8-bit integers, as in a file that is shipped; else in float32,
            to compare with PyTorch.
    """
    depth = model.depth
    main = Nodes("m_")
    trunk: FloatTrunk | IntegerTrunk
    if integers:
        trunk = IntegerTrunk(model, scaling, main)
        steps = trunk.steps(main, "features")
        trunk.values(main, steps, output="embedding")
        integer_scores(main, steps, depth, output="score")
    else:
        trunk = FloatTrunk(model, scaling, main)
        embedding = trunk.embed(main, "features", output="embedding")
        float_scores(main, embedding, depth, output="score")
    count = main.op("Size", "support_label")
    asked = main.op("Greater", count, main.constant(0, np.int64))
    main.nodes.append(
        helper.make_node(
            "If",
            [asked],
            ["head"],
            then_branch=adapt_branch(model, trunk.embed, in_steps=integers),
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


def _idle_branch(width: int) -> onnx.GraphProto:
    nodes = Nodes("i_")
    nodes.op("Identity", nodes.constant(np.zeros(width)), output="i_head")
    outputs = [helper.make_tensor_value_info("i_head", _FLOAT, [width])]
    return helper.make_graph(nodes.nodes, "idle", [], outputs, nodes.constants)
