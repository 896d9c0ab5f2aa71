"""Three-valued logic over a batch of flows: what the tests of a query are made of (Kleene 1938).

Of a flow that lacks a field, a test of it is neither true nor false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.flow import ColumnSpec, FlowBatch

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of n flows.

    Attributes:
        yes: bool [n], it is true.
        no: bool [n], it is false; where neither, it is unknown.
    """

    yes: BoolArray
    no: BoolArray


Test = Callable[[FlowBatch], Truth]


def has(spec: ColumnSpec) -> Test:
    """The test that a flow has the field; never unknown."""

    def test(batch: FlowBatch) -> Truth:
        column = batch.columns.get(spec.name)
        yes = np.zeros(batch.rows, np.bool_) if column is None else column.mask()
        return Truth(yes, ~yes)

    return test


def negate(test: Test) -> Test:
    """True where the test is false."""

    def negated(batch: FlowBatch) -> Truth:
        truth = test(batch)
        return Truth(truth.no, truth.yes)

    return negated


def both(tests: Sequence[Test]) -> Test:
    """True where all of ≥ 1 tests are, false where one is false."""
    if len(tests) == 1:
        return tests[0]

    def all_of(batch: FlowBatch) -> Truth:
        truths = [test(batch) for test in tests]
        return Truth(
            np.logical_and.reduce([truth.yes for truth in truths]),
            np.logical_or.reduce([truth.no for truth in truths]),
        )

    return all_of


def either(tests: Sequence[Test]) -> Test:
    """True where one of ≥ 1 tests is, false where all are false."""
    if len(tests) == 1:
        return tests[0]
    return negate(both([negate(test) for test in tests]))


def unknown(batch: FlowBatch) -> Truth:
    """Neither true nor false of any flow."""
    nothing = np.zeros(batch.rows, np.bool_)
    return Truth(nothing, nothing)


def on_column(spec: ColumnSpec, hits: Callable[[Any], BoolArray]) -> Test:
    """The test that `hits` makes, bool [n], of the column of a field."""

    def test(batch: FlowBatch) -> Truth:
        column = batch.columns.get(spec.name)
        if column is None:
            return unknown(batch)
        known, hit = column.mask(), hits(column)
        return Truth(known & hit, known & ~hit)

    return test
