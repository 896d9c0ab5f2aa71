"""The card in a model file: read it, put a benchmark into it, keep all else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx

from metatap.detector.contract import read_json
from metatap.detector.onnx_file import OnnxFile
from metatap.errors import MetatapError, ModelError
from metatap_training.export.bundle import MAX_BYTES
from metatap_training.report.benchmark import Part
from metatap_training.report.card import Card
from metatap_training.report.markdown import card_markdown
from metatap_training.report.own import KIND

_KEY = "metatap.card"


class CardError(MetatapError):
    """A file has no card, or one that can't be shown or changed; names the file."""


def read_card(path: Path) -> Card:
    """The card in a model file.

    Raises:
        ModelError: The agent would not open the file.
        CardError: It has no card.
    """
    props = OnnxFile.open(path).props
    try:
        card = read_json(props, _KEY)
    except ModelError as error:
        raise CardError(f"{path}: {error}") from None
    if not isinstance(card, dict):
        raise CardError(f"{path}: {_KEY}: no object")
    return card


def page_of(card: Card, path: Path) -> str:
    """A file's card as Markdown.

    Raises:
        CardError: It lacks a field, or one is of another kind.
    """
    try:
        return card_markdown(card)
    except KeyError as error:
        raise CardError(f"{path}: its card lacks the field {error}") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise CardError(f"{path}: a field of its card is of another kind: {error}") from None


def attach(path: Path, benchmark: Part) -> Card:
    """Replace the benchmark's part of a file's card, and nothing else of the file.

    Returns:
        The card as it is in the file.

    Raises:
        ModelError: As `read_card`.
        CardError: Likewise; the model is one of a user's own flows, its card lacks a field, or the
            file would be larger than a shipped model may be. The file stays as it was.
    """
    card = with_benchmark(read_card(path), benchmark, path)
    page_of(card, path)
    proto = onnx.load(path)
    props = [item for item in proto.metadata_props if item.key == _KEY]

    def write(size: int) -> int:
        card["measured"]["bytes"] = size
        for prop in props:
            prop.value = json.dumps(card, allow_nan=False, separators=(",", ":"))
        return int(proto.ByteSize())

    size = settled(write)
    if size > MAX_BYTES:
        raise CardError(f"{path}: with this benchmark {size} bytes, more than {MAX_BYTES}")
    part = path.with_suffix(".part")
    part.write_bytes(proto.SerializeToString(deterministic=True))
    part.replace(path)
    return card


def with_benchmark(card: Card, benchmark: Part, path: Path) -> Card:
    """A card with another benchmark.

    Raises:
        CardError: It is the card of a user's own model: the benchmark says nothing about that.
    """
    if card.get("kind") == KIND:
        raise CardError(f"{path}: trained on a user's own flows, which the benchmark did not try")
    return card | {"benchmark": benchmark}


def settled(write: Callable[[int], int]) -> int:
    """The size of a file whose card says how large it is: written until both are the same.

    Args:
        write: Makes the file with a card that says a size; returns the size it has. More digits
            never make it smaller, so that this ends.
    """
    size, written = 0, write(0)
    while size != written:
        size, written = written, write(written)
    return size
