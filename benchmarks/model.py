"""The shipped model's session on one core against plain float32 layers of the same size.

    python -m benchmarks.model [--packs N] [--rows N]

Measured: `session.run` of the shipped file, normalisation and 8-bit layers, on the lab's recording,
and the adaptation of one pack of five flows to 2,048 background flows. Reference: two float32
matrix products of the same widths, [n, F] · [F, d] · [d, P], in ONNX Runtime, not normalised:
the least a model in float32 could cost. Of the adaptation: two ridge regressions of the same size
for each member in NumPy, in float32, with LAPACK's direct solver. All alternate in one process on
one core and thread, ten calls a turn; medians of the turns, and the quickest; the contracts are the
two ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_limits

from benchmarks.harness import Options, run
from benchmarks.pool import RECORDING, whole
from benchmarks.result import Report, Row
from benchmarks.timing import Spread, in_turns, timed
from metatap.detector import Model, shipped_model
from metatap.features import encode

FloatArray = npt.NDArray[np.float32]

ROUNDS, CALLS = 30, 10
SUPPORT, BACKGROUND = 5, 2048
MEMBERS, HARD = 4, 256
PENALTY, SHARPNESS, MASS = 0.03, 2.0, 0.5


def layers(width: int, depth: int, packs: int) -> ort.InferenceSession:
    """The reference: float32 [n, width] → [n, packs] through [n, depth]."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in (("trunk", (width, depth)), ("heads", (depth, packs)))
    ]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "trunk"], ["embedding"]),
            helper.make_node("MatMul", ["embedding", "heads"], ["score"]),
        ],
        "reference",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", packs])],
        weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    proto.ir_version = 8
    onnx.checker.check_model(proto)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])


def regressions(support: FloatArray, background: FloatArray) -> FloatArray:
    """The reference of the adaptation: weights [M, d] of embeddings [k, M·d] and [m, M·d]."""

    def by_member(rows: FloatArray) -> FloatArray:
        return rows.reshape(len(rows), MEMBERS, -1).transpose(1, 0, 2)

    middle = background.mean(0)
    near, far = by_member(support - middle), by_member(background - middle)
    weight = MASS / len(support)
    matrix = weight * near.swapaxes(1, 2) @ near + MASS / len(background) * far.swapaxes(1, 2) @ far
    matrix += PENALTY * np.eye(matrix.shape[-1], dtype=np.float32)
    right = weight * near.sum(1)
    first = np.linalg.solve(matrix, right[..., None])
    scores = (far @ first)[..., 0]
    at = np.argpartition(scores, -HARD)[:, -HARD:]
    hard = np.take_along_axis(far, at[..., None], 1)
    part = np.exp(SHARPNESS * np.take_along_axis(scores, at, 1))[..., None]
    weighted = part / part.sum(1, keepdims=True) * MASS * hard
    matrix += hard.swapaxes(1, 2) @ weighted
    found: FloatArray = np.linalg.solve(matrix, (right - weighted.sum(1))[..., None])[..., 0]
    return found


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--turns", type=int, default=ROUNDS)
    parser.add_argument("--model", type=Path, default=shipped_model(), help="another file")


def measure(given: Options) -> Report:
    """Measure."""
    threadpool_limits(1)  # affinity is a thread's: BLAS may have started its others before
    model = Model(given.model)
    features = model.select(encode(whole(RECORDING)))
    rows = np.resize(features, (given.rows, features.shape[1]))
    background = np.resize(model.embed(features), (BACKGROUND, model.depth))
    near = model.embed(features[:SUPPORT])
    support, label = features[:SUPPORT], np.ones(SUPPORT, np.float32)
    heads = model.stack([model.adapt(support, label, background)] * given.packs)
    reference = layers(rows.shape[1], model.depth, given.packs)
    calls: dict[str, Callable[[], object]] = {
        "model": lambda: model.score(rows, heads),
        "layers": lambda: reference.run(None, {"features": rows}),
        "adapt": lambda: model.adapt(support, label, background),
        "regressions": lambda: regressions(near, background),
    }

    def repeated(call: Callable[[], object]) -> float:
        return timed(lambda: [call() for _ in range(CALLS)]) / CALLS

    times = in_turns({name: partial(repeated, x) for name, x in calls.items()}, given.turns)
    scoring = Spread.ratio(times["layers"], times["model"])
    adapting = Spread.ratio(times["regressions"], times["adapt"])
    return Report(
        (
            Row.of("model / float32 layers of the same size, flows/s", scoring),
            Row.of("adapting a pack / regressions in NumPy, packs/s", adapting),
        ),
        {
            "flows a batch": given.rows,
            "packs": given.packs,
            "float32 layers, ns a flow": Spread.of(times["layers"]).median / given.rows * 1e9,
            "model, ns a flow": Spread.of(times["model"]).median / given.rows * 1e9,
            "model, quickest turn, ns a flow": min(times["model"]) / given.rows * 1e9,
            "regressions in NumPy, ms a pack": Spread.of(times["regressions"]).median * 1e3,
            "adapting a pack, ms": Spread.of(times["adapt"]).median * 1e3,
            "adapting a pack, quickest turn, ms": min(times["adapt"]) * 1e3,
        },
    )


if __name__ == "__main__":
    run("model", __doc__, options, measure)
