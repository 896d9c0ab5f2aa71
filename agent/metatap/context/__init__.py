"""Context: what the originator of a flow did before.

In: `FlowBatch` of n flows, in the order they ended in. Out: float32 [n, C], decayed counts, shares
of failures, numbers of different peers and services, regularity, per host, per pair and per
service of a host, over seconds, minutes and hours. Nothing is dropped; a flow without `ts` and a
partial record have no context (NaN). Keys that found no place in the fixed memory are counted as
`replaced` and `unplaced`.
"""

from metatap.context.layout import CONTEXT_FEATURES, CONTEXT_NAMES, CONTEXT_VERSION, CONTEXT_WIDTH
from metatap.context.sketch import Context

__all__ = [
    "CONTEXT_FEATURES",
    "CONTEXT_NAMES",
    "CONTEXT_VERSION",
    "CONTEXT_WIDTH",
    "Context",
]
