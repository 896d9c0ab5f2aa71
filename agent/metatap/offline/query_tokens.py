"""The words of a query."""

from __future__ import annotations

import re
from dataclasses import dataclass

from metatap.errors import MetatapError
from metatap.yamlfile import shown

MAX_TOKENS = 1024
"""Words, numbers and signs of a query, at most."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<address>(?:\d{1,3}(?:\.\d{1,3}){3}
        |(?=[0-9A-Fa-f.]{0,32}:[0-9A-Fa-f.]{0,32}:)[0-9A-Fa-f:.]{2,64})(?:/\d{1,3})?(?![\w.:]))
    |(?P<number>-?\d{1,40}(?:\.\d{1,40})?(?:[eE][-+]?\d{1,3})?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<sign>[=!<>]=|[<>()\[\]{},])
    )""",
    re.VERBOSE | re.ASCII,
)
_WORDS = frozenset(
    {"and", "or", "not", "in", "has", "true", "false", "contains", "startswith", "endswith"}
)


class QueryError(MetatapError):
    """A query is refused; names the column and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a number, a sign.

    Attributes:
        kind: `text`, `address`, `number`, `name`, `sign` (words of the language too) or `end`.
        text: As written.
        at: Its column, from 0.
    """

    kind: str
    text: str
    at: int


def error_at(token: Token, why: str) -> QueryError:
    """A fault at a token."""
    return QueryError(f"query, column {token.at + 1}: {why}")


def split(text: str) -> list[Token]:
    """The tokens of a query; the last one is of kind `end`.

    Raises:
        QueryError: something is none, or there are too many.
    """
    tokens: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise _lost(text, at)
        at = found.end()
        kind = found.lastgroup
        word = found[kind]
        is_word = kind == "name" and word in _WORDS
        tokens.append(Token("sign" if is_word else kind, word, found.start(kind)))
        if len(tokens) > MAX_TOKENS:
            raise QueryError(f"a query of more than {MAX_TOKENS} words and signs")
    return [*tokens, Token("end", "", end)]


def _lost(text: str, at: int) -> QueryError:
    """What is wrong where no token begins."""
    rest = text[at:]
    at += len(rest) - len(rest.lstrip())
    token = Token("", text[at : at + 1], at)
    if token.text in {'"', "'"}:
        return error_at(token, "a text without its closing quote")
    if token.text == "=":
        return error_at(token, "=: write == to compare")
    return error_at(token, f"{shown(text[at : at + 20])}: not understood")
