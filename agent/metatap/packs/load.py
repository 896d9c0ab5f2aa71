"""Reading packs: one file, or all files of a folder."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from metatap.errors import PackError
from metatap.packs.flows import read_flows
from metatap.packs.pack import Pack, Severity
from metatap.yamlfile import (
    MAX_BYTES,
    Faults,
    Fields,
    Items,
    Node,
    Scalar,
    kind_of,
    nearest,
    parse,
    shown,
)

VERSION = 1
"""Version of the pack format."""

SUFFIXES = (".yaml", ".yml")
MAX_PACKS = 10_000
"""Pack files read from one folder, at most."""

MAX_LIST = 32
"""Entries of `attack` and of `references`, at most."""

_ID = re.compile(r"[a-z0-9-]{3,64}")
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_URL = re.compile(r"https?://[^\s<>\"]+")


def load_pack(path: Path) -> Pack:
    """Read one pack.

    Raises:
        PackError: the file can't be read or breaks docs/packs.md; names every fault.
    """
    faults = Faults(str(path))
    content = _read(path, faults)
    if content is None:
        raise _error(faults)
    return _pack(content, path, faults)


def load_folder(folder: Path) -> tuple[list[Pack], list[PackError]]:
    """Read all packs of a folder (`*.yaml`, `*.yml`, not below it, no hidden or backup files).

    Of packs with one id none is taken: which one is meant can't be told.

    Args:
        folder: The folder.

    Returns:
        The packs by id, and one error for each file or folder that is refused.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if _is_pack(path))
    except OSError as error:
        return [], [PackError(f"{folder}: can't be read: {error.strerror}")]
    errors: list[PackError] = []
    if len(paths) > MAX_PACKS:
        errors.append(PackError(f"{folder}: {len(paths)} packs, only {MAX_PACKS} are read"))
    found: dict[str, list[Pack]] = {}
    for path in paths[:MAX_PACKS]:
        try:
            pack = load_pack(path)
        except PackError as error:
            errors.append(error)
        else:
            found.setdefault(pack.id, []).append(pack)
    for name, same in found.items():
        if len(same) > 1:
            files = ", ".join(str(pack.path) for pack in same)
            errors.append(PackError(f"{same[0].path}: id {name} is that of several packs: {files}"))
    return [found[name][0] for name in sorted(found) if len(found[name]) == 1], errors


def _is_pack(path: Path) -> bool:
    name = path.name
    return path.suffix in SUFFIXES and not name.startswith((".", "#")) and not path.is_dir()


def _read(path: Path, faults: Faults) -> bytes | None:
    try:
        if path.exists() and not path.is_file():
            faults.add(None, "can't be read: not a file")
            return None
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        faults.add(None, f"can't be read: {error.strerror}")
    except ValueError as error:
        faults.add(None, f"can't be read: {error}")
    return None


def _pack(content: bytes, path: Path, faults: Faults) -> Pack:
    root = parse(content, faults)
    if root is None:
        raise _error(faults)
    if not isinstance(root, Fields):
        faults.add(root.line, f"must be a mapping, is {kind_of(root)}")
        raise _error(faults)
    version = root.items.get("pack")
    if isinstance(version, Scalar) and isinstance(version.value, int) and version.value > VERSION:
        faults.add(version.line, f"pack: version {version.value}, this agent reads {VERSION}")
        raise _error(faults)
    faults.unknown(root, (*_FIELDS, "flows", "not_like"))
    values = _values(root, faults)
    uids: dict[str, str] = {}
    batches = [read_flows(root, key, faults, uids) for key in ("flows", "not_like")]
    if "flows" not in root.items:
        faults.add(root.line, "flows: missing")
    elif isinstance(given := root.items["flows"], Items) and not given.items:
        faults.add(given.line, "flows: at least one is needed")
    faults.raise_as(PackError)
    values |= {"flows": batches[0], "not_like": batches[1]}
    return Pack(**values, path=path, sha256=hashlib.sha256(content).hexdigest())


def _values(root: Fields, faults: Faults) -> dict[str, Any]:
    """The fields but the flows, under the names of `Pack`."""
    values: dict[str, Any] = {}
    for key, (default, read) in _FIELDS.items():
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


def _error(faults: Faults) -> PackError:
    try:
        faults.raise_as(PackError)
    except PackError as error:
        return error
    return PackError(f"{faults.name}: unusable")  # pragma: no cover - callers noted a fault


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


_FIELDS: dict[str, tuple[Any, Callable[[Node], Any]]] = {
    "pack": (None, _version),
    "id": (None, _id),
    "name": (None, _line(128)),
    "description": ("", _text(4096)),
    "author": ("", _line(128)),
    "created": (None, _date),
    "severity": (None, _severity),
    "attack": ((), _list(_TECHNIQUE, "an ATT&CK technique id such as T1110.001")),
    "references": ((), _list(_URL, "an http or https URL")),
}
"""Key → its value where it is missing (None: it must be there), and its reader (ValueError)."""
