"""Figures of a running agent for Prometheus: `http://HOST:PORT/metrics`.

In: the document that the run loop makes of itself between two batches, the one of `metatap status`;
of several processes one each. Out: the text format of Prometheus, or OpenMetrics where it is asked
for. Nothing is counted here a second time: a figure is one of the document, `table` says under
which name. No label holds an address, a host or a uid. Refused: connections beyond
`endpoint.MAX_CONNECTIONS`, counted.

The pipeline pays one document a second at most, however many ask.
"""

from metatap.metrics.address import Address
from metatap.metrics.histogram import Histogram
from metatap.metrics.timing import Laps, Timing

__all__ = ["Address", "Histogram", "Laps", "Timing"]
