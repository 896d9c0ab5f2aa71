"""A flow's context in YAML: read with every fault named, and written so that a person can read it.

Names stand without the prefix that all of them share: `host.flows.s`, not `context.host.flows.s`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from metatap.context import CONTEXT_FEATURES, CONTEXT_VERSION
from metatap.context.layout import SPREAD_MAX, ContextFeature
from metatap.yamlfile import Faults, Fields, Node, Scalar, kind_of, shown

FloatArray = npt.NDArray[np.float32]

PREFIX = "context."

MAX_VALUE = 1e15
"""Largest magnitude: no count of flows and no time comes near it."""

DIGITS = 5
"""Significant digits that are written; float32 gives back any number of so few exactly."""

ZERO = 1e-6
"""A value below is written as 0."""

_FEATURES = {feature.name.removeprefix(PREFIX): feature for feature in CONTEXT_FEATURES}
_COLUMNS = {name: at for at, name in enumerate(_FEATURES)}
_KEYS = list(dict.fromkeys(name.partition(".")[0] for name in _FEATURES))
_WRITTEN = sorted(_FEATURES, key=lambda name: _KEYS.index(name.partition(".")[0]))
"""All names, those of one key together, else in the order of the columns."""


class ContextReader:
    """Reads the contexts of one pack's flows.

    Attributes:
        ignored: The pack's version of the context if it has contexts and they are of another
            version than this agent's, else 0.
    """

    def __init__(self, version: int, faults: Faults) -> None:
        """Start with nothing read.

        Args:
            version: `context_version` of the pack, 0: not given.
            faults: Takes what is wrong.
        """
        self.ignored = 0
        self._version = version
        self._faults = faults
        self._told = False

    def read(self, node: Node, line: int, where: str) -> FloatArray | None:
        """The context of one flow.

        Args:
            node: The mapping.
            line: Line of its key.
            where: The flow, for messages.

        Returns:
            float32 [C], NaN where absent; None if nothing is known, it is faulty or of another
            version.
        """
        if isinstance(node, Scalar) and node.value is None:
            return None
        if not isinstance(node, Fields):
            self._faults.add(line, f"{where}: must be a mapping of features, is {kind_of(node)}")
            return None
        if not node.items:
            return None
        if self._version != CONTEXT_VERSION:
            self._other_version(line)
            return None
        values = np.full(len(_FEATURES), np.nan, np.float32)
        for name, item in node.items.items():
            feature = _FEATURES.get(name)
            if feature is None:
                hint = self._faults.hint(name, _FEATURES)
                self._faults.add(
                    node.lines[name], f"{where}.{shown(name)}: not a feature of the context{hint}"
                )
                continue
            try:
                value = _number(item, feature)
            except ValueError as error:
                self._faults.add(node.lines[name], f"{where}.{name}: {error}")
                continue
            if value is not None:
                values[_COLUMNS[name]] = value
        return None if np.isnan(values).all() else values

    def _other_version(self, line: int) -> None:
        if self._version:
            self.ignored = self._version
        elif not self._told:
            self._told = True
            self._faults.add(
                line,
                "context_version: missing, a flow has a context",
            )


def stacked(contexts: Sequence[FloatArray | None]) -> FloatArray | None:
    """The contexts of k flows as float32 [k, C], None if no flow has one."""
    if all(context is None for context in contexts):
        return None
    absent = np.full(len(_FEATURES), np.nan, np.float32)
    return np.stack([absent if context is None else context for context in contexts])


def context_texts(values: FloatArray) -> Iterator[str]:
    """`name: number` of each value float32 [C] that is known: of host, of pair, of service."""
    for name in _WRITTEN:
        value = float(values[_COLUMNS[name]])
        if value == value:  # noqa: PLR0124 - not NaN
            yield f"{name}: {_rounded(value)}"


def has_context(values: FloatArray | None) -> bool:
    """Whether anything is known."""
    return values is not None and not bool(np.isnan(values).all())


def _number(item: Node, feature: ContextFeature) -> float | None:
    if not isinstance(item, Scalar):
        raise ValueError(f"must be one number, is {kind_of(item)}")
    if item.value is None:
        return None
    if isinstance(item.value, bool) or not isinstance(item.value, int | float):
        raise ValueError(f"{shown(item.text)}: must be a number")
    high = SPREAD_MAX if feature.share else MAX_VALUE
    if not 0.0 <= item.value <= high:
        raise ValueError(f"{shown(item.text)}: must be from 0 to {high:g}")
    return float(item.value)


def _rounded(value: float) -> str:
    """A number of `DIGITS` significant digits, without exponent."""
    if value < ZERO:
        return "0"
    return format(Decimal(f"{value:.{DIGITS}g}"), "f")
