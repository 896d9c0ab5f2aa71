"""The shipped model's session on one core against plain float32 layers of the same size.

    python benchmarks/model.py [--packs N] [--rows N]

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
import os
import statistics
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_limits

from metatap.detector import Model, shipped_model
from metatap.features import encode
from metatap.flow import concat
from metatap.offline.stream import read
from metatap.sources import open_source

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


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--model", type=Path, default=shipped_model(), help="another file")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    threadpool_limits(1)  # affinity is a thread's: BLAS had started its others before
    model = Model(options.model)
    path = Path(str(resources.files("metatap.demo") / "data" / "branch.mtrec"))
    features = model.select(encode(concat(list(read(open_source(str(path)))))))
    rows = np.resize(features, (options.rows, features.shape[1]))
    background = np.resize(model.embed(features), (BACKGROUND, model.depth))
    near = model.embed(features[:SUPPORT])
    support, label = features[:SUPPORT], np.ones(SUPPORT, np.float32)
    heads = model.stack([model.adapt(support, label, background)] * options.packs)
    reference = layers(rows.shape[1], model.depth, options.packs)
    calls: dict[str, Callable[[], object]] = {
        "model": lambda: model.score(rows, heads),
        "reference": lambda: reference.run(None, {"features": rows}),
        "adapt": lambda: model.adapt(support, label, background),
        "regressions": lambda: regressions(near, background),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begin = time.perf_counter()
            for _ in range(CALLS):
                call()
            times[name].append((time.perf_counter() - begin) / CALLS)
    middle = {name: statistics.median(found) for name, found in times.items()}
    each = {name: middle[name] / options.rows * 1e6 for name in ("model", "reference")}
    least = {name: min(found) for name, found in times.items()}
    print(f"{options.rows:,} flows a batch, {options.packs} packs, one core")
    print(f"float32 layers of the same size  {each['reference']:8.3f} µs a flow")
    print(f"model                            {each['model']:8.3f} µs a flow")
    print(f"  quickest turn                  {least['model'] / options.rows * 1e6:8.3f} µs a flow")
    print(f"ratio layers / model             {each['reference'] / each['model']:8.2f}")
    print(f"regressions in NumPy             {middle['regressions'] * 1e3:8.2f} ms a pack")
    print(f"adapting a pack                  {middle['adapt'] * 1e3:8.2f} ms a pack")
    print(f"  quickest turn                  {least['adapt'] * 1e3:8.2f} ms a pack")
    print(f"ratio regressions / adapting     {middle['regressions'] / middle['adapt']:8.2f}")


if __name__ == "__main__":
    main()
