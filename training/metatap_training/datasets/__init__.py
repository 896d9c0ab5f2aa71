"""Labelled flows from Zeek's JSON logs.

In: a folder of sources, each with `conn.jsonl.gz` and any of `dns`, `http`, `ssl`, `ssh`, listed in
`sources.tsv`. Out: `Flows`, the feature matrix with what is known of every flow. Partial records
are dropped here (none is expected in files), everything else is kept.
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
