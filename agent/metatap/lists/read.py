"""Reading one list: a YAML file → its rules, or every fault with its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metatap.lists import values
from metatap.lists.rule import CRITERIA, ListError, ListRule
from metatap.yamlfile import MAX_NODES, Faults, Fields, Items, Node, Scalar, kind_of, parse, shown

VERSION = 1
"""Version of the format."""

MAX_RULES = 5_000
"""Rules of one file, at most."""

MAX_VALUES = 64
"""Values of one criterion, at most."""

MAX_REASON = 512

_STAR = re.compile(r"(^|[\s:\[,-])\*")


def parse_list(content: bytes, path: Path) -> tuple[ListRule, ...]:
    """The rules of a list, in their order.

    Args:
        content: The file, UTF-8.
        path: Its name, for messages and for ids that are made.

    Raises:
        ListError: it breaks docs/lists.md; names every fault.
    """
    faults = Faults(str(path))
    root = parse(content, faults)
    if root is None:
        raise ListError(*_with_hint(faults, content))
    if not isinstance(root, Fields):
        faults.add(root.line, f"must be a mapping, is {kind_of(root)}")
        raise ListError(*faults.listed())
    faults.unknown(root, ("list", "rules"))
    _check_version(root, faults)
    node = root.items.get("rules")
    rules: list[ListRule] = []
    if node is None:
        faults.add(root.line, "rules: missing")
    elif isinstance(node, Items):
        if len(node.items) > MAX_RULES:
            faults.add(node.line, f"rules: {len(node.items)}, at most {MAX_RULES}")
        for item in node.items[:MAX_RULES]:
            rule = _rule(item, path, faults)
            if rule is not None:
                rules.append(rule)
    elif not _is_empty(node):
        faults.add(node.line, f"rules: must be a list, is {kind_of(node)}")
    _check_ids(rules, faults)
    faults.raise_as(ListError)
    return tuple(rules)


def _check_version(root: Fields, faults: Faults) -> None:
    version = root.items.get("list")
    if version is None:
        faults.add(root.line, f"list: missing; it is the version of the format, {VERSION}")
    elif not isinstance(version, Scalar) or version.text != str(VERSION):
        faults.add(version.line, f"list: must be {VERSION}, the version this agent reads")


def _check_ids(rules: list[ListRule], faults: Faults) -> None:
    lines: dict[str, int] = {}
    for rule in rules:
        first = lines.setdefault(rule.id, rule.line)
        if first != rule.line:
            faults.add(rule.line, f"id {rule.id}: given twice, first in line {first}")


def _rule(node: Node, path: Path, faults: Faults) -> ListRule | None:
    """One rule; None if it has a fault, which is noted."""
    if not isinstance(node, Fields):
        faults.add(node.line, f"a rule must be a mapping, is {kind_of(node)}")
        return None
    faults.unknown(node, FIELDS)
    is_sound = node.items.keys() <= FIELDS.keys()
    found: dict[str, Any] = {}
    for name, item in node.items.items():
        if name not in FIELDS:
            continue
        try:
            found[name] = FIELDS[name](item)
        except ValueError as error:
            faults.add(item.line, f"{name}: {error}")
            is_sound = False
    if "reason" not in node.items:
        faults.add(node.line, "reason: missing")
        is_sound = False
    if not is_sound:
        return None
    if not any(map(_is_narrow, (found.get(name) for name in CRITERIA))):
        faults.add(node.line, "matches every alert: name a host, domain, port, service or pack")
        return None
    if found.get("port") and found.get("proto") == ("icmp",):
        faults.add(node.line, "port: ICMP has none")
        return None
    if "id" not in found:
        found["id"] = _made_id(path, found)
    return ListRule(**found, path=path, line=node.line)


def _is_narrow(found: Any) -> bool:
    """Whether a criterion leaves something out: not a network that holds every address."""
    return bool(found) and not any(getattr(value, "prefixlen", 1) == 0 for value in found)


def _made_id(path: Path, found: dict[str, Any]) -> str:
    """An id from the file's name and from what the rule matches."""
    stem = re.sub("[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40] or "list"
    parts = [f"{name}={sorted(map(str, found.get(name, ())))}" for name in CRITERIA]
    return f"{stem}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


def _text(node: Node) -> str:
    if _is_empty(node):
        raise ValueError("is empty")
    if not isinstance(node, Scalar) or isinstance(node.value, bytes):
        raise ValueError(f"must be text, is {kind_of(node)}")
    text = node.text.strip()
    if not text:
        raise ValueError("is empty")
    return text


def _one(read: Callable[[str], Any]) -> Callable[[Node], Any]:
    return lambda node: read(_text(node))


def _line(limit: int) -> Callable[[Node], str]:
    return lambda node: values.line(_text(node), limit)


def _some(read: Callable[[str], Any]) -> Callable[[Node], tuple[Any, ...]]:
    """One value or a list of them, each once."""

    def read_all(node: Node) -> tuple[Any, ...]:
        items = node.items if isinstance(node, Items) else [node]
        if len(items) > MAX_VALUES:
            raise ValueError(f"{len(items)} values, at most {MAX_VALUES}")
        if not items:
            raise ValueError("is empty")
        return tuple(dict.fromkeys(read(_text(item)) for item in items))

    return read_all


def _packs(node: Node) -> tuple[str, ...]:
    found: tuple[str, ...] = _some(lambda text: text if text == "*" else values.identifier(text))(
        node
    )
    if "*" in found and len(found) > 1:
        raise ValueError("`*` is all packs and stands alone")
    return () if "*" in found else found


def _created(text: str) -> str:
    values.moment(text)
    return text


FIELDS: dict[str, Callable[[Node], Any]] = {
    "id": _one(values.identifier),
    "reason": _line(MAX_REASON),
    "orig": _some(values.network),
    "resp": _some(values.network),
    "host": _some(values.network),
    "domain": _some(values.domain),
    "port": _some(values.ports),
    "proto": _some(values.proto),
    "service": _some(values.service),
    "pack": _packs,
    "expires": _one(values.moment),
    "author": _line(128),
    "created": _one(_created),
    "alert": _line(64),
}
"""Key of a rule → its reader."""


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _with_hint(faults: Faults, content: bytes) -> list[str]:
    """The faults of a file that is no YAML, with what is most often the cause."""
    lines = content.decode("utf-8", "replace").splitlines()
    found = []
    for fault in faults.listed():
        at = re.match(rf"{re.escape(faults.name)}:(\d+): ", fault)
        text = lines[int(at[1]) - 1] if at and int(at[1]) <= len(lines) else ""
        has_star = _STAR.search(text) is not None
        found.append(f'{fault} (a `*` needs quotes, as in "*.example.com")' if has_star else fault)
    if f"more than {MAX_NODES}" in "".join(found):
        found.append(f"{shown(faults.name)}: split it into several files")
    return found
