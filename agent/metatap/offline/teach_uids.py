"""Lists of uids as a person gives them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from metatap.errors import TeachError

MAX_FILE_BYTES = 2**20
"""Size of a list, at most: far more than a pack can hold."""

STDIN = "-"


def split_uids(texts: Iterable[str]) -> list[str]:
    """Uids from texts such as `C1,C2 C3`, each once, in order."""
    words = (word for text in texts for word in text.replace(",", " ").split())
    return list(dict.fromkeys(words))


def read_uids(name: str) -> list[str]:
    """Uids from a file, one a line, or from standard input if the name is `-`.

    What follows a `#` is a comment.

    Raises:
        TeachError: the file can't be read; names it.
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
    return list(dict.fromkeys(found))


def uids_or_file(texts: Iterable[str]) -> list[str]:
    """Uids from texts that are each a list of uids or the name of a file that has one.

    Raises:
        TeachError: a file can't be read.
    """
    found: list[str] = []
    for text in texts:
        found += read_uids(text) if text == STDIN or Path(text).is_file() else split_uids([text])
    return list(dict.fromkeys(found))
