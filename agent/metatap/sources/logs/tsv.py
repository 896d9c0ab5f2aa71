r"""Zeek's ASCII logs: a header that names separator and fields, then a line a record.

    #separator \x09
    #set_separator	,
    #empty_field	(empty)
    #unset_field	-
    #fields	ts	uid	…

A header may come again where logs were joined into one file. A byte that is written as `\xNN` is
that byte; one that is not UTF-8 stays as `\xNN`, as in Zeek's JSON.
"""

from __future__ import annotations

import re
from typing import Any

from metatap.sources.logs.faults import LineError
from metatap.sources.logs.fields import Form, Layout, from_text

_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")
_LITERAL = re.compile(rb"\\(?=x[0-9a-f]{2})")
_SEPARATOR_MAX = 8
"""Characters of a separator at most."""


def unescape(text: str) -> str:
    r"""Text with its `\xNN` made bytes, those that are not UTF-8 then written as `\xNN` again.

    So is a backslash before what would be taken for a `\xNN` later.
    """
    if "\\x" not in text:
        return text
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode())
    return _LITERAL.sub(rb"\\x5c", raw).decode("utf-8", "backslashreplace")


class TsvHeader:
    """What the header lines seen so far say, and the lines below it."""

    def __init__(self, of: Layout) -> None:
        """No header yet.

        Args:
            of: Fields that are read.
        """
        self._layout = of
        self.restart()

    def restart(self) -> None:
        """Forget the header: another file begins."""
        self._separator: str | None = None
        self._set_separator = ","
        self._empty = "(empty)"
        self._unset = "-"
        self._width = 0
        self._wanted: list[tuple[int, str, Form]] = []

    def header(self, line: str) -> None:
        """Take in a line that starts with `#`; one that says nothing of the form is a comment."""
        if line.startswith("#separator"):
            separator = unescape(line.removeprefix("#separator").strip(" "))
            self._separator = separator if 0 < len(separator) <= _SEPARATOR_MAX else None
            self._width = 0
            return
        if self._separator is None:
            return
        name, *values = line.split(self._separator)
        if name == "#fields":
            self._fields(values)
        elif name == "#set_separator" and values and values[0]:
            self._set_separator = unescape(values[0])
        elif name == "#empty_field" and values:
            self._empty = unescape(values[0])
        elif name == "#unset_field" and values:
            self._unset = unescape(values[0])

    def record(self, line: str) -> Any:
        """What a line below the header says, a struct of the layout.

        Raises:
            LineError: there is no header, the line does not fit it, or a value does not fit.
        """
        if self._separator is None or not self._width:
            raise LineError("no_header", "", f"{line[:40]!r}: neither JSON nor below a header")
        values = line.split(self._separator)
        if len(values) != self._width:
            detail = f"{len(values)} fields, the header names {self._width}"
            raise LineError("fields", "", detail)
        found = {
            self._layout.attributes[name]: self._value(name, form, values[at])
            for at, name, form in self._wanted
            if values[at] != self._unset
        }
        return self._layout.struct(**found)

    def _fields(self, names: list[str]) -> None:
        self._width = len(names)
        where = {name: at for at, name in enumerate(names)}
        self._wanted = [
            (where[name], name, form) for name, form in self._layout.forms.items() if name in where
        ]

    def _value(self, name: str, form: Form, text: str) -> Any:
        if form is Form.WORDS:
            return self._words(text)
        if form is Form.SERVICE:
            return ",".join(self._words(text))
        if form in (Form.TEXT, Form.ADDR, Form.ANY):
            return "" if text == self._empty else unescape(text)
        return from_text(name, form, text)

    def _words(self, text: str) -> list[str]:
        if text == self._empty:
            return []
        words = text.split(self._set_separator)
        return [unescape(word) for word in words if word != self._unset]
