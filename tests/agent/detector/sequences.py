"""A small sequence model, made without training: it says how long a sequence is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from metatap.detector.contract import array_json

LENGTH = 4
FEATURES = ("duration", "orig_bytes", "dns.queries")
CLASSES = ("short", "long, or so")


def sequence_model(path: Path, **changes: Any) -> Path:
    """A file of kind `sequence`: `long, or so` from three flows on; metadata changed by name."""
    slope = np.array([[-2.0, 2.0]], np.float32)
    nodes = [
        helper.make_node("ReduceSum", ["mask", "axis"], ["count"], keepdims=1),
        helper.make_node("Sub", ["count", "middle"], ["over"]),
        helper.make_node("MatMul", ["over", "slope"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probability"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        numpy_helper.from_array(np.array(2.5, np.float32), "middle"),
        numpy_helper.from_array(slope, "slope"),
    ]
    inputs: dict[str, list[str | int | None]] = {
        "sequences": ["m", LENGTH, len(FEATURES)],
        "mask": ["m", LENGTH],
    }
    graph = helper.make_graph(
        nodes,
        "sequence",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["m", len(CLASSES)])],
        constants,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    proto.ir_version = 8
    mask = np.tril(np.ones((LENGTH, LENGTH), np.float32))
    test = {
        "sequences": array_json(np.zeros((LENGTH, LENGTH, len(FEATURES)), np.float32)),
        "mask": array_json(mask),
        "probability": array_json(expected(mask)),
    }
    props: dict[str, Any] = {
        "metatap.contract": "1",
        "metatap.kind": "sequence",
        "metatap.name": "length",
        "metatap.version": "1",
        "metatap.features": list(FEATURES),
        "metatap.classes": list(CLASSES),
        "metatap.length": LENGTH,
        "metatap.selftest": test,
        "metatap.card": {},
    }
    props |= {f"metatap.{name}": value for name, value in changes.items()}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in props.items()}
    helper.set_model_props(proto, {k: v for k, v in texts.items() if v != "null"})
    onnx.save(proto, str(path))
    return path


def expected(mask: np.ndarray) -> np.ndarray:
    """float32 [m, 2], what the model says of masks [m, L]."""
    logits = (mask.sum(1, keepdims=True) - 2.5) * np.array([[-2.0, 2.0]])
    power = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(power / power.sum(1, keepdims=True), np.float32)
