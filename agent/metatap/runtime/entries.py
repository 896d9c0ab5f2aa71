"""Reading entries of lists: those of `sources`, and what all have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from metatap.errors import SourceError
from metatap.runtime.options import SOURCE_OPTIONS, Option
from metatap.runtime.settings import SourceConfig
from metatap.sources.options import WireOptions
from metatap.yamlfile import Faults, Fields, Items, Node, Scalar, kind_of

MAX_ENTRIES = 64
"""Entries of a list, at most."""


Resolve = Callable[[str], Path]
"""Text of a path as written → the path."""


def read_sources(node: Items, faults: Faults, resolve: Resolve) -> tuple[SourceConfig, ...]:
    """The sources; what is wrong with one goes to `faults`."""
    found = []
    for at, item in each(node, "sources", faults):
        where = f"sources[{at}]"
        found_here = given(item, SOURCE_OPTIONS, where, faults)
        options = _source_options(found_here.pop("options", None), where, faults)
        if url := found_here.get("url"):
            url = url if "://" in url else str(resolve(url))
            found.append(SourceConfig(url, options, place_of(item, faults)))
    return tuple(found)


def place_of(item: Fields, faults: Faults) -> str:
    """Where an entry is, for messages."""
    return f"{faults.name}:{item.line}" if item.line else faults.name


def each(node: Items, name: str, faults: Faults) -> list[tuple[int, Fields]]:
    """Number and fields of the entries of a list that are mappings."""
    if not 1 <= len(node.items) <= MAX_ENTRIES:
        faults.add(node.line, f"{name}: {len(node.items)} entries, must be 1 to {MAX_ENTRIES}")
        return []
    found = []
    for at, item in enumerate(node.items):
        if isinstance(item, Fields):
            found.append((at, item))
        else:
            faults.add(item.line, f"{name}[{at}]: must be a mapping, is {kind_of(item)}")
    return found


def given(
    item: Fields, options: Sequence[Option], where: str, faults: Faults, *more: str
) -> dict[str, Any]:
    """The values of an entry's options, defaults included; faulty and missing ones left out."""
    faults.unknown(item, [*(option.name for option in options), *more], f"{where}.")
    values: dict[str, Any] = {}
    for option in options:
        node = item.items.get(option.name)
        if option.name == "options":
            values["options"] = node
        elif node is None:
            if option.default is None:
                faults.add(item.line, f"{where}.{option.name}: missing")
            else:
                values[option.name] = option.default
        else:
            try:
                values[option.name] = option.form.read(node)
            except ValueError as error:
                faults.add(node.line, f"{where}.{option.name}: {error}")
    return values


def _source_options(node: Node | None, where: str, faults: Faults) -> dict[str, Any]:
    """Options of a source: names, types and bounds are those of `WireOptions`."""
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return {}
    if not isinstance(node, Fields):
        faults.add(node.line, f"{where}.options: must be a mapping, is {kind_of(node)}")
        return {}
    defaults = {item.name: item.default for item in fields(WireOptions)}
    faults.unknown(node, defaults, f"{where}.options.")
    values: dict[str, Any] = {}
    for name, item in node.items.items():
        if name not in defaults:
            continue
        try:
            value = _like(defaults[name], item)
            WireOptions().with_values({name: value})
        except (ValueError, SourceError) as error:
            text = str(error).removeprefix(f"{name}: ")
            faults.add(node.lines[name], f"{where}.options.{name}: {text}")
        else:
            values[name] = value
    return values


def _like(default: Any, node: Node) -> Any:
    """A value of the type of `default`: a whole number, a number or a list of whole numbers."""
    if isinstance(default, tuple):
        if not isinstance(node, Items):
            raise ValueError(f"must be a list, is {kind_of(node)}")
        return tuple(_like(0, item) for item in node.items)
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, is {kind_of(node)}")
    if isinstance(default, float):
        return float(value)
    if not isinstance(value, int):
        raise ValueError(f"{value}: must be a whole number")
    return value
