"""ONNX files made by hand: a small sound one, and what can be put into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from metatap.features import NAMES

FLOAT = TensorProto.FLOAT
FEATURES = NAMES[:3]

DESCRIPTION = f"""\
classifier: 1
name: by-hand
version: "1"
author: lab
created: 2026-11-24
features: [{", ".join(FEATURES)}]
classes: [benign, {{id: scan, severity: high, threshold: 0.5, attack: [T1046]}}]
"""


def value(name: str, *shape: Any) -> onnx.ValueInfoProto:
    """A float32 input or output."""
    return helper.make_tensor_value_info(name, FLOAT, list(shape))


def sound(*more: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> onnx.ModelProto:
    """A classifier of two classes; further nodes and tensors beside what it needs."""
    weights = np.array([[1, -1], [0.5, 0], [0, 2]], np.float32)
    nodes = [
        helper.make_node("IsNaN", ["x"], ["absent"]),
        helper.make_node("Where", ["absent", "zero", "x"], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
    ]
    graph = helper.make_graph(
        [*nodes, *more],
        "by-hand",
        [value("x", "n", len(FEATURES))],
        [value("p", "n", 2)],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
            *tensors,
        ],
    )
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    )
    proto.ir_version = 8
    return proto


def branch(node: onnx.NodeProto, depth: int = 1) -> onnx.NodeProto:
    """An `If` whose branches hold a node that makes `hidden`, so many levels down."""
    for at in range(depth):
        output = f"hidden{at}"
        graph = helper.make_graph([node], f"level{at}", [], [value(node.output[0], None)])
        node = helper.make_node("If", ["zero"], [output], then_branch=graph, else_branch=graph)
    return node


def write(folder: Path, content: onnx.ModelProto | bytes) -> Path:
    """The file, and the description beside it."""
    path = folder / "model.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    path.with_suffix(".yaml").write_text(DESCRIPTION, encoding="utf-8")
    return path
