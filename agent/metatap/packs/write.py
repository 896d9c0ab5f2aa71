"""Writing packs: YAML that a person can read and diff; reading it back gives the same pack."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

from metatap.context import CONTEXT_VERSION
from metatap.flow import FlowBatch, Numeric, Strings, to_row
from metatap.flow.schema import BY_NAME, ColumnSpec, Kind
from metatap.packs.context import FloatArray, context_texts, has_context
from metatap.packs.flows import CONTEXT
from metatap.packs.head import VERSION
from metatap.packs.pack import Pack
from metatap.yamlfile import resolve

WIDTH = 100
"""Columns a line of flow fields is wrapped to."""

_NS = 1_000_000_000
_TIMES = (Kind.TIME, Kind.INTERVAL)
_CONTEXT = f"{CONTEXT}: {{"
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:+@ -]*")


def dump_pack(pack: Pack) -> str:
    """The text of a pack file.

    `path` and `sha256` are not written. A flow's fields stand in schema order; `partial` is left
    out unless true. Values that are not UTF-8 are written as `!!binary`. The numbers of a flow's
    context are rounded, see `context.DIGITS`; all else reads back exactly.
    """
    contexts = has_context(pack.context) or has_context(pack.not_like_context)
    head: list[tuple[str, str]] = [
        ("pack", str(VERSION)),
        ("id", quoted(pack.id)),
        ("name", quoted(pack.name)),
        ("description", quoted(pack.description)),
        ("author", quoted(pack.author)),
        ("created", pack.created.isoformat()),
        ("severity", pack.severity.value),
        ("attack", _inline(pack.attack)),
        ("references", _inline(pack.references)),
        ("context_version", str(CONTEXT_VERSION) if contexts else '""'),
    ]
    lines = [f"{key}: {text}" for key, text in head if text != '""']
    lines += ["flows:", *_flows(pack.flows, pack.context)]
    if pack.not_like is None:
        lines.append("not_like: []")
    else:
        lines += ["not_like:", *_flows(pack.not_like, pack.not_like_context)]
    return "\n".join(lines) + "\n"


def quoted(value: str | bytes) -> str:
    """A text as a YAML scalar on one line: plain where that reads back as the same text."""
    if isinstance(value, bytes):
        try:
            return quoted(value.decode())
        except UnicodeDecodeError:
            return f"!!binary {base64.b64encode(value).decode('ascii')}"
    is_plain = (
        _PLAIN.fullmatch(value)
        and resolve(value) == value
        and not value.endswith((" ", ":"))
        and ": " not in value
        and not value.startswith(("---", "..."))
    )
    if is_plain:
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _inline(texts: Sequence[str]) -> str:
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


def _flows(batch: FlowBatch, context: FloatArray | None) -> Iterator[str]:
    for row in range(batch.rows):
        fields = [
            f"{name}: {_value(batch, BY_NAME[name], row, value)}"
            for name, value in to_row(batch, row).items()
            if not (name == "partial" and value is False)
        ]
        fields = fields or ["partial: false"]
        known = [] if context is None else list(context_texts(context[row]))
        if known:
            known[0] = f"{_CONTEXT}{known[0]}"
            known[-1] += "}"
        yield from _wrapped([*fields, *known])


def _wrapped(fields: list[str]) -> Iterator[str]:
    """A flow in braces; lines are broken between fields only, and always before the context."""
    line = "  - {"
    for at, field in enumerate(fields):
        piece = field + ("}" if at == len(fields) - 1 else ",")
        is_full = len(line) + len(piece) > WIDTH or piece.startswith(_CONTEXT)
        if is_full and not line.endswith("{"):
            yield line.rstrip()
            line = "     "
        line += piece + " "
    yield line.rstrip()


def _value(batch: FlowBatch, spec: ColumnSpec, row: int, value: Any) -> str:
    column = batch.columns[spec.name]
    if isinstance(column, Strings):
        return quoted(column.item(row) or b"")
    if spec.kind in _TIMES and isinstance(column, Numeric):
        return _seconds(int(column.values[row]))
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if spec.kind is Kind.ADDR else str(value)


def _seconds(ns: int) -> str:
    """ns as seconds in decimals, exact."""
    whole, part = divmod(abs(ns), _NS)
    text = f"{whole}.{part:09d}".rstrip("0").rstrip(".")
    return f"-{text}" if ns < 0 else text
