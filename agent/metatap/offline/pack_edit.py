"""Counter-examples added to a pack's file, whose comments and order are kept where that can be."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from metatap.context import CONTEXT_VERSION
from metatap.errors import PackError, TeachError
from metatap.flow import FlowBatch, Row, to_row
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
    """A pack with more counter-examples.

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


def add_not_like(pack: Pack, text: str, examples: Examples) -> Edited:
    """Add counter-examples to a pack.

    Args:
        pack: The pack.
        text: The text of its file.
        examples: One flow or more; their context is left out if the pack's contexts are of another
            version.

    Raises:
        TeachError: a flow is in the pack already or given twice, or there is no room; the message
            says which.
    """
    _check(pack, examples.flows)
    context = examples.context
    if pack.context_ignored:
        context = np.full_like(context, np.nan)
    examples = replace(examples, context=context)
    before = _counter_examples(pack, examples)
    every = joined([*before, examples])
    wanted = replace(pack, not_like=every.flows, not_like_context=every.context)
    kept = _inserted(text, wanted, examples)
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


def _check(pack: Pack, flows: FlowBatch) -> None:
    own = uid_texts(pack.flows)
    there: list[Row] = [] if pack.not_like is None else _rows(pack.not_like)
    known = [] if pack.not_like is None else uid_texts(pack.not_like)
    for uid, row in zip(uid_texts(flows), _rows(flows), strict=True):
        if uid and uid in own:
            raise TeachError(
                f"uid {uid} is one of the support flows of pack {pack.id}: teach it anew"
            )
        if (uid and uid in known) or row in there:
            raise TeachError(
                f"uid {uid or '(none)'} is a counter-example of pack {pack.id} already"
            )
        if len(there) >= MAX_FLOWS:
            raise TeachError(
                f"pack {pack.id} would have more than {MAX_FLOWS} counter-examples, which are all"
            )
        known.append(uid)
        there.append(row)


def _rows(flows: FlowBatch) -> list[Row]:
    return [to_row(flows, row) for row in range(flows.rows)]


def _counter_examples(pack: Pack, like: Examples) -> list[Examples]:
    if pack.not_like is None:
        return []
    absent = np.full((pack.not_like.rows, like.context.shape[1]), np.nan, np.float32)
    known = pack.not_like_context
    return [Examples(pack.not_like, absent if known is None else known)]


def _inserted(text: str, pack: Pack, examples: Examples) -> str | None:
    """The text with more items at the end of its `not_like`, None if it has another form."""
    lines = text.splitlines()
    new = _items(pack, examples)
    heads = [at for at, line in enumerate(lines) if _KEY.fullmatch(line)]
    if any(line.startswith("not_like") for line in lines) and len(heads) != 1:
        return None
    if not heads:
        lines += ["not_like:", *new]
    else:
        at = heads[0]
        found = _KEY.fullmatch(lines[at])
        comment = f"  {found['comment']}" if found and found["comment"] else ""
        end = _end_of_block(lines, at + 1)
        items = [line for line in lines[at + 1 : end] if _ITEM.match(line)]
        if items and (indent := _ITEM.match(items[0])):
            new = _indented(new, indent["indent"])
        if found and found["empty"]:
            lines[at] = f"not_like:{comment}"
        lines[end:end] = new
    return "\n".join(_with_version(lines, examples)) + "\n"


def _items(pack: Pack, examples: Examples) -> list[str]:
    """The lines of some flows, as `dump_pack` writes them."""
    alone = replace(
        pack,
        flows=examples.flows,
        context=examples.context,
        not_like=None,
        not_like_context=None,
    )
    lines = dump_pack(alone).splitlines()
    return lines[lines.index("flows:") + 1 : lines.index("not_like: []")]


def _indented(lines: list[str], indent: str) -> list[str]:
    """Items moved from two spaces to another indentation."""
    return [indent + line[2:] for line in lines]


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


def _with_version(lines: list[str], examples: Examples) -> list[str]:
    """The lines with a `context_version` if a flow has a context and there is none yet."""
    if not has_context(examples.context):
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
