"""Features v1: what the detector sees of a flow, without context.

In: `FlowBatch` of n flows. Out: float32 [n, F], NaN where absent, columns as in `table.FEATURES`.
Nothing is dropped here. Documented in docs/features.md, which is made from the table. `encode` is
the reference, in NumPy; `encoder` gives its compiled twin where that is there.
"""

from metatap.features.encode import encode
from metatap.features.encoder import Encode, encoder
from metatap.features.table import FEATURES, FEATURES_VERSION, NAMES, WIDTH, Scale, scale_slice

__all__ = [
    "FEATURES",
    "FEATURES_VERSION",
    "NAMES",
    "WIDTH",
    "Encode",
    "Scale",
    "encode",
    "encoder",
    "scale_slice",
]
