"""Tests of one field over a batch of flows: the leaves of a query.

All over whole columns; nothing is run for each flow. `query_logic` says what of a flow without the
field.
"""

from __future__ import annotations

import ipaddress
import math
import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from metatap.flow import ColumnSpec, FlowBatch, Kind, Numeric, Strings
from metatap.offline.query_logic import (
    BoolArray,
    Test,
    Truth,
    either,
    negate,
    on_column,
    unknown,
)
from metatap.offline.query_text import begins, contains, ends, equals
from metatap.yamlfile import nearest, shown

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Literal = Fraction | bool | str | Network

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The operator that says the same with its sides exchanged."""

_NUMBERS = (Kind.TIME, Kind.INTERVAL, Kind.COUNT, Kind.PORT)
_SECONDS = (Kind.TIME, Kind.INTERVAL)
_NS = 1_000_000_000


def compare(spec: ColumnSpec, op: str, literal: Literal) -> Test:
    """The test `field op literal`.

    Raises:
        ValueError: the field has no such values, or they have no such order.
    """
    if spec.kind in _NUMBERS:
        return _compare_number(spec, op, _number(spec, literal))
    if op not in {"==", "!="}:
        raise ValueError(f"{spec.name}: is {spec.kind}, which has no order; use == or !=")
    if spec.kind is Kind.ADDR and _network(spec, literal).num_addresses > 1:
        raise ValueError(f"{spec.name}: {literal} is a network; use in")
    found = any_of(spec, [literal])
    return found if op == "==" else negate(found)


def any_of(spec: ColumnSpec, literals: Sequence[Literal]) -> Test:
    """The test that a field has one of several values, or lies in one of several networks.

    Raises:
        ValueError: the field has no such values.
    """
    if spec.kind in _NUMBERS:
        tests = [_compare_number(spec, "==", _number(spec, literal)) for literal in literals]
        return either(tests)
    if spec.kind is Kind.STRING:
        texts = [_text(spec, literal) for literal in literals]
        return either([_where_text(spec, text, equals) for text in texts])
    if spec.kind is Kind.ADDR:
        return _in_networks(spec, [_network(spec, literal) for literal in literals])
    values = [_value(spec, literal) for literal in literals]
    return on_column(spec, lambda column: np.isin(column.values, values))


def text_test(spec: ColumnSpec, how: str, literal: Literal) -> Test:
    """The test `field contains|startswith|endswith literal`, on bytes; case counts.

    Raises:
        ValueError: the field is no text, or the literal none.
    """
    if spec.kind is not Kind.STRING:
        raise ValueError(f"{spec.name}: is {spec.kind}, not text")
    return _where_text(spec, _text(spec, literal), _TEXT_TESTS[how])


def compare_fields(left: ColumnSpec, op: str, right: ColumnSpec) -> Test:
    """The test `field op field` of two numbers of one unit, or two addresses.

    Raises:
        ValueError: they can't be compared.
    """
    is_ordered = left.kind in _NUMBERS
    if left.kind is not right.kind or not (is_ordered or left.kind is Kind.ADDR):
        raise ValueError(f"{left.name} and {right.name}: {left.kind} and {right.kind}")
    if not is_ordered and op not in {"==", "!="}:
        raise ValueError(f"{left.name}: is {left.kind}, which has no order; use == or !=")

    def test(batch: FlowBatch) -> Truth:
        one, other = batch.numeric(left.name), batch.numeric(right.name)
        if one is None or other is None:
            return unknown(batch)
        same = COMPARISONS[op if is_ordered else "=="](one.values, other.values)
        if not is_ordered:
            same = same.all(1) if op == "==" else ~same.all(1)
        known = one.mask() & other.mask()
        return Truth(known & same, known & ~same)

    return test


def is_true(spec: ColumnSpec) -> Test:
    """The test that a field is true.

    Raises:
        ValueError: it is not one that is true or false.
    """
    if spec.kind is not Kind.BOOL:
        raise ValueError(f"{spec.name}: is {spec.kind}, no condition; compare it with something")
    return any_of(spec, [True])


def _number(spec: ColumnSpec, literal: Literal) -> Fraction:
    """The number a literal is in the column's unit."""
    if isinstance(literal, str) and spec.kind is Kind.TIME:
        try:
            moment = datetime.fromisoformat(literal)
        except ValueError:
            raise ValueError(f"{spec.name}: {shown(literal)}: not a time of ISO 8601") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / _MICROSECOND
        return Fraction(round(seconds)) * (_NS // 1_000_000)
    if not isinstance(literal, Fraction):
        raise ValueError(f"{spec.name}: {_named(literal)}: must be a number")
    return literal * _NS if spec.kind in _SECONDS else literal


_MICROSECOND = datetime(1970, 1, 1, 0, 0, 0, 1) - datetime(1970, 1, 1)  # noqa: DTZ001


def _compare_number(spec: ColumnSpec, op: str, number: Fraction) -> Test:
    """Exact: a column of integers is compared with an integer."""
    is_whole = number.denominator == 1
    whole = math.ceil(number) if op in {"<", ">="} else math.floor(number)

    def hits(column: Numeric) -> BoolArray:
        limits: Any = np.iinfo(cast(Any, column.values.dtype))
        if op in {"==", "!="} and not is_whole:
            return np.full(len(column), op == "!=")
        if whole > limits.max:
            return np.full(len(column), op in {"<", "<=", "!="})
        if whole < limits.min:
            return np.full(len(column), op in {">", ">=", "!="})
        found: BoolArray = COMPARISONS[op](column.values, column.values.dtype.type(whole))
        return found

    return on_column(spec, hits)


def _network(spec: ColumnSpec, literal: Literal) -> Network:
    if isinstance(literal, str):
        try:
            return ipaddress.ip_network(literal)
        except ValueError:
            pass
    if isinstance(literal, Network):
        return literal
    raise ValueError(f"{spec.name}: {_named(literal)}: must be an address or a network")


def _in_networks(spec: ColumnSpec, networks: Sequence[Network]) -> Test:
    pairs = []
    for network in networks:
        is_v4 = network.version == 4
        bits = network.prefixlen + (96 if is_v4 else 0)
        packed = network.network_address.packed
        first = b"\0" * 10 + b"\xff\xff" + packed if is_v4 else packed
        mask = (((1 << bits) - 1) << (128 - bits)).to_bytes(16, "big")
        pairs.append((np.frombuffer(first, np.uint8), np.frombuffer(mask, np.uint8)))

    def hits(column: Numeric) -> BoolArray:
        found = np.zeros(len(column), np.bool_)
        values = column.values.astype(np.uint8, copy=False)
        for first, mask in pairs:
            found |= ((values & mask) == first).all(1)
        return found

    return on_column(spec, hits)


def _value(spec: ColumnSpec, literal: Literal) -> int | bool:
    """The code of a value of an enumeration, or true or false."""
    if spec.kind is Kind.BOOL:
        if isinstance(literal, bool):
            return literal
        raise ValueError(f"{spec.name}: {_named(literal)}: must be true or false")
    if isinstance(literal, str) and literal in spec.vocabulary:
        return spec.vocabulary.index(literal)
    known = ", ".join(spec.vocabulary)
    hint = nearest(literal, spec.vocabulary) if isinstance(literal, str) else ""
    raise ValueError(f"{spec.name}: {_named(literal)}: must be one of {known}{hint}")


def _text(spec: ColumnSpec, literal: Literal) -> bytes:
    if not isinstance(literal, str):
        raise ValueError(f"{spec.name}: {_named(literal)}: must be text in quotes")
    if not literal:
        raise ValueError(f"{spec.name}: an empty text is absent; use not has({spec.name})")
    return literal.encode("utf-8", "surrogateescape")


def _where_text(
    spec: ColumnSpec, text: bytes, found: Callable[[Strings, npt.NDArray[np.uint8]], BoolArray]
) -> Test:
    wanted = np.frombuffer(text, np.uint8)
    return on_column(spec, lambda column: found(column, wanted))


_TEXT_TESTS = {"contains": contains, "startswith": begins, "endswith": ends}


def _named(literal: Literal) -> str:
    if isinstance(literal, Fraction):
        return f"{float(literal):g}" if abs(literal) < 10**18 else "a large number"
    return shown(str(literal).lower() if isinstance(literal, bool) else str(literal))
