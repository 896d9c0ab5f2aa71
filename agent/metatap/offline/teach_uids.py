"""Lists of uids as a person gives them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from metatap.errors import TeachError

MAX_FILE_BYTES = 2**20
"""Size of a list, at most: far more than a pack can hold."""

MAX_NAME_BYTES = 255
"""Bytes of a file's name, at most; a longer text is a list of uids."""

FILE_ENDS = (".txt", ".csv")
"""No uid ends like this."""

STDIN = "-"


def split_uids(texts: Iterable[str]) -> list[str]:
    """Uids from texts such as `C1,C2 C3`, each once, in order."""
    words = (word for text in texts for word in text.replace(",", " ").split())
    return list(dict.fromkeys(words))


def read_uids(name: str) -> list[str]:
    """Uids from a file, one a line, or from standard input if the name is `-`.

    What follows a `#` is a comment.

    Raises:
        TeachError: the file can't be read or has no uid; names it.
    """
    try:
        if name == STDIN:
            content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise TeachError(f"{name}: can't be read: {error.strerror or error}") from None
    if len(content) > MAX_FILE_BYTES:
        raise TeachError(f"{name}: a list of uids has at most {MAX_FILE_BYTES} bytes")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise TeachError(f"{name}: not UTF-8, is it a list of uids?") from None
    found: list[str] = []
    for at, line in enumerate(lines, 1):
        words = split_uids([line.partition("#")[0]])
        if len(words) > 1:
            raise TeachError(f"{name}:{at}: {len(words)} words, one uid a line is expected")
        found += words
    if not found:
        raise TeachError(f"{name}: has no uid")
    return list(dict.fromkeys(found))


def check_stdin(names: Sequence[str | None]) -> None:
    """Check that standard input is not to be read twice.

    Raises:
        TeachError: several of the names are `-`.
    """
    if names.count(STDIN) > 1:
        raise TeachError("-: standard input can be read only once")


def uids_or_file(texts: Iterable[str]) -> list[str]:
    """Uids from texts that are each a list of uids or the name of a file that has one.

    A text with a comma, or longer than a file's name can be, is a list.

    Raises:
        TeachError: a file can't be read, has no uid or is not there.
    """
    found: list[str] = []
    for text in texts:
        is_list = "," in text or len(os.fsencode(text)) > MAX_NAME_BYTES
        if not is_list and (text == STDIN or _is_there(text)):
            found += read_uids(text)
        elif not is_list and ("/" in text or text.endswith(FILE_ENDS)):
            raise TeachError(f"{text}: no such file")
        else:
            found += split_uids([text])
    return list(dict.fromkeys(found))


def _is_there(name: str) -> bool:
    """Whether there is a file or a pipe of that name."""
    try:
        path = Path(name)
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False
