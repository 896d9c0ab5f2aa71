"""A draw: one support with what it is tried on."""

from __future__ import annotations

from dataclasses import dataclass

from metatap_training.datasets.flows import IntArray

BACKGROUND = 1024
NEGATIVES = 8000
QUERIES = 500
"""Flows of each kind in a draw, at most."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Row numbers (intp) of some flows.

    Attributes:
        support: [k].
        background: [m].
        positive: [q].
        negative: [M].
    """

    support: IntArray
    background: IntArray
    positive: IntArray
    negative: IntArray
