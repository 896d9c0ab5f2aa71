"""Lines of bounded size: a document's longest texts and lists are cut until its line fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CUTS = ((1024, 16), (256, 16), (64, 8), (16, 2))
"""Characters of a text and entries of a list, at most; each step is tried if the one before it
was not enough."""

MAX_DEPTH = 32
"""Containers in containers that a cut document keeps; alerts have at most six."""


def line_within(
    limit: int, document: Mapping[str, Any], encode: Callable[[Mapping[str, Any]], bytes]
) -> bytes:
    """The document as one line, cut as little as brings it within the limit.

    Args:
        limit: Bytes of the line. A document whose keys alone are longer is not brought under it.
        document: What would be decoded from JSON.
        encode: Document → line.
    """
    line = encode(document)
    for characters, entries in CUTS:
        if len(line) <= limit:
            break
        line = encode({key: cut(item, characters, entries) for key, item in document.items()})
    return line


def cut(value: Any, characters: int, entries: int, depth: int = MAX_DEPTH) -> Any:
    """The value with strings and lists cut; `…` marks the end of a cut string."""
    if isinstance(value, str):
        return shorten(value, characters)
    if isinstance(value, dict | list) and depth == 0:
        return None
    if isinstance(value, dict):
        return {key: cut(item, characters, entries, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [cut(item, characters, entries, depth - 1) for item in value[:entries]]
    return value


def shorten(text: str, characters: int) -> str:
    """The text, or its beginning and `…` in so many characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
