"""Counter-examples added to a pack's file, whose comments and order are kept where that can be."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from metatap.context import CONTEXT_VERSION
from metatap.errors import PackError, TeachError
from metatap.flow import FlowBatch, to_row
from metatap.offline.teach_sample import Examples, joined
from metatap.offline.uids import uid_texts
from metatap.packs import Pack, dump_pack, parse_pack
from metatap.packs.context import has_context
from metatap.packs.flows import MAX_FLOWS
from metatap.packs.load import read_content

_KEY = re.compile(r"not_like:[ \t]*(?P<empty>\[[ \t]*\]|~|null)?[ \t]*(?P<comment>#.*)?")
_FLOWS = re.compile(r"flows:.*")
_ITEM = re.compile(r"(?P<indent> *)- ?")


@dataclass(frozen=True, slots=True)
class Edited:
    """A pack with a counter-example more.

    Attributes:
        text: The file's new text.
        pack: As it reads back; its path is that of the old one.
        is_kept: Whether comments, order and layout of the old text were kept; else it was written
            anew.
    """

    text: str
    pack: Pack
    is_kept: bool


def read_pack_file(path: Path) -> tuple[Pack, str]:
    """A pack and the text of its file.

    Raises:
        PackError: the file can't be read or is no pack.
    """
    content = read_content(path)
    return parse_pack(content, str(path)), content.decode("utf-8-sig", "replace")


def add_not_like(pack: Pack, text: str, example: Examples) -> Edited:
    """Add one counter-example to a pack.

    Args:
        pack: The pack.
        text: The text of its file.
        example: One flow; its context is left out if the pack's contexts are of another version.

    Raises:
        TeachError: the flow is in the pack already, or there is no room; the message says which.
    """
    _check(pack, example.flows)
    context = example.context
    if pack.context_ignored:
        context = np.full_like(context, np.nan)
    example = replace(example, context=context)
    before = _counter_examples(pack, example)
    every = joined([*before, example])
    wanted = replace(pack, not_like=every.flows, not_like_context=every.context)
    kept = _inserted(text, wanted, example)
    found = None if kept is None else _read(kept, pack)
    if kept is not None and found is not None and _is_same(found, wanted):
        return Edited(kept, found, is_kept=True)
    if pack.context_ignored:
        raise TeachError(
            f"{pack.path}: has contexts of version {pack.context_ignored}, and its text can't be "
            "added to; teach the pack again"
        )
    anew = dump_pack(wanted)
    return Edited(anew, parse_pack(anew.encode(), str(pack.path)), is_kept=False)


def _check(pack: Pack, flow: FlowBatch) -> None:
    uid = uid_texts(flow)[0]
    if uid and uid in uid_texts(pack.flows):
        raise TeachError(f"uid {uid} is one of the support flows of pack {pack.id}: teach it anew")
    if pack.not_like is None:
        return
    rows = [to_row(pack.not_like, row) for row in range(pack.not_like.rows)]
    if (uid and uid in uid_texts(pack.not_like)) or to_row(flow, 0) in rows:
        raise TeachError(f"uid {uid or '(none)'} is a counter-example of pack {pack.id} already")
    if len(rows) >= MAX_FLOWS:
        raise TeachError(f"pack {pack.id} has {MAX_FLOWS} counter-examples already, which is all")


def _counter_examples(pack: Pack, like: Examples) -> list[Examples]:
    if pack.not_like is None:
        return []
    absent = np.full((pack.not_like.rows, like.context.shape[1]), np.nan, np.float32)
    known = pack.not_like_context
    return [Examples(pack.not_like, absent if known is None else known)]


def _inserted(text: str, pack: Pack, example: Examples) -> str | None:
    """The text with one item more at the end of its `not_like`, None if it has another form."""
    lines = text.splitlines()
    item = _item(pack, example)
    heads = [at for at, line in enumerate(lines) if _KEY.fullmatch(line)]
    if any(line.startswith("not_like") for line in lines) and len(heads) != 1:
        return None
    if not heads:
        lines += ["not_like:", *item]
    else:
        at = heads[0]
        found = _KEY.fullmatch(lines[at])
        comment = f"  {found['comment']}" if found and found["comment"] else ""
        end = _end_of_block(lines, at + 1)
        items = [line for line in lines[at + 1 : end] if _ITEM.match(line)]
        if items and (indent := _ITEM.match(items[0])):
            item = _indented(item, indent["indent"])
        if found and found["empty"]:
            lines[at] = f"not_like:{comment}"
        lines[end:end] = item
    return "\n".join(_with_version(lines, example)) + "\n"


def _item(pack: Pack, example: Examples) -> list[str]:
    """The lines of one flow, as `dump_pack` writes them."""
    alone = replace(
        pack,
        flows=example.flows,
        context=example.context,
        not_like=None,
        not_like_context=None,
    )
    lines = dump_pack(alone).splitlines()
    return lines[lines.index("flows:") + 1 : lines.index("not_like: []")]


def _indented(item: list[str], indent: str) -> list[str]:
    """An item moved from two spaces to another indentation."""
    return [indent + line[2:] for line in item]


def _end_of_block(lines: list[str], at: int) -> int:
    """The line after the last one of a block that begins at `at`."""
    end = at
    for number in range(at, len(lines)):
        line = lines[number]
        if line.startswith(("-", " ", "\t")) and line.strip() and not line.lstrip().startswith("#"):
            end = number + 1
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return end


def _with_version(lines: list[str], example: Examples) -> list[str]:
    """The lines with a `context_version` if the flow has a context and there is none yet."""
    if not has_context(example.context):
        return lines
    if any(line.startswith("context_version:") for line in lines):
        return lines
    at = next((at for at, line in enumerate(lines) if _FLOWS.fullmatch(line)), None)
    if at is None:
        return lines
    return [*lines[:at], f"context_version: {CONTEXT_VERSION}", *lines[at:]]


def _read(text: str, pack: Pack) -> Pack | None:
    try:
        return parse_pack(text.encode(), str(pack.path))
    except PackError:
        return None


def _is_same(found: Pack, wanted: Pack) -> bool:
    """Whether a pack reads back as it should: head, flows and counter-examples.

    Contexts are held against what reading them back after writing gives.
    """
    if found.context_ignored:
        plain = replace(wanted, context=None, not_like_context=None)
        return dump_pack(replace(found, context=None, not_like_context=None)) == dump_pack(plain)
    return dump_pack(found) == dump_pack(wanted)
