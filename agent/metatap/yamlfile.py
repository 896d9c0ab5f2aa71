"""YAML documents with the line of every value: the one reader of packs and configuration.

A document is a tree of `Scalar`, `Items` and `Fields`. It is built from the parser's events without
recursion; anchors, aliases, tags and deep nesting are refused, so that a small file can't become a
large object. Plain scalars follow the core schema of YAML 1.2.2, section 10.3 (without octal and
hexadecimal numbers, infinity and NaN), not YAML 1.1: `no` is a text, `1:2:3:4:5:6:7:8` an address.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from metatap.errors import FaultsError

MAX_BYTES = 2**20
"""Size of a document, at most."""

MAX_DEPTH = 8
"""Lists and mappings within each other, at most."""

MAX_NODES = 50_000
"""Values and keys in a document, at most."""

MAX_FAULTS = 50
"""Faults listed for one document, at most; the rest is counted."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BINARY = "tag:yaml.org,2002:binary"
_INT = re.compile(r"[-+]?[0-9]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Value = None | bool | int | float | str | bytes


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value.

    Attributes:
        line: Its line, from 1.
        value: None, bool, int, finite float, str or (`!!binary`) bytes.
        text: As written, without quotes.
    """

    line: int
    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list, with the line it starts at."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping, with the line it starts at and those of its keys."""

    line: int
    items: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


Node = Scalar | Items | Fields


class Faults:
    """Collects what is wrong with one document, so that all of it is told at once.

    Attributes:
        name: Name of the document in messages, usually its path.
        found: The faults so far, each `name:line: text`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: list[str] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, line: int | None, text: str) -> None:
        """Note a fault; `line` counts from 1, None where there is none."""
        if len(self.found) >= MAX_FAULTS:
            self._more += 1
            return
        self.found.append(f"{self.name}:{line}: {text}" if line else f"{self.name}: {text}")

    def unknown(self, fields: Fields, known: Iterable[str], where: str = "") -> None:
        """Note each key of `fields` that is not in `known`, with the nearest one that is."""
        names = list(known)
        for key, line in fields.lines.items():
            if key not in names:
                self.add(line, f"{where}{shown(key)}: unknown key{self.hint(key, names)}")

    def hint(self, word: str, known: Iterable[str]) -> str:
        """As `nearest`, but "" once no more faults are listed: it is too slow for thousands."""
        return "" if len(self.found) >= MAX_FAULTS else nearest(word, known)

    def listed(self) -> list[str]:
        """The faults, and how many there are beside those that are listed."""
        more = [f"{self.name}: {self._more} more faults"] if self._more else []
        return [*self.found, *more]

    def raise_as(self, error: type[FaultsError]) -> None:
        """Raise `error` with all faults, if there are any."""
        if self.found:
            raise error(*self.listed())


def nearest(word: str, known: Iterable[str]) -> str:
    """`, did you mean …?` with the nearest known word, "" if none is near."""
    close = difflib.get_close_matches(word[:64], known, 1)
    return f", did you mean {close[0]}?" if close else ""


def shown(value: object, limit: int = 60) -> str:
    """A value for a message: on one line and not longer than `limit` characters."""
    text = value if isinstance(value, str) and value.isprintable() and value else repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def kind_of(node: Node) -> str:
    """What a value is, in a word a user knows."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Fields):
        return "a mapping"
    if node.value is None:
        return "empty"
    return _KINDS[type(node.value)]


_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    bytes: "binary",
}


def resolve(text: str) -> Value:
    """The value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def parse(content: bytes, faults: Faults) -> Node | None:
    """Read one document.

    Args:
        content: UTF-8 text.
        faults: Takes what is wrong.

    Returns:
        The document, None if it can't be read at all. Duplicate keys, tags and the like are noted
        and passed over, so a document with faults may be incomplete.
    """
    if len(content) > MAX_BYTES:
        faults.add(None, f"larger than {MAX_BYTES} bytes")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(content.count(b"\n", 0, error.start) + 1, "not UTF-8")
        return None
    builder = _Builder(faults)
    try:
        for event in yaml.parse(text, _LOADER):
            builder.take(event)
    except _GiveUpError as error:
        faults.add(error.line, str(error))
        return None
    except yaml.YAMLError as error:
        faults.add(*_syntax(error, text))
        return None
    if builder.root is None:
        faults.add(1, "empty")
    return builder.root


def _syntax(error: yaml.YAMLError, text: str) -> tuple[int | None, str]:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        problem = getattr(error, "problem", None) or "not YAML"
        return mark.line + 1, str(problem)
    if isinstance(error, yaml.reader.ReaderError):
        at = int(error.position)
        return text.count("\n", 0, at) + 1, "a character that YAML does not allow"
    return None, "not YAML"


class _GiveUpError(Exception):
    """The document is refused at once: reading on would cost too much."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class _Builder:
    """Makes the tree from parser events; keeps its own stack, so depth can't exhaust Python's."""

    def __init__(self, faults: Faults) -> None:
        self.root: Node | None = None
        self._faults = faults
        self._stack: list[Items | Fields] = []
        self._keys: list[tuple[str, int] | None] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event of the parser."""
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _GiveUpError(line, "a second document")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, line)

    def _node(self, event: yaml.NodeEvent, line: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _GiveUpError(line, f"more than {MAX_NODES} values")
        if event.anchor is not None:
            raise _GiveUpError(line, "anchors and aliases are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            self._place(self._scalar(event, line))
            return
        if len(self._stack) >= MAX_DEPTH:
            raise _GiveUpError(line, f"nested deeper than {MAX_DEPTH} levels")
        node = Items(line) if isinstance(event, yaml.SequenceStartEvent) else Fields(line)
        if getattr(event, "tag", None) is not None:
            self._faults.add(line, "tags are not allowed")
        self._place(node)
        self._stack.append(node)
        self._keys.append(None)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        text = event.value
        if event.tag is None:
            plain = not event.style
            return Scalar(line, resolve(text) if plain else text, text)
        if event.tag == _BINARY:
            try:
                return Scalar(line, base64.b64decode("".join(text.split()), validate=True), text)
            except (binascii.Error, ValueError):
                self._faults.add(line, f"{shown(text)}: not base64")
        elif event.tag != "!":
            self._faults.add(line, "tags are not allowed")
        return Scalar(line, text, text)

    def _place(self, node: Node) -> None:
        """Put a node where it belongs: into the open list, as a key, as a value or as the root."""
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if isinstance(parent, Items):
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            if not isinstance(node, Scalar):
                raise _GiveUpError(node.line, "a key must be a word")
            self._keys[-1] = (node.text, node.line)
            return
        self._keys[-1] = None
        name, line = key
        if name in parent.items:
            first = parent.lines[name]
            self._faults.add(line, f"{shown(name)}: given twice, first in line {first}")
            return
        parent.items[name] = node
        parent.lines[name] = line

    def _end(self) -> None:
        self._stack.pop()
        self._keys.pop()
