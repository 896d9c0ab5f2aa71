"""The forms that values of options take: in words, and how each is read from a YAML node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metatap.metrics import Address
from metatap.yamlfile import Fields, Items, Node, Scalar, kind_of, nearest, shown

MAX_TEXT = 1024
"""Characters of a text, at most."""

MAX_NAMES = 1024
"""Entries of a list of names, at most."""


@dataclass(frozen=True, slots=True)
class Form:
    """What values an option takes.

    Attributes:
        words: In words, for the documentation.
        read: Node → value; raises ValueError with what is wrong.
        is_text: A value from the environment is taken as it is, not read as YAML.
        is_path: The text is a path.
    """

    words: str
    read: Callable[[Node], Any]
    is_text: bool = False
    is_path: bool = False


def number(low: float, high: float, unit: str = "") -> Form:
    """A number from `low` to `high`."""
    what = f"a number of {unit}" if unit else "a number"

    def read(node: Node) -> float:
        value = _scalar(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be {what}, is {_is(node)}")
        if not low <= value <= high:
            raise ValueError(f"{value}: must be from {low:g} to {high:g}")
        return float(value)

    return Form(f"{what}, {low:g} to {high:g}", read)


def whole(low: int, high: int, unit: str = "") -> Form:
    """A whole number from `low` to `high`."""
    what = f"a whole number of {unit}" if unit else "a whole number"

    def read(node: Node) -> int:
        value = _scalar(node)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be {what}, is {_is(node)}")
        if not low <= value <= high:
            raise ValueError(f"{value}: must be from {low:,} to {high:,}")
        return value

    return Form(f"{what}, {low:,} to {high:,}", read)


def choice(*values: str) -> Form:
    """One of some words."""

    def read(node: Node) -> str:
        text = _text(node)
        if text not in values:
            known = ", ".join(values)
            raise ValueError(f"{shown(text)}: must be one of {known}{nearest(text, values)}")
        return text

    return Form(" or ".join(f"`{value}`" for value in values), read, is_text=True)


def text(words: str, *, empty: bool = False) -> Form:
    """A text on one line."""

    def read(node: Node) -> str:
        value = _text(node)
        if not value and not empty:
            raise ValueError("must not be empty")
        if len(value) > MAX_TEXT:
            raise ValueError(f"{len(value)} characters, at most {MAX_TEXT}")
        if value and not value.isprintable():
            raise ValueError(f"{shown(value)}: has characters that can't be printed")
        return value

    return Form(words, read, is_text=True)


def path(*, empty: bool = True) -> Form:
    """A path; whoever reads it knows the folder it is relative to."""
    return replace(text("a path", empty=empty), is_path=True)


def names(words: str) -> Form:
    """A list of texts, none twice."""
    form = text("a name")

    def read(node: Node) -> tuple[str, ...]:
        if not isinstance(node, Items):
            raise ValueError(f"must be a list, is {kind_of(node)}")
        if len(node.items) > MAX_NAMES:
            raise ValueError(f"{len(node.items)} entries, at most {MAX_NAMES}")
        return tuple(dict.fromkeys(form.read(item) for item in node.items))

    return Form(words, read)


def numbers(words: str, known: Sequence[str]) -> Form:
    """A mapping of some words to whole numbers; which numbers are meant is checked later."""

    def read(node: Node) -> dict[str, int]:
        if not isinstance(node, Fields):
            raise ValueError(f"must be a mapping, is {kind_of(node)}")
        found: dict[str, int] = {}
        for name, item in node.items.items():
            if name not in known:
                raise ValueError(f"{shown(name)}: must be one of {', '.join(known)}")
            found[name] = whole(0, 2**31 - 1).read(item)
        return found

    return Form(words, read)


def listening() -> Form:
    """An address to listen at, None where empty."""
    words = "`HOST:PORT`"

    def read(node: Node) -> Address | None:
        value = _text(node)
        try:
            return Address.parse(value) if value else None
        except ValueError as error:
            raise ValueError(f"{shown(value)}: {error}") from None

    return Form(words, read, is_text=True)


def boolean() -> Form:
    """True or false."""

    def read(node: Node) -> bool:
        value = _scalar(node)
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, is {_is(node)}")
        return value

    return Form("`true` or `false`", read)


def entries(words: str) -> Form:
    """A list; its entries are read by `runtime.entries`."""

    def read(node: Node) -> Items:
        if not isinstance(node, Items):
            raise ValueError(f"must be a list, is {kind_of(node)}")
        return node

    return Form(words, read)


def _scalar(node: Node) -> Any:
    return node.value if isinstance(node, Scalar) else None


def _is(node: Node) -> str:
    kind = kind_of(node)
    return f"{kind} ({shown(node.text)})" if isinstance(node, Scalar) and node.text else kind


def _text(node: Node) -> str:
    if not isinstance(node, Scalar) or isinstance(node.value, bytes):
        raise ValueError(f"must be text, is {kind_of(node)}")
    return "" if node.value is None else node.text.strip()
