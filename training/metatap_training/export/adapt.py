"""The `If` branch that makes a head: `RidgeHead.solve` of all M members at once, node by node.

near is [M, k, d], ground [M, m, d], vectors are rows [M, 1, d]; d is a member's own width. All is
float64, where the order of sums does not show, but for what costs most in a file of integers: the
background's second moments are summed in integers, which is exact and a third of the time. An int32
holds the sum over 33,025 flows; the agent gives no more than 32,768.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from torch import Tensor

from metatap_training.export.heads import rounded_head
from metatap_training.export.nodes import Nodes
from metatap_training.export.trunk import UNIT_STEP
from metatap_training.learners import Committee, RidgeHead
from metatap_training.learners.ridge import HARD, TINY

_FLOAT, _DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE
_TURN = [0, 2, 1]
"""Transposes each member's matrix."""


def adapt_branch(
    model: Committee, embed: Callable[[Nodes, str], str], *, in_steps: bool = False
) -> onnx.GraphProto:
    """Support, its labels and background → head [M·d + 1].

    Args:
        model: The trained committee, all members of one shape.
        embed: Writes the trunk: (nodes, features [k, F]) → embeddings [k, M·d].
        in_steps: The background is in steps of `UNIT_STEP`, and the weights are to be rounded to
            the steps that an integer graph scores with.
    """
    nodes = Nodes("a_", np.float64)
    heads = [member.head for member in model.members]
    members, width = len(heads), model.depth
    fixed = _Fixed(nodes, heads)
    support = nodes.op("Cast", embed(nodes, "support"), to=_DOUBLE)
    shape = nodes.constant([0, members, width // members], np.int64)
    given = _examples(
        nodes,
        fixed,
        _by_member(nodes, support, shape),
        _ground(nodes, _by_member(nodes, "background", shape), in_steps=in_steps),
    )
    first = _equations(nodes, fixed, given, None)
    weights = _conjugate_gradient(nodes, first, fixed.prior, heads[0].steps, fixed.eye)
    hard = _hard(nodes, fixed, given, weights)
    second = _equations(nodes, fixed, given, hard)
    weights = _conjugate_gradient(nodes, second, weights, heads[0].steps, fixed.eye)
    bias = nodes.op("Sub", second.level, nodes.total(nodes.op("Mul", weights, second.mean), 2))
    flat = nodes.op("Reshape", weights, nodes.constant([width], np.int64))
    whole = nodes.op("Reshape", nodes.total(bias, 0), nodes.constant([1], np.int64))
    joined = nodes.op("Concat", flat, whole, axis=0)
    mean = nodes.op("Mul", joined, nodes.constant(1 / members))
    if in_steps:
        mean = rounded_head(nodes, mean, width)
    nodes.op("Cast", mean, to=_FLOAT, output="a_head")
    outputs = [helper.make_tensor_value_info("a_head", _FLOAT, [width + 1])]
    return helper.make_graph(nodes.nodes, "adapt", [], outputs, nodes.constants)


def _by_member(nodes: Nodes, embedding: str, shape: str) -> str:
    """Embeddings [n, M·d] as [M, n, d]."""
    return nodes.op("Transpose", nodes.op("Reshape", embedding, shape), perm=[1, 0, 2])


class _Fixed:
    """What is learned, as constants: numbers [M, 1, 1], vectors [M, 1, d]."""

    def __init__(self, nodes: Nodes, heads: Sequence[RidgeHead]) -> None:
        mass, ratio = (_numbers(head.masses()[at] for head in heads) for at in (0, 1))
        share, sharpness = (_numbers(head.hardness()[at] for head in heads) for at in (0, 1))
        penalty = np.exp(_vectors(head.log_penalty for head in heads))
        prior = _vectors(head.prior for head in heads)
        self.mass = nodes.constant(mass)
        self.ratio = nodes.constant(ratio)
        self.rest = nodes.constant(1 - mass)
        self.rest_even = nodes.constant((1 - mass) * (1 - share))
        self.rest_hard = nodes.constant((1 - mass) * share)
        self.sharpness = nodes.constant(sharpness)
        self.eye = nodes.constant(np.eye(penalty.shape[2]))
        self.penalty = nodes.constant(penalty * np.eye(penalty.shape[2]))
        self.prior = nodes.constant(prior)
        self.drawn = nodes.constant(penalty * prior)


def _numbers(values: Iterable[Tensor]) -> npt.NDArray[np.float64]:
    return np.array([[[float(value.detach())]] for value in values])


def _vectors(values: Iterable[Tensor]) -> npt.NDArray[np.float64]:
    return np.stack([value.detach().numpy().astype(np.float64)[None] for value in values])


@dataclass(frozen=True, slots=True)
class _Examples:
    """Names of tensors, as in `learners.ridge.Examples`; pull and weight are columns [M, k, 1]."""

    near: str
    pull: str
    weight: str
    ground: str
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


@dataclass(frozen=True, slots=True)
class _Ground:
    """Background float64 [M, m, d] and its second moments [M, d, d], not yet over m."""

    rows: str
    moments: str


def _ground(nodes: Nodes, background: str, *, in_steps: bool) -> _Ground:
    if not in_steps:
        rows = nodes.op("Cast", background, to=_DOUBLE)
        turned = nodes.op("Transpose", rows, perm=_TURN)
        return _Ground(rows, nodes.op("MatMul", turned, rows))
    step = nodes.constant(UNIT_STEP, np.float32)
    steps = nodes.op("QuantizeLinear", background, step, nodes.constant(0, np.uint8))
    whole = nodes.op("MatMulInteger", nodes.op("Transpose", steps, perm=_TURN), steps)
    # The same float32 step as everywhere, exactly, in float64.
    exact = float(np.float32(UNIT_STEP))
    moments = nodes.op("Mul", nodes.op("Cast", whole, to=_DOUBLE), nodes.constant(exact**2))
    rows = nodes.op("Mul", nodes.op("Cast", steps, to=_DOUBLE), nodes.constant(exact))
    return _Ground(rows, moments)


def _examples(nodes: Nodes, fixed: _Fixed, support: str, ground: _Ground) -> _Examples:
    one = nodes.constant(1.0)
    is_positive = nodes.op("Greater", "support_label", nodes.constant(0.5, np.float32))
    axes = nodes.constant([0, 2], np.int64)
    positive = nodes.op("Unsqueeze", nodes.op("Cast", is_positive, to=_DOUBLE), axes)
    counter = nodes.op("Mul", nodes.op("Sub", one, positive), fixed.ratio)
    count = nodes.op("Max", nodes.total(positive, 1), one)
    share = nodes.op("Div", fixed.mass, count)
    rows = nodes.op("Gather", nodes.op("Shape", ground.rows), nodes.constant([1], np.int64))
    size = nodes.op("Max", nodes.op("Cast", rows, to=_DOUBLE), one)
    middle = nodes.op("Div", nodes.total(ground.rows, 1), size)
    square = nodes.op("MatMul", nodes.op("Transpose", middle, perm=_TURN), middle)
    return _Examples(
        near=nodes.op("Sub", support, middle),
        pull=nodes.op("Mul", share, nodes.op("Sub", positive, counter)),
        weight=nodes.op("Mul", share, nodes.op("Add", positive, counter)),
        ground=ground.rows,
        middle=middle,
        spread=nodes.op("Sub", nodes.op("Div", ground.moments, size), square),
        count=rows,
    )


def _hard(nodes: Nodes, fixed: _Fixed, given: _Examples, weights: str) -> tuple[str, str]:
    """Rows [M, h, d], less the mean, and weights [M, h, 1] of what a first head confuses."""
    scores = nodes.op("MatMul", given.ground, nodes.op("Transpose", weights, perm=_TURN))
    most = nodes.op("Min", given.count, nodes.constant([HARD], np.int64))
    top, at = nodes.name("top"), nodes.name("at")
    nodes.nodes.append(helper.make_node("TopK", [scores, most], [top, at], axis=1))
    sharp = nodes.op("Mul", fixed.sharpness, top)
    rows = nodes.op("Sub", nodes.op("GatherND", given.ground, at, batch_dims=1), given.middle)
    return rows, nodes.op("Softmax", sharp, axis=1)


def _equations(
    nodes: Nodes, fixed: _Fixed, given: _Examples, hard: tuple[str, str] | None
) -> _Equations:
    even = fixed.rest_even if hard else fixed.rest
    weighted_near = nodes.op("Mul", given.weight, given.near)
    matrices = [
        nodes.op("MatMul", nodes.op("Transpose", given.near, perm=_TURN), weighted_near),
        nodes.op("Mul", even, given.spread),
        fixed.penalty,
    ]
    lean = nodes.total(weighted_near, 1)
    right = nodes.op("Add", nodes.total(nodes.op("Mul", given.pull, given.near), 1), fixed.drawn)
    if hard:
        rows, part = hard[0], nodes.op("Mul", fixed.rest_hard, hard[1])
        weighted = nodes.op("Mul", part, rows)
        turned = nodes.op("Transpose", rows, perm=_TURN)
        matrices.append(nodes.op("MatMul", turned, weighted))
        drawn = nodes.total(weighted, 1)
        lean, right = nodes.op("Add", lean, drawn), nodes.op("Sub", right, drawn)
    total = nodes.op("Add", nodes.total(given.weight, 1), fixed.rest)
    level = nodes.op("Div", nodes.op("Sub", nodes.total(given.pull, 1), fixed.rest), total)
    mean = nodes.op("Div", lean, total)
    outer = nodes.op("MatMul", nodes.op("Transpose", lean, perm=_TURN), mean)
    return _Equations(
        matrix=nodes.op("Sub", nodes.op("Sum", *matrices), outer),
        right=nodes.op("Sub", right, nodes.op("Mul", level, lean)),
        mean=nodes.op("Add", mean, given.middle),
        level=level,
    )


def _conjugate_gradient(nodes: Nodes, system: _Equations, start: str, steps: int, eye: str) -> str:
    """`learners.ridge.conjugate_gradient`, unrolled."""
    tiny, matrix = nodes.constant(TINY), system.matrix

    def dot(left: str, other: str) -> str:
        return nodes.total(nodes.op("Mul", left, other), 2)

    diagonal = nodes.total(nodes.op("Mul", matrix, eye), 1)
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
