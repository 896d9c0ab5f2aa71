"""Text from logs and file names, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with what can't be printed escaped: control characters, `\x1b` for escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
