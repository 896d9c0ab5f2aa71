"""Network → ONNX file of kind `sequence` (docs/model.md), node by node, normalisation inside.

opset 17, IR 8, standard operators only. Compared with PyTorch before it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper

from metatap.detector.contract import CONTRACT_VERSION, Kind, array_json
from metatap.detector.sequence_contract import SEQUENCE_INPUTS, SEQUENCE_OUTPUT
from metatap_training.datasets.sources import DataError
from metatap_training.export.graph import IR, OPSET
from metatap_training.export.nodes import Nodes
from metatap_training.export.trunk import LOWEST
from metatap_training.founding.columns import CLIP, Columns
from metatap_training.founding.networks import GRU_UNITS, POOL, Cnn, Network, Rnn
from metatap_training.founding.sequences import FloatArray, Sequences
from metatap_training.founding.train import probabilities

VERSION = "1.0.0"
TOLERANCE = 1e-4
SELFTEST_ROWS = 8


def write_model(
    path: Path,
    network: Network,
    columns: Columns,
    *,
    classes: Sequence[str],
    sample: Sequences,
    card: Mapping[str, Any],
) -> float:
    """Write a network's file, whole or not at all.

    Args:
        path: The file.
        network: Trained.
        columns: Its features and normalisation.
        classes: Names of the C classes.
        sample: Sequences that are compared; the first ones become the self-test.
        card: What it was trained on, and how it did.

    Returns:
        The largest difference to PyTorch's probabilities on the sample.

    Raises:
        DataError: it is more than `TOLERANCE`.
    """
    proto = build_graph(network, columns, sample.mask.shape[1], len(classes))
    expected = probabilities(network, columns.apply(sample.features, sample.mask), sample.mask)
    raw = np.ascontiguousarray(sample.features[..., columns.index])
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = dict(zip(SEQUENCE_INPUTS, (raw, sample.mask), strict=True))
    gap = float(np.abs(session.run([SEQUENCE_OUTPUT], feed)[0] - expected).max())
    if not gap <= TOLERANCE:
        raise DataError(f"{path}: the ONNX file differs from PyTorch by {gap:.2g}")
    test = {
        "sequences": array_json(raw[:SELFTEST_ROWS]),
        "mask": array_json(sample.mask[:SELFTEST_ROWS]),
        "probability": array_json(expected[:SELFTEST_ROWS]),
    }
    props = {
        "metatap.contract": CONTRACT_VERSION,
        "metatap.kind": Kind.SEQUENCE.value,
        "metatap.name": f"founding-{network.name.lower()}",
        "metatap.version": VERSION,
        "metatap.features": json.dumps(columns.names),
        "metatap.classes": json.dumps(list(classes)),
        "metatap.length": json.dumps(sample.mask.shape[1]),
        "metatap.selftest": json.dumps(test, allow_nan=False),
        "metatap.card": json.dumps(dict(card), allow_nan=False),
    }
    helper.set_model_props(proto, props)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(proto.SerializeToString(deterministic=True))
    part.replace(path)
    return gap


def build_graph(network: Network, columns: Columns, length: int, classes: int) -> onnx.ModelProto:
    """The file's graph, without metadata."""
    nodes = Nodes("n_")
    width = len(columns.index)
    images = _images(nodes, columns, length, width)
    logits = (
        _cnn(nodes, network, images, (length, width))
        if isinstance(network, Cnn)
        else _rnn(nodes, network, images)
    )
    nodes.op("Softmax", logits, output=SEQUENCE_OUTPUT, axis=1)
    sizes = ([length, width], [length])
    graph = helper.make_graph(
        nodes.nodes,
        "metatap",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["m", *size])
            for name, size in zip(SEQUENCE_INPUTS, sizes, strict=True)
        ],
        [helper.make_tensor_value_info(SEQUENCE_OUTPUT, TensorProto.FLOAT, ["m", classes])],
        nodes.constants,
    )
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="metatap-train"
    )
    proto.ir_version = IR
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _images(nodes: Nodes, columns: Columns, length: int, width: int) -> str:
    """Normalised and masked [m, L, F]; twin of `Columns.apply`."""
    sequences, mask = SEQUENCE_INPUTS
    flows = nodes.op("Reshape", sequences, nodes.constant([-1, width], np.int64))
    block = nodes.slice_columns(flows, 0, columns.logs)
    rest = nodes.slice_columns(flows, columns.logs, width)
    log = nodes.op("Log", nodes.op("Add", nodes.op("Abs", block), nodes.constant(1.0)))
    joined = nodes.op("Concat", log, rest, axis=1)
    centred = nodes.op("Sub", joined, nodes.constant(columns.mean))
    scaled = nodes.op("Div", centred, nodes.constant(columns.std))
    known = nodes.op("ThresholdedRelu", scaled, alpha=LOWEST)
    known = nodes.op("Clip", known, nodes.constant(-CLIP), nodes.constant(CLIP))
    images = nodes.op("Reshape", known, nodes.constant([-1, length, width], np.int64))
    there = nodes.op("Unsqueeze", mask, nodes.constant([2], np.int64))
    return nodes.op("Mul", images, there)


def _cnn(nodes: Nodes, network: Cnn, images: str, sides: tuple[int, int]) -> str:
    planes = nodes.op("Reshape", images, nodes.constant([-1, 1, *sides], np.int64))
    for layer in (network.first, network.second):
        planes = nodes.op("Relu", nodes.op("Conv", planes, *_weights(nodes, layer)))
        planes = nodes.op("MaxPool", planes, kernel_shape=[POOL, POOL], strides=[POOL, POOL])
    units = nodes.op("Flatten", planes, axis=1)
    units = nodes.op("Relu", nodes.op("Gemm", units, *_weights(nodes, network.dense), transB=1))
    return nodes.op("Gemm", units, *_weights(nodes, network.last), transB=1)


def _rnn(nodes: Nodes, network: Rnn, images: str) -> str:
    """A GRU whose gates ONNX wants as update, reset, new; PyTorch has reset, update, new."""
    gru = network.gru
    inner = [_gates(gru, name) for name in ("weight_ih_l0", "weight_hh_l0")]
    bias = np.concatenate([_gates(gru, name) for name in ("bias_ih_l0", "bias_hh_l0")])
    count = nodes.op("ReduceSum", SEQUENCE_INPUTS[1], nodes.constant([1], np.int64), keepdims=0)
    name = nodes.name("state")
    nodes.nodes.append(
        helper.make_node(
            "GRU",
            [
                nodes.op("Transpose", images, perm=[1, 0, 2]),
                *(nodes.constant(value[None]) for value in (*inner, bias)),
                nodes.op("Cast", count, to=TensorProto.INT32),
            ],
            ["", name],
            hidden_size=GRU_UNITS,
            linear_before_reset=1,
        )
    )
    state = nodes.op("Squeeze", name, nodes.constant([0], np.int64))
    return nodes.op("Gemm", state, *_weights(nodes, network.last), transB=1)


def _gates(gru: torch.nn.GRU, name: str) -> FloatArray:
    reset, update, new = np.split(gru.get_parameter(name).detach().numpy(), 3)
    return np.concatenate([update, reset, new])


def _weights(nodes: Nodes, layer: torch.nn.Conv2d | torch.nn.Linear) -> tuple[str, str]:
    bias = layer.bias
    if bias is None:
        raise DataError("a layer without bias")
    return nodes.constant(layer.weight.detach().numpy()), nodes.constant(bias.detach().numpy())
