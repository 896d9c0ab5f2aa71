"""Features v1: what the detector sees of a flow, without context.

In: `FlowBatch` of n flows. Out: float32 [n, F], NaN where absent, columns as in `table.FEATURES`.
Nothing is dropped here. Documented in docs/features.md, which is made from the table.
"""

from metatap.features.encode import encode
from metatap.features.table import FEATURES, FEATURES_VERSION, NAMES, WIDTH, Scale, scale_slice

__all__ = ["FEATURES", "FEATURES_VERSION", "NAMES", "WIDTH", "Scale", "encode", "scale_slice"]
