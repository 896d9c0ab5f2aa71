"""The `If` branch that makes a head: `learners.ridge.RidgeHead.solve`, node by node, in float64.

near is [k, d], far [m, d], vectors are rows [1, d].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from metatap_training.export.nodes import Nodes
from metatap_training.learners import RidgeHead
from metatap_training.learners.ridge import HARD, TINY

_FLOAT, _DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE


def adapt_branch(
    head: RidgeHead, depth: int, embed: Callable[[Nodes, str], str]
) -> onnx.GraphProto:
    """Support, its labels and background → head [d + 1].

    Args:
        head: The trained head.
        depth: d.
        embed: Writes the trunk: (nodes, features [k, F]) → embeddings [k, d].
    """
    nodes = Nodes("a_", np.float64)
    support = nodes.op("Cast", embed(nodes, "support"), to=_DOUBLE)
    given = _examples(nodes, head, support)
    fixed = _Fixed(nodes, head)
    first = _equations(nodes, fixed, given, None)
    weights = _conjugate_gradient(nodes, first, fixed.prior, head.steps)
    hard = _hard(nodes, fixed, given, weights)
    second = _equations(nodes, fixed, given, hard)
    weights = _conjugate_gradient(nodes, second, weights, head.steps)
    bias = nodes.op("Sub", second.level, nodes.total(nodes.op("Mul", weights, second.mean), 1))
    joined = nodes.op("Concat", weights, bias, axis=1)
    flat = nodes.op("Reshape", joined, nodes.constant([depth + 1], np.int64))
    nodes.op("Cast", flat, to=_FLOAT, output="a_head")
    outputs = [helper.make_tensor_value_info("a_head", _FLOAT, [depth + 1])]
    return helper.make_graph(nodes.nodes, "adapt", [], outputs, nodes.constants)


class _Fixed:
    """What is learned, as constants."""

    def __init__(self, nodes: Nodes, head: RidgeHead) -> None:
        mass = float(head.masses()[0].detach())
        share, sharpness = (float(value.detach()) for value in head.hardness())
        penalty = np.exp(head.log_penalty.detach().numpy().astype(np.float64))
        prior = head.prior.detach().numpy().astype(np.float64)[None]
        self.rest = nodes.constant(1 - mass)
        self.rest_even = nodes.constant((1 - mass) * (1 - share))
        self.rest_hard = nodes.constant((1 - mass) * share)
        self.sharpness = nodes.constant(sharpness)
        self.penalty = nodes.constant(penalty[None])
        self.prior = nodes.constant(prior)
        self.drawn = nodes.constant(penalty * prior)


@dataclass(frozen=True, slots=True)
class _Examples:
    """Names of tensors, as in `learners.ridge.Examples`; pull and weight are columns [k, 1]."""

    near: str
    pull: str
    weight: str
    far: str
    middle: str
    spread: str
    count: str


@dataclass(frozen=True, slots=True)
class _Equations:
    """Names of tensors, as in `learners.ridge.Equations`."""

    matrix: str
    right: str
    mean: str
    level: str


def _examples(nodes: Nodes, head: RidgeHead, support: str) -> _Examples:
    mass, ratio = (float(value.detach()) for value in head.masses())
    one = nodes.constant(1.0)
    is_positive = nodes.op("Greater", "support_label", nodes.constant(0.5, np.float32))
    column = nodes.constant([1], np.int64)
    positive = nodes.op("Unsqueeze", nodes.op("Cast", is_positive, to=_DOUBLE), column)
    counter = nodes.op("Mul", nodes.op("Sub", one, positive), nodes.constant(ratio))
    count = nodes.op("Max", nodes.total(positive, 0), one)
    share = nodes.op("Div", nodes.constant(mass), count)
    background = nodes.op("Cast", "background", to=_DOUBLE)
    rows = nodes.op("Gather", nodes.op("Shape", background), nodes.constant([0], np.int64))
    size = nodes.op("Max", nodes.op("Cast", rows, to=_DOUBLE), one)
    middle = nodes.op("Div", nodes.total(background, 0), size)
    far = nodes.op("Sub", background, middle)
    gram = nodes.op("MatMul", nodes.op("Transpose", far, perm=[1, 0]), far)
    return _Examples(
        near=nodes.op("Sub", support, middle),
        pull=nodes.op("Mul", share, nodes.op("Sub", positive, counter)),
        weight=nodes.op("Mul", share, nodes.op("Add", positive, counter)),
        far=far,
        middle=middle,
        spread=nodes.op("Div", gram, size),
        count=rows,
    )


def _hard(nodes: Nodes, fixed: _Fixed, given: _Examples, weights: str) -> tuple[str, str]:
    """Rows [h, d] and weights [h, 1] of the background flows a first solution confuses."""
    scores = nodes.op("MatMul", weights, nodes.op("Transpose", given.far, perm=[1, 0]))
    most = nodes.op("Min", given.count, nodes.constant([HARD], np.int64))
    top, at = nodes.name("top"), nodes.name("at")
    nodes.nodes.append(helper.make_node("TopK", [scores, most], [top, at], axis=1))
    part = nodes.op("Softmax", nodes.op("Mul", fixed.sharpness, top), axis=1)
    flat = nodes.op("Squeeze", at, nodes.constant([0], np.int64))
    rows = nodes.op("Gather", given.far, flat, axis=0)
    return rows, nodes.op("Transpose", part, perm=[1, 0])


def _gram(nodes: Nodes, rows: str, weight: str) -> str:
    """Σ weight · row rowᵀ, [d, d], of rows [k, d] and a column of weights [k, 1]."""
    turned = nodes.op("Transpose", rows, perm=[1, 0])
    return nodes.op("MatMul", turned, nodes.op("Mul", weight, rows))


def _equations(
    nodes: Nodes, fixed: _Fixed, given: _Examples, hard: tuple[str, str] | None
) -> _Equations:
    even = fixed.rest_even if hard else fixed.rest
    matrices = [
        _gram(nodes, given.near, given.weight),
        nodes.op("Mul", even, given.spread),
        nodes.op("Mul", nodes.op("EyeLike", given.spread, dtype=_DOUBLE), fixed.penalty),
    ]
    lean = nodes.total(nodes.op("Mul", given.weight, given.near), 0)
    right = nodes.op("Add", nodes.total(nodes.op("Mul", given.pull, given.near), 0), fixed.drawn)
    if hard:
        rows, part = hard[0], nodes.op("Mul", fixed.rest_hard, hard[1])
        matrices.append(_gram(nodes, rows, part))
        drawn = nodes.total(nodes.op("Mul", part, rows), 0)
        lean, right = nodes.op("Add", lean, drawn), nodes.op("Sub", right, drawn)
    total = nodes.op("Add", nodes.total(given.weight, 0), fixed.rest)
    level = nodes.op("Div", nodes.op("Sub", nodes.total(given.pull, 0), fixed.rest), total)
    mean = nodes.op("Div", lean, total)
    outer = nodes.op("MatMul", nodes.op("Transpose", lean, perm=[1, 0]), mean)
    return _Equations(
        matrix=nodes.op("Sub", nodes.op("Sum", *matrices), outer),
        right=nodes.op("Sub", right, nodes.op("Mul", level, lean)),
        mean=nodes.op("Add", mean, given.middle),
        level=level,
    )


def _conjugate_gradient(nodes: Nodes, system: _Equations, start: str, steps: int) -> str:
    """`learners.ridge.conjugate_gradient`, unrolled."""
    tiny, matrix = nodes.constant(TINY), system.matrix

    def dot(left: str, other: str) -> str:
        return nodes.total(nodes.op("Mul", left, other), 1)

    kept = nodes.op("Mul", matrix, nodes.op("EyeLike", matrix, dtype=_DOUBLE))
    diagonal = nodes.total(kept, 0)
    x = start
    residual = nodes.op("Sub", system.right, nodes.op("MatMul", start, matrix))
    scaled = nodes.op("Div", residual, diagonal)
    direction, norm = scaled, dot(residual, scaled)
    for _ in range(steps):
        image = nodes.op("MatMul", direction, matrix)
        length = nodes.op("Div", norm, nodes.op("Add", dot(direction, image), tiny))
        x = nodes.op("Add", x, nodes.op("Mul", length, direction))
        residual = nodes.op("Sub", residual, nodes.op("Mul", length, image))
        scaled = nodes.op("Div", residual, diagonal)
        following = dot(residual, scaled)
        turn = nodes.op("Div", following, nodes.op("Add", norm, tiny))
        direction = nodes.op("Add", scaled, nodes.op("Mul", turn, direction))
        norm = following
    return x
