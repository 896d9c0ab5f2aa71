"""Scores from embeddings and heads [d + 1, P], in float32 or in integers.

In integers a weight is one of 129 steps of its pack's largest. A head comes out of the adapting
branch rounded to these steps, so that rounding it once more, in the agent's every batch, changes
nothing, and a threshold that the agent computes from embedding and head in float32 holds.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from metatap_training.export.nodes import Nodes
from metatap_training.export.trunk import UNIT_STEP
from metatap_training.learners.rounding import WEIGHT_STEPS

TINY = 1e-30
"""Keeps the weights of an empty pack, all zero, finite."""


def float_scores(nodes: Nodes, embedding: str, depth: int, output: str) -> None:
    """Scores [n, P] of embeddings float32 [n, d] under the graph's `heads`."""
    weights, bias = _parts(nodes, "heads", depth)
    nodes.op("Add", nodes.op("MatMul", embedding, weights), bias, output=output)


def integer_scores(nodes: Nodes, steps: str, depth: int, output: str) -> None:
    """Scores [n, P] of embeddings uint8 [n, d], in steps, under the graph's `heads`."""
    weights, bias = _parts(nodes, "heads", depth)
    step = _step(nodes, weights)
    ratio = nodes.op("Div", weights, step)
    whole = nodes.op("QuantizeLinear", ratio, nodes.constant(1.0), nodes.constant(0, np.int8))
    total = nodes.op("MatMulInteger", steps, whole)
    unit = nodes.op("Mul", step, nodes.constant(UNIT_STEP))
    value = nodes.op("Mul", nodes.op("Cast", total, to=TensorProto.FLOAT), unit)
    nodes.op("Add", value, bias, output=output)


def rounded(nodes: Nodes, weights: str) -> str:
    """Weights [d] of a head, rounded to the steps of `integer_scores`."""
    step = _step(nodes, weights)
    return nodes.op("Mul", nodes.op("Round", nodes.op("Div", weights, step)), step)


def _step(nodes: Nodes, weights: str) -> str:
    largest = nodes.op("ReduceMax", nodes.op("Abs", weights), axes=[0], keepdims=1)
    kept = nodes.op("Max", largest, nodes.constant(TINY))
    return nodes.op("Mul", kept, nodes.constant(1 / WEIGHT_STEPS))


def _parts(nodes: Nodes, head: str, depth: int) -> tuple[str, str]:
    """Weights and bias: the first d rows, and the last."""
    axis = nodes.constant([0], np.int64)
    ends = [nodes.constant([value], np.int64) for value in (0, depth, depth + 1)]
    weights = nodes.op("Slice", head, ends[0], ends[1], axis)
    return weights, nodes.op("Slice", head, ends[1], ends[2], axis)
