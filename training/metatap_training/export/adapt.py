"""The `If` branch that makes a head: `RidgeHead.solve` of all M members at once, node by node.

near is [M, k, d], background [m, M·d], vectors are rows [M, 1, d]; d is a member's own width. What
is solved is float64, where the order of sums does not show. What runs over the background is not: a
file of integers sums its first and second moments in integers, which is exact and a third of the
time, and chooses and weighs the hard flows in float32, from the background as it was given; a file
in float32 is there to be compared with PyTorch, and does it in float64, for two flows whose scores
differ in the last digits must not change places. An int32 holds the sum over 33,025 flows; the
agent gives no more than 32,768.

Small tensors cost what ONNX Runtime takes to call a node, about a microsecond, so the solver is
written for few nodes, see `learners.ridge.conjugate_gradient`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from torch import Tensor

from metatap_training.export.heads import rounded
from metatap_training.export.nodes import Nodes
from metatap_training.export.trunk import UNIT_STEP
from metatap_training.learners import Committee, RidgeHead
from metatap_training.learners.ridge import HARD

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
    shape = nodes.constant([0, members, fixed.width], np.int64)
    support = nodes.op("Cast", embed(nodes, "support"), to=_DOUBLE)
    near = nodes.op("Transpose", nodes.op("Reshape", support, shape), perm=[1, 0, 2])
    ground = _ground(nodes, members, fixed.width, in_steps=in_steps)
    given = _examples(nodes, fixed, near, ground)
    first = _equations(nodes, given, _Sums(given.even, given.lean, given.right))
    weights = _conjugate_gradient(nodes, first, fixed.prior, heads[0].steps, fixed.eye)
    second = _equations(nodes, given, _harder(nodes, fixed, given, ground, weights))
    weights = _conjugate_gradient(nodes, second, weights, heads[0].steps, fixed.eye)
    share = nodes.constant(1 / members)
    flat = nodes.constant([width], np.int64)
    weights = nodes.op("Mul", nodes.op("Reshape", weights, flat), share)
    if in_steps:
        weights = rounded(nodes, weights)
    # The bias is that of the rounded weights, so that rounding moves no mean.
    level = nodes.op("Mul", nodes.total(given.level, 0), share)
    drift = nodes.total(nodes.op("Mul", weights, nodes.op("Reshape", second.mean, flat)), 0)
    bias = nodes.op("Sub", nodes.op("Reshape", level, nodes.constant([1], np.int64)), drift)
    joined = nodes.op("Concat", weights, bias, axis=0)
    nodes.op("Cast", joined, to=_FLOAT, output="a_head")
    outputs = [helper.make_tensor_value_info("a_head", _FLOAT, [width + 1])]
    return helper.make_graph(nodes.nodes, "adapt", [], outputs, nodes.constants)


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
        self.width = penalty.shape[2]
        self.members = len(heads)
        self.eye = nodes.constant(np.eye(self.width))
        self.penalty = nodes.constant(penalty * np.eye(self.width))
        self.prior = nodes.constant(prior)
        self.drawn = nodes.constant(penalty * prior)


def _numbers(values: Iterable[Tensor]) -> npt.NDArray[np.float64]:
    return np.array([[[float(value.detach())]] for value in values])


def _vectors(values: Iterable[Tensor]) -> npt.NDArray[np.float64]:
    return np.stack([value.detach().numpy().astype(np.float64)[None] for value in values])


@dataclass(frozen=True, slots=True)
class _Ground:
    """Names: mean [M, 1, d], second moments about zero [M, d, d], count int64 [1].

    Attributes:
        rows: [m, M·d], the background in the type that hard flows are chosen in.
        wide: That type is float64.
    """

    middle: str
    moments: str
    count: str
    rows: str
    wide: bool


@dataclass(frozen=True, slots=True)
class _Examples:
    """Names of what both solutions share.

    Attributes:
        near: [M, d, d], the support's part of the matrix, with the penalty.
        spread: [M, d, d], covariance of the background.
        even: [M, d, d], the first solution's matrix, but for the mean.
        lean: [M, 1, d], Σ ωz, relative to the background's mean.
        right: [M, 1, d], Σ ωyz + Λw₀, likewise.
        middle: [M, 1, d], mean of the background.
        total: [M, 1, 1], Ω.
        level: [M, 1, 1], ȳ.
    """

    near: str
    spread: str
    even: str
    lean: str
    right: str
    middle: str
    total: str
    level: str


@dataclass(frozen=True, slots=True)
class _Sums:
    """Names of a solution's sums: matrix [M, d, d], lean and right [M, 1, d] as in `_Examples`."""

    matrix: str
    lean: str
    right: str


@dataclass(frozen=True, slots=True)
class _Equations:
    """Names of tensors, as in `learners.ridge.Equations`."""

    matrix: str
    right: str
    mean: str


def _ground(nodes: Nodes, members: int, width: int, *, in_steps: bool) -> _Ground:
    """First and second moments of the background of M members of width d."""
    rows = wide = "background"
    shape = nodes.constant([0, members, width], np.int64)
    if in_steps:
        step = nodes.constant(UNIT_STEP, np.float32)
        rows = nodes.op("QuantizeLinear", rows, step, nodes.constant(0, np.uint8))
    count = nodes.op("Gather", nodes.op("Shape", rows), nodes.constant([0], np.int64))
    size = nodes.op("Max", nodes.op("Cast", count, to=_DOUBLE), nodes.constant(1.0))
    if in_steps:
        lone = nodes.op("Concat", nodes.constant([1], np.int64), count, axis=0)
        ones = nodes.op("Expand", nodes.constant(1, np.uint8), lone)
        first = nodes.op("Cast", nodes.op("MatMulInteger", ones, rows), to=_DOUBLE)
        parts = nodes.split(rows, members, axis=1)
        turned = [nodes.op("Transpose", part, perm=[1, 0]) for part in parts]
        pairs = zip(turned, parts, strict=True)
        products = [nodes.op("MatMulInteger", *pair) for pair in pairs]
        square = nodes.constant([members, width, width], np.int64)
        whole = nodes.op("Reshape", nodes.op("Concat", *products, axis=0), square)
        second = nodes.op("Cast", whole, to=_DOUBLE)
        # The same float32 step as everywhere, exactly, in float64.
        exact = nodes.constant(float(np.float32(UNIT_STEP)))
        first = nodes.op("Mul", first, exact)
        second = nodes.op("Mul", second, nodes.op("Mul", exact, exact))
    else:
        wide = nodes.op("Cast", rows, to=_DOUBLE)
        first = nodes.total(wide, 0)
        split = nodes.op("Transpose", nodes.op("Reshape", wide, shape), perm=[1, 0, 2])
        second = nodes.op("MatMul", nodes.op("Transpose", split, perm=_TURN), split)
    middle = nodes.op("Reshape", nodes.op("Div", first, size), shape)
    return _Ground(
        middle=nodes.op("Transpose", middle, perm=[1, 0, 2]),
        moments=nodes.op("Div", second, size),
        count=count,
        rows="background" if in_steps else wide,
        wide=not in_steps,
    )


def _examples(nodes: Nodes, fixed: _Fixed, support: str, ground: _Ground) -> _Examples:
    one = nodes.constant(1.0)
    is_positive = nodes.op("Greater", "support_label", nodes.constant(0.5, np.float32))
    axes = nodes.constant([0, 2], np.int64)
    positive = nodes.op("Unsqueeze", nodes.op("Cast", is_positive, to=_DOUBLE), axes)
    counter = nodes.op("Mul", nodes.op("Sub", one, positive), fixed.ratio)
    share = nodes.op("Div", fixed.mass, nodes.op("Max", nodes.total(positive, 1), one))
    pull = nodes.op("Mul", share, nodes.op("Sub", positive, counter))
    weight = nodes.op("Mul", share, nodes.op("Add", positive, counter))
    near = nodes.op("Sub", support, ground.middle)
    weighted = nodes.op("Mul", weight, near)
    outer = nodes.op("MatMul", nodes.op("Transpose", near, perm=_TURN), weighted)
    square = nodes.op("MatMul", nodes.op("Transpose", ground.middle, perm=_TURN), ground.middle)
    spread = nodes.op("Sub", ground.moments, square)
    matrix = nodes.op("Add", outer, fixed.penalty)
    total = nodes.op("Add", nodes.total(weight, 1), fixed.rest)
    return _Examples(
        near=matrix,
        spread=spread,
        even=nodes.op("Add", matrix, nodes.op("Mul", fixed.rest, spread)),
        lean=nodes.total(weighted, 1),
        right=nodes.op("Add", nodes.total(nodes.op("Mul", pull, near), 1), fixed.drawn),
        middle=ground.middle,
        total=total,
        level=nodes.op("Div", nodes.op("Sub", nodes.total(pull, 1), fixed.rest), total),
    )


def _harder(nodes: Nodes, fixed: _Fixed, given: _Examples, ground: _Ground, weights: str) -> _Sums:
    """The second solution's sums: a share of the mass goes to what a first head confuses.

    One product of the background with the members' weights on a diagonal of blocks [M, M·d] scores
    it for all members; a flow's M rows are gathered from it as [m·M, d], so it is never transposed.
    """
    members, width = fixed.members, fixed.width
    kind, plain = (_DOUBLE, np.float64) if ground.wide else (_FLOAT, np.float32)
    block = nodes.constant(np.eye(members)[:, :, None], plain)
    aside = nodes.op("Transpose", nodes.op("Cast", weights, to=kind), perm=[1, 0, 2])
    blocks = nodes.op(
        "Reshape",
        nodes.op("Mul", block, aside),
        nodes.constant([members, members * width], np.int64),
    )
    scores = nodes.op("Gemm", blocks, ground.rows, transB=1)
    most = nodes.op("Min", ground.count, nodes.constant([HARD], np.int64))
    top, at = nodes.top(scores, most, axis=1)
    step, own = nodes.constant(members, np.int64), np.arange(members)[:, None]
    place = nodes.op("Add", nodes.op("Mul", at, step), nodes.constant(own, np.int64))
    all_rows = nodes.op("Reshape", ground.rows, nodes.constant([-1, width], np.int64))
    middle = nodes.op("Cast", given.middle, to=kind)
    rows = nodes.op("Sub", nodes.op("Gather", all_rows, place), middle)
    sharp = nodes.op(
        "Mul",
        nodes.op("Unsqueeze", top, nodes.constant([2], np.int64)),
        nodes.op("Cast", fixed.sharpness, to=kind),
    )
    share = nodes.op("Cast", fixed.rest_hard, to=kind)
    part = nodes.op("Mul", nodes.op("Softmax", sharp, axis=1), share)
    weighted = nodes.op("Mul", part, rows)
    outer = nodes.op("MatMul", nodes.op("Transpose", rows, perm=_TURN), weighted)
    drawn = nodes.op("Cast", nodes.total(weighted, 1), to=_DOUBLE)
    return _Sums(
        matrix=nodes.op(
            "Sum",
            given.near,
            nodes.op("Mul", fixed.rest_even, given.spread),
            nodes.op("Cast", outer, to=_DOUBLE),
        ),
        lean=nodes.op("Add", given.lean, drawn),
        right=nodes.op("Sub", given.right, drawn),
    )


def _equations(nodes: Nodes, given: _Examples, sums: _Sums) -> _Equations:
    mean = nodes.op("Div", sums.lean, given.total)
    outer = nodes.op("MatMul", nodes.op("Transpose", sums.lean, perm=_TURN), mean)
    return _Equations(
        matrix=nodes.op("Sub", sums.matrix, outer),
        right=nodes.op("Sub", sums.right, nodes.op("Mul", given.level, sums.lean)),
        mean=nodes.op("Add", mean, given.middle),
    )


def _conjugate_gradient(nodes: Nodes, system: _Equations, start: str, steps: int, eye: str) -> str:
    """`learners.ridge.conjugate_gradient`, unrolled; the steps are summed up by one product."""
    diagonal = nodes.total(nodes.op("Mul", system.matrix, eye), 1)
    scale = nodes.op("Reciprocal", nodes.op("Sqrt", diagonal))
    both = nodes.op("MatMul", nodes.op("Transpose", scale, perm=_TURN), scale)
    matrix = nodes.op("Mul", system.matrix, both)
    missing = nodes.op("Sub", system.right, nodes.op("MatMul", start, system.matrix))
    residual = nodes.op("Mul", missing, scale)
    directions: list[str] = []
    images: list[tuple[str, str]] = []
    for _ in range(steps):
        if images:
            residual = nodes.op("Sub", residual, nodes.op("Div", *images[-1]))
        size = nodes.op("ReduceSumSquare", residual, axes=[2], keepdims=1)
        direction = nodes.op("Div", residual, size)
        if directions:
            direction = nodes.op("Add", directions[-1], direction)
        image = nodes.op("MatMul", direction, matrix)
        directions.append(direction)
        images.append((image, nodes.total(nodes.op("Mul", direction, image), 2)))
    curves = [curve for _, curve in images]
    moves = nodes.op(
        "Div", nodes.op("Concat", *directions, axis=1), nodes.op("Concat", *curves, axis=1)
    )
    known = nodes.op("Where", nodes.op("IsNaN", moves), nodes.constant(0.0), moves)
    return nodes.op("Add", start, nodes.op("Mul", nodes.total(known, 1), scale))
