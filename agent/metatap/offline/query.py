"""Queries over flows: a small expression language that is read, never executed.

    service == "dns" and resp_bytes > 300
    id.orig_h in 10.0.0.0/8 and not (id.resp_p in (80, 443) or local_resp)
    dns.query endswith ".example" and 1 < duration <= 60 and has(http.host)

Fields are those of the flow schema (docs/flow.md) under Zeek's names and in the units of Zeek's
logs: times and intervals in seconds. What a flow lacks is unknown, never equal and never unequal,
and a flow is picked only where the whole is true (three-valued logic, Kleene 1938); `has(field)`
asks whether it is there. The parser is a recursive descent over tokens with every size bounded.

    query   = clause { "or" clause }
    clause  = term { "and" term }
    term    = "not" term | "(" query ")" | "has" "(" field ")" | test
    test    = operand { operator operand } | field
    operator= == != < <= > >= | ["not"] in | contains | startswith | endswith
    operand = field | number | "text" | true | false | address | network | "(" literal, … ")"
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from metatap.flow import ColumnSpec, FlowBatch
from metatap.flow.schema import BY_NAME
from metatap.offline import query_logic as logic
from metatap.offline import query_values as values
from metatap.offline.query_logic import Test
from metatap.offline.query_tokens import QueryError, Token, error_at, split
from metatap.offline.query_values import COMPARISONS, FLIPPED, Literal
from metatap.yamlfile import nearest, shown

MAX_TEXT = 4096
"""Characters of a query, at most."""

MAX_DEPTH = 32
"""Brackets and `not` within each other, at most."""

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_TEXT_WORDS = ("contains", "startswith", "endswith")


@dataclass(frozen=True, slots=True)
class Query:
    """A query, ready to be asked.

    Attributes:
        text: As it was written.
    """

    text: str
    _test: Test

    def rows(self, batch: FlowBatch) -> npt.NDArray[np.bool_]:
        """bool [n], the flows of a batch it is true of."""
        return self._test(batch).yes


def parse_query(text: str) -> Query:
    """Read a query.

    Raises:
        QueryError: it is none; names the column.
    """
    if len(text) > MAX_TEXT:
        raise QueryError(f"a query of {len(text)} characters, at most {MAX_TEXT}")
    return Query(text, _Parser(text).parse())


@dataclass(frozen=True, slots=True)
class _Operand:
    """A field, one literal or a list of them."""

    token: Token
    field: ColumnSpec | None = None
    literal: Literal | None = None
    items: tuple[Literal, ...] = ()


class _Parser:
    """One pass over the tokens; `_at` is the next one."""

    def __init__(self, text: str) -> None:
        self._tokens = split(text)
        self._at = 0
        self._depth = 0

    def parse(self) -> Test:
        test = self._any()
        if self._next.kind != "end":
            raise error_at(self._next, f"{shown(self._next.text)}: `and` or `or` was expected")
        return test

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> Token | None:
        """The next token if it is one of these signs."""
        token = self._next
        if token.kind != "sign" or token.text not in texts:
            return None
        self._at += 1
        return token

    def _need(self, text: str) -> None:
        if self._take(text) is None:
            what = shown(self._next.text) if self._next.text else "the end"
            raise error_at(self._next, f"{what}: {text} was expected")

    def _any(self) -> Test:
        tests = [self._all()]
        while self._take("or"):
            tests.append(self._all())
        return logic.either(tests)

    def _all(self) -> Test:
        tests = [self._term()]
        while self._take("and"):
            tests.append(self._term())
        return logic.both(tests)

    def _term(self) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise error_at(self._next, f"nested deeper than {MAX_DEPTH} levels")
        try:
            if self._take("not"):
                return logic.negate(self._term())
            if self._take("("):
                test = self._any()
                self._need(")")
                return test
            if self._take("has"):
                self._need("(")
                test = logic.has(self._field())
                self._need(")")
                return test
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Test:
        left = self._operand()
        tests: list[Test] = []
        while (op := self._operator()) is not None:
            right = self._operand(is_list_allowed=op.text in {"in", "not in"})
            try:
                tests.append(_pair(left, op.text, right))
            except ValueError as error:
                raise error_at(op, str(error)) from None
            left = right
        if tests:
            return logic.both(tests)
        if left.field is None:
            raise error_at(left.token, f"{shown(left.token.text)}: no condition")
        try:
            return values.is_true(left.field)
        except ValueError as error:
            raise error_at(left.token, str(error)) from None

    def _operator(self) -> Token | None:
        found = self._take(*COMPARISONS, "in", *_TEXT_WORDS)
        if found is None and (negated := self._take("not")) is not None:
            self._need("in")
            return Token("sign", "not in", negated.at)
        return found

    def _operand(self, *, is_list_allowed: bool = False) -> _Operand:
        token = self._next
        if token.kind == "name":
            return _Operand(token, field=self._field())
        opening = self._take(*_BRACKETS) if is_list_allowed else None
        if opening is None:
            return _Operand(token, literal=self._literal())
        items = [self._literal()]
        while self._take(","):
            if self._next.text == _BRACKETS[opening.text]:
                break
            items.append(self._literal())
        self._need(_BRACKETS[opening.text])
        return _Operand(token, items=tuple(items))

    def _field(self) -> ColumnSpec:
        token = self._next
        spec = BY_NAME.get(token.text)
        if token.kind != "name" or spec is None:
            if token.kind != "name":
                raise error_at(token, "a field was expected")
            hint = nearest(token.text, BY_NAME) or "; a text stands in quotes"
            raise error_at(token, f"{shown(token.text)}: not a field of a flow{hint}")
        self._at += 1
        return spec

    def _literal(self) -> Literal:
        token = self._next
        self._at += 1
        if token.kind == "text":
            return _ESCAPE.sub(_unescaped, token.text[1:-1])
        if token.kind == "number":
            return Fraction(token.text)
        if token.kind == "address":
            try:
                return ipaddress.ip_network(token.text)
            except ValueError as error:
                raise error_at(token, str(error)) from None
        if token.text in {"true", "false"}:
            return token.text == "true"
        self._at -= 1
        what = shown(token.text) if token.text else "the end"
        hint = f'; a text stands in quotes: "{token.text}"' if token.kind == "name" else ""
        raise error_at(token, f"{what}: a value was expected{hint}")


def _unescaped(found: re.Match[str]) -> str:
    if found[1] is not None:
        byte = int(found[1], 16)
        return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
    return {"n": "\n", "t": "\t", "r": "\r"}.get(found[2], found[2])


def _pair(left: _Operand, op: str, right: _Operand) -> Test:
    """The test of an operator with its two sides.

    Raises:
        ValueError: these can't stand there.
    """
    if left.items or (left.field is None and right.field is None):
        raise ValueError(f"{op}: one side must be a field")
    if op in {"in", "not in"}:
        found = _within(left, right)
        return found if op == "in" else logic.negate(found)
    if op in _TEXT_WORDS:
        if left.field is None or right.literal is None:
            raise ValueError(f"{op}: must stand between a field and a text")
        return values.text_test(left.field, op, right.literal)
    if left.field is not None and right.field is not None:
        return values.compare_fields(left.field, op, right.field)
    if left.field is not None and right.literal is not None:
        return values.compare(left.field, op, right.literal)
    if left.literal is None or right.field is None:
        raise ValueError(f"{op}: must stand between a field and a value")
    return values.compare(right.field, FLIPPED[op], left.literal)


def _within(left: _Operand, right: _Operand) -> Test:
    if left.literal is not None and right.field is not None:
        return values.text_test(right.field, "contains", left.literal)
    if left.field is None or right.field is not None:
        raise ValueError("in: must stand between a field and values")
    if right.literal is not None and not isinstance(right.literal, str | values.Network):
        raise ValueError("in: several values stand in brackets")
    literals = right.items or (right.literal,)
    return values.any_of(left.field, [item for item in literals if item is not None])
