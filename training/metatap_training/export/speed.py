"""What scoring and adapting cost in ONNX Runtime on one thread: processor time, best of several."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import onnxruntime as ort

from metatap.detector.contract import INPUTS
from metatap_training.datasets.flows import FloatArray

ROWS, PACKS, SUPPORT = 4096, 64, 5
REPEATS = 30


def session_of(content: bytes) -> ort.InferenceSession:
    """A session on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def measure(
    session: ort.InferenceSession, features: FloatArray, background: FloatArray
) -> dict[str, float]:
    """Flows a second at 4,096 rows and 64 packs, and milliseconds to adapt one pack of 5 flows."""
    rows = np.resize(features, (ROWS, features.shape[1]))
    depth = background.shape[1]
    heads = np.zeros((depth + 1, PACKS), np.float32)
    none = (rows[:0], np.zeros(0, np.float32), background[:0])
    some = (rows[:SUPPORT], np.ones(SUPPORT, np.float32), background)
    scoring = dict(zip(INPUTS, (rows, heads, *none), strict=True))
    adapting = dict(zip(INPUTS, (rows[:0], heads, *some), strict=True))
    return {
        "flows_per_second": round(ROWS / _best(lambda: session.run(None, scoring))),
        "adapt_ms": round(_best(lambda: session.run(None, adapting)) * 1e3, 2),
    }


def _best(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)
