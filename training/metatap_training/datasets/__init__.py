"""Labelled flows from Zeek's logs.

In: a folder of sources, each with a conn log and any of `dns`, `http`, `ssl`, `ssh`, listed in
`sources.tsv`; the agent's source `zeek+logs` reads them. Out: `Flows`, the feature matrix with what
is known of every flow. Nothing is dropped: a conn line that can't be read is an error.
"""

from metatap_training.datasets.flows import BENIGN, MALICIOUS, UNKNOWN, Flows, concat
from metatap_training.datasets.load import load_source, load_sources
from metatap_training.datasets.sources import Source, Terms, find_flows, read_sources

__all__ = [
    "BENIGN",
    "MALICIOUS",
    "UNKNOWN",
    "Flows",
    "Source",
    "Terms",
    "concat",
    "find_flows",
    "load_source",
    "load_sources",
    "read_sources",
]
