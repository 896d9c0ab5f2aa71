"""Half-space trees: how empty of background the boxes around a flow are.

Source: Tan et al., "Fast anomaly detection for streaming data" (IJCAI 2011). The trees are grown
before any flow is seen, from random ranges and random columns; one window of flows fills them.
"""

from __future__ import annotations

import numpy as np

from metatap_training.datasets.flows import FloatArray, IntArray

SPARSE = 0.1
"""A box with a smaller share of the background is not divided: what is inside is judged by it."""


def half_space_trees(
    background: FloatArray, queries: FloatArray, *, trees: int, depth: int, seed: int
) -> FloatArray:
    """Oddness [n] of queries [n, F] among background [m, F], both normalised.

    Args:
        background: float32 [m, F].
        queries: float32 [n, F].
        trees: Number of trees.
        depth: Levels below the root.
        seed: Of ranges and columns.
    """
    rng = np.random.default_rng(seed)
    low, high = background.min(0), background.max(0)
    span = np.where(high > low, high - low, 1)
    near, far = (background - low) / span, (queries - low) / span
    mass = np.zeros(len(queries))
    for _ in range(trees):
        column, edge = _grow(near.shape[1], depth, rng)
        inside, asked = _paths(near, column, edge, depth), _paths(far, column, edge, depth)
        counts = np.bincount(inside.ravel(), minlength=2 ** (depth + 1))
        mass += _mass(counts, asked, SPARSE * len(background))
    return np.asarray(-mass / (trees * len(background)), np.float32)


def _grow(columns: int, depth: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Column and edge of each inner node 1 .. 2^depth - 1; node i has children 2i and 2i + 1."""
    middle = rng.random(columns)
    reach = 2 * np.maximum(middle, 1 - middle)
    nodes = 2**depth
    column = rng.integers(0, columns, nodes)
    edge = np.zeros(nodes, np.float32)
    lows, highs = np.empty((nodes, columns)), np.empty((nodes, columns))
    lows[1], highs[1] = middle - reach, middle + reach
    for node in range(1, nodes):
        at = column[node]
        edge[node] = (lows[node, at] + highs[node, at]) / 2
        for child in (2 * node, 2 * node + 1):
            if child < nodes:
                lows[child], highs[child] = lows[node], highs[node]
                (lows if child % 2 else highs)[child, at] = edge[node]
    return column, edge


def _paths(rows: FloatArray, column: IntArray, edge: FloatArray, depth: int) -> IntArray:
    """intp [n, depth + 1], the nodes each row passes, root first."""
    passed = np.ones((len(rows), depth + 1), np.intp)
    every = np.arange(len(rows))
    for level in range(depth):
        node = passed[:, level]
        passed[:, level + 1] = 2 * node + (rows[every, column[node]] >= edge[node])
    return passed


def _mass(counts: IntArray, passed: IntArray, least: float) -> FloatArray:
    """float64 [n], background of the first sparse box of each path, weighed by its depth."""
    inside = counts[passed]
    sparse = inside <= least
    sparse[:, -1] = True
    stop = sparse.argmax(1)
    return np.asarray(inside[np.arange(len(passed)), stop] * 2.0**stop)
