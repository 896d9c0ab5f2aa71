"""The lists of a folder: which are taken, and what is wrong with the others."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from metatap.bounded import is_meant, read_bounded
from metatap.lists.lists import ListFile, Lists
from metatap.lists.read import parse_list
from metatap.lists.rule import ListError, ListRule
from metatap.yamlfile import MAX_BYTES

SUFFIXES = (".yaml", ".yml")

MAX_FILES = 64
"""Files read from one folder, at most."""

MAX_ALL = 50_000
"""Rules in force, at most."""


def load_lists(
    folder: Path, before: Lists | None = None, unfinished: Collection[Path] = ()
) -> tuple[Lists, list[ListError]]:
    """Read all lists of a folder (`*.yaml`, `*.yml`, not below it, no hidden or backup files).

    A file with any fault is left out as a whole, the others are unaffected; so is one that has an
    id of a file before it, by name. Where an earlier state of such a file is in force, that stays.

    Args:
        folder: The folder; one that can't be read leaves all as it was.
        before: The lists in force; new ones go on with their counts once they `take_over`.
        unfinished: Files that are being written; what was in force in their place stays.

    Returns:
        The lists, and what is wrong.
    """
    old = {} if before is None else {one.path: one for one in before.files}
    try:
        paths = sorted(path for path in folder.iterdir() if is_meant(path, SUFFIXES))
    except OSError as error:
        stays = Lists(tuple(old.values()))
        return stays, [ListError(f"{folder}: can't be read: {error.strerror}")]
    errors: list[ListError] = []
    if len(paths) > MAX_FILES:
        errors.append(ListError(f"{folder}: {len(paths)} lists, only {MAX_FILES} are read"))
    taken: list[ListFile] = []
    places: dict[str, ListRule] = {}
    for path in paths[:MAX_FILES]:
        for one in _read(path, old.get(path), errors, is_whole=path not in unfinished):
            try:
                _check(one, places)
            except ListError as error:
                errors.append(error)
                continue
            taken.append(one)
            places.update({rule.id: rule for rule in one.rules})
            break
    return Lists(taken), errors


def read_list(path: Path, old: ListFile | None = None) -> ListFile:
    """Read one list; `old` is given back if the file has not changed since.

    Raises:
        ListError: it can't be read or has a fault.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
    except OSError as error:
        raise ListError(f"{path}: can't be read: {error.strerror}") from None
    sha256 = hashlib.sha256(content).hexdigest()
    if old is not None and old.sha256 == sha256:
        return old
    return ListFile(path, sha256, parse_list(content, path))


def _read(
    path: Path, old: ListFile | None, errors: list[ListError], *, is_whole: bool
) -> list[ListFile]:
    """What may stand for a file, best first: it, and what was in force in its place."""
    stands_in = [] if old is None else [old]
    if not is_whole:
        return stands_in
    try:
        found = read_list(path, old)
    except ListError as error:
        errors.append(error)
        return stands_in
    return [found, *(one for one in stands_in if one is not found)]


def _check(one: ListFile, places: dict[str, ListRule]) -> None:
    """Check that a file fits in with those before it.

    Raises:
        ListError: an id is taken, or there are too many rules.
    """
    faults = [
        f"{rule.path}:{rule.line}: id {rule.id}: is that of a rule in "
        f"{places[rule.id].path}:{places[rule.id].line}"
        for rule in one.rules
        if rule.id in places
    ]
    if len(places) + len(one.rules) > MAX_ALL:
        faults.append(f"{one.path}: more than {MAX_ALL} rules in all lists")
    if faults:
        raise ListError(*faults[:50])
