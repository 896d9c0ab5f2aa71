"""Packs, lists, configurations and descriptions of classifiers, each through its own reader."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import structlog.testing

from metatap.detector.classes import parse_description
from metatap.errors import MetatapError
from metatap.lists import parse_list
from metatap.packs.load import parse_pack
from metatap.runtime.config import load_config
from tests.fuzz.documents import DOCUMENTS, mutated
from tests.fuzz.tally import Tally

ROUND = 1_000
MESSAGE_MAX = 64 << 10
"""Characters of what is said of one file, at most."""

REASONS = {
    "an anchor or alias": "anchors and aliases",
    "a tag": "tags are not allowed",
    "too deep": "nested deeper|maximum nesting",
    "too many values": "more than \\d+ values",
    "a second document": "a second document",
    "not UTF-8": "not UTF-8",
    "a character YAML does not allow": "character that YAML",
    "a key given twice": "given twice",
    "a key that is no word": "a key must be",
    "an unknown key": "unknown (key|option)",
    "something missing": "missing",
    "a wrong value": "must |is empty|not base64",
    "no YAML": "expected |mapping values|found |while |could not |did not ",
}
"""Reason → what the first fault says."""

Reader = Callable[[bytes, Path], object]


def _config(content: bytes, folder: Path) -> object:
    path = folder / "metatap.yaml"
    path.write_bytes(content)
    return load_config(path, {})


def _classifier(content: bytes, folder: Path) -> object:
    return parse_description(content, "model.yaml", folder / "model.onnx", "0" * 64)


READERS: dict[str, Reader] = {
    "pack": lambda content, _: parse_pack(content, "pack.yaml"),
    "list": lambda content, folder: parse_list(content, folder / "list.yaml"),
    "config": _config,
    "classifier": _classifier,
}


def run(tally: Tally, count: int, seed: int) -> None:
    """Read so many files, the kinds by turns."""
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, count, ROUND):
            chance = random.Random(f"{seed} {start}")
            with structlog.testing.capture_logs():
                refused = Counter(
                    _read(tuple(READERS)[at % len(READERS)], chance, Path(folder))
                    for at in range(start, min(start + ROUND, count))
                )
            taken = refused.pop("", 0)
            tally.add(taken, refused)


def _read(kind: str, chance: random.Random, folder: Path) -> str:
    """Why the next file of a kind is refused; "" if it is taken."""
    content = mutated(DOCUMENTS[kind], chance)
    try:
        READERS[kind](content, folder)
    except MetatapError as error:
        said = str(error)
    except Exception as error:
        raise AssertionError(f"{kind}: {content!r}") from error
    else:
        return ""
    assert len(said) < MESSAGE_MAX
    assert all(map(str.isprintable, said.split("\n"))), said
    return reason(said)


def reason(message: str) -> str:
    """The group of faults that the first one of a message belongs to."""
    first = message.partition("\n")[0]
    return next((name for name, words in REASONS.items() if re.search(words, first)), "others")
