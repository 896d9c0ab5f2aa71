"""Adding a rule to a list: the file's text and comments stay, the change is one rename."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from metatap.bounded import read_bounded
from metatap.lists.read import VERSION, parse_list
from metatap.lists.rule import CRITERIA, Domain, ListError, ListRule, Ports
from metatap.packs.write import quoted
from metatap.writing import write_whole
from metatap.yamlfile import MAX_BYTES, Faults, Fields, Items, parse

NEW = f"""\
# Alerts that are kept quiet; `metatap suppress` adds to this file.
list: {VERSION}
rules:
"""

_INDENT = 2


def rule_text(rule: ListRule, indent: int = _INDENT) -> str:
    """A rule as an entry of `rules`, each line indented by so many spaces."""
    fields = [("id", rule.id), ("reason", quoted(rule.reason))]
    for name in CRITERIA:
        texts = [_value(value) for value in getattr(rule, name)]
        if texts:
            fields.append((name, texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"))
    if rule.expires is not None:
        fields.append(("expires", time_text(rule.expires)))
    others = {"author": rule.author, "created": rule.created, "alert": rule.alert}
    fields += [(name, quoted(text)) for name, text in others.items() if text]
    lines = [f"{name}: {text}" for name, text in fields]
    margin = " " * indent
    return f"{margin}- {lines[0]}\n" + "".join(f"{margin}  {line}\n" for line in lines[1:])


def time_text(ns: int) -> str:
    """ns since the epoch as a time in UTC, to the second."""
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def append_rule(path: Path, rule: ListRule) -> str:
    """Add a rule at the end of a list, which is made if it is not there.

    The new text is read back before it takes the place of the old one: it must hold the old rules
    and the new one. Whoever adds to a list of the same folder meanwhile waits.

    Returns:
        The rule as it was written.

    Raises:
        ListError: the file is faulty, can't take the rule at its end, or can't be written.
    """
    path = Path(os.path.realpath(path))
    try:
        with _locked(path.parent):
            old = _content(path)
            entry, new = _added(path, old, rule)
            write_whole(path, new)
    except OSError as error:
        raise ListError(f"{path}: can't be written: {error.strerror}") from None
    return entry


def _added(path: Path, old: bytes, rule: ListRule) -> tuple[str, bytes]:
    """The rule's text and the file's with it."""
    before = parse_list(old, path)
    entry = rule_text(rule, _indent(old))
    new = old + b"\n" * (not old.endswith(b"\n")) + entry.encode()
    try:
        after = parse_list(new, path)
    except ListError as error:
        is_full = len(new) > MAX_BYTES or "at most" in str(error) or "more than" in str(error)
        why = "is full; remove expired rules" if is_full else "can't take a rule at its end"
        raise ListError(f"{path}: {why}:\n{error}\n{entry}") from None
    expected = [*before, rule]
    if [_same(one) for one in after] != [_same(one) for one in expected]:
        raise ListError(
            f"{path}: can't take a rule at its end, since `rules` is not its last key or not "
            f"written one entry a line; add it by hand:\n{entry}"
        )
    return entry, new


def _same(rule: ListRule) -> tuple[object, ...]:
    """A rule without its place."""
    names = ("id", "reason", *CRITERIA, "expires", "author", "created", "alert")
    return tuple(getattr(rule, name) for name in names)


def _content(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        return NEW.encode()


def _indent(content: bytes) -> int:
    """Spaces before the `-` of the entries that are there."""
    root = parse(content, Faults(""))
    rules = root.items.get("rules") if isinstance(root, Fields) else None
    if not isinstance(rules, Items) or not rules.items:
        return _INDENT
    line = content.decode("utf-8-sig").splitlines()[rules.items[-1].line - 1]
    return len(line) - len(line.lstrip(" "))


def _value(value: object) -> str:
    if isinstance(value, Domain):
        return quoted("*." * value.below + value.name.decode())
    if isinstance(value, Ports):
        return str(value.first) if value.first == value.last else f"{value.first}-{value.last}"
    text = str(value)
    return quoted(text.removesuffix("/32") if "." in text else text.removesuffix("/128"))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
