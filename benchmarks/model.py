"""The shipped model's session on one core against plain float32 layers of the same size.

    python benchmarks/model.py [--packs N] [--rows N]

Measured: `session.run` of the shipped file, normalisation and 8-bit layers, on the lab's recording,
and the adaptation of one pack of five flows to 2,048 background flows. Reference: two float32
matrix products of the same widths, [n, F] · [F, d] · [d, P], in ONNX Runtime, not normalised:
the least a model in float32 could cost. All alternate in one process pinned to one core, ten calls
a turn; medians of the turns; the contract is the ratio of flows a second.
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
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from metatap.detector import Model, shipped_model
from metatap.features import encode
from metatap.flow import concat
from metatap.offline.stream import read
from metatap.sources import open_source

ROUNDS, CALLS = 30, 10
SUPPORT, BACKGROUND = 5, 2048


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


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1024)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    model = Model(shipped_model())
    path = Path(str(resources.files("metatap.demo") / "data" / "branch.mtrec"))
    features = model.select(encode(concat(list(read(open_source(str(path)))))))
    rows = np.resize(features, (options.rows, features.shape[1]))
    background = np.resize(model.embed(features), (BACKGROUND, model.depth))
    support, label = features[:SUPPORT], np.ones(SUPPORT, np.float32)
    heads = model.stack([model.adapt(support, label, background)] * options.packs)
    reference = layers(rows.shape[1], model.depth, options.packs)
    calls: dict[str, Callable[[], object]] = {
        "model": lambda: model.score(rows, heads),
        "reference": lambda: reference.run(None, {"features": rows}),
        "adapt": lambda: model.adapt(support, label, background),
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
    print(f"{options.rows:,} flows a batch, {options.packs} packs, one core")
    print(f"float32 layers of the same size  {each['reference']:8.3f} µs a flow")
    print(f"shipped model                    {each['model']:8.3f} µs a flow")
    print(f"ratio layers / model             {each['reference'] / each['model']:8.2f}")
    print(f"adapting a pack                  {middle['adapt'] * 1e3:8.2f} ms")


if __name__ == "__main__":
    main()
