"""The head of a pack: everything but its flows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Any

from metatap.context import CONTEXT_VERSION
from metatap.packs.pack import Severity
from metatap.yamlfile import Faults, Fields, Items, Node, Scalar, kind_of, nearest, shown

VERSION = 1
"""Version of the pack format."""

MAX_LIST = 32
"""Entries of `attack` and of `references`, at most."""

_ID = re.compile(r"[a-z0-9-]{3,64}")
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_URL = re.compile(r"https?://[^\s<>\"]+")


def read_head(root: Fields, faults: Faults) -> dict[str, Any]:
    """The fields of `FIELDS` but `pack`; each fault is noted, and its field left out."""
    values: dict[str, Any] = {}
    for key, (default, read) in FIELDS.items():
        node = root.items.get(key)
        if node is None or (isinstance(node, Scalar) and node.value is None):
            values[key] = default
            if default is None:
                line = root.lines.get(key, root.line)
                faults.add(line, f"{key}: {'missing' if node is None else 'is empty'}")
            continue
        try:
            values[key] = read(node)
        except ValueError as error:
            faults.add(node.line, f"{key}: {error}")
    values.pop("pack", None)
    return values


def _text(limit: int) -> Callable[[Node], str]:
    def read(node: Node) -> str:
        if not isinstance(node, Scalar) or isinstance(node.value, bytes):
            raise ValueError(f"must be text, is {kind_of(node)}")
        text = node.text.strip()
        if not text:
            raise ValueError("is empty")
        if len(text) > limit:
            raise ValueError(f"{len(text)} characters, at most {limit}")
        if not all(map(_is_text, text)):
            raise ValueError("has characters that can't be printed")
        return text

    return read


def _is_text(char: str) -> bool:
    return char.isprintable() or char == "\n" or unicodedata.category(char) == "Zs"


def _line(limit: int) -> Callable[[Node], str]:
    def read(node: Node) -> str:
        text = _text(limit)(node)
        if "\n" in text:
            raise ValueError("must be one line")
        return text

    return read


def _version(node: Node) -> int:
    if not isinstance(node, Scalar) or node.text != str(VERSION):
        raise ValueError(f"must be {VERSION}")
    return VERSION


def _context_version(node: Node) -> int:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError(f"must be a whole number, {CONTEXT_VERSION} for this agent")
    return value


def _id(node: Node) -> str:
    text = _line(64)(node)
    if not _ID.fullmatch(text):
        raise ValueError(f"{shown(text)}: must be 3 to 64 of a-z, 0-9 and -")
    return text


def _date(node: Node) -> date:
    text = _line(64)(node)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{shown(text)}: must be a date, YYYY-MM-DD")


def _severity(node: Node) -> Severity:
    text = _line(64)(node)
    try:
        return Severity(text)
    except ValueError:
        known = ", ".join(Severity)
        raise ValueError(
            f"{shown(text)}: must be one of {known}{nearest(text, Severity)}"
        ) from None


def _list(pattern: re.Pattern[str], what: str) -> Callable[[Node], tuple[str, ...]]:
    def read(node: Node) -> tuple[str, ...]:
        if not isinstance(node, Items):
            raise ValueError(f"must be a list, is {kind_of(node)}")
        if len(node.items) > MAX_LIST:
            raise ValueError(f"{len(node.items)} entries, at most {MAX_LIST}")
        texts = [_line(512)(item) for item in node.items]
        for text in texts:
            if not pattern.fullmatch(text):
                raise ValueError(f"{shown(text)}: must be {what}")
        if len(set(texts)) < len(texts):
            raise ValueError("has an entry twice")
        return tuple(texts)

    return read


FIELDS: dict[str, tuple[Any, Callable[[Node], Any]]] = {
    "pack": (None, _version),
    "id": (None, _id),
    "name": (None, _line(128)),
    "description": ("", _text(4096)),
    "author": ("", _line(128)),
    "created": (None, _date),
    "severity": (None, _severity),
    "context_version": (0, _context_version),
    "attack": ((), _list(_TECHNIQUE, "an ATT&CK technique id such as T1110.001")),
    "references": ((), _list(_URL, "an http or https URL")),
}
"""Key → its value where it is missing (None: it must be there), and its reader (ValueError)."""
