"""Reading one pack."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from metatap.bounded import read_bounded
from metatap.context import CONTEXT_VERSION
from metatap.errors import PackError
from metatap.packs.context import ContextReader
from metatap.packs.flows import read_flows
from metatap.packs.head import FIELDS, VERSION, read_head
from metatap.packs.pack import Pack
from metatap.yamlfile import MAX_BYTES, Faults, Fields, Items, Scalar, kind_of, parse

SUFFIXES = (".yaml", ".yml")

log = structlog.get_logger(__name__)


def load_pack(path: Path) -> Pack:
    """Read one pack.

    Raises:
        PackError: the file can't be read or breaks docs/packs.md; names every fault.
    """
    return _pack(read_content(path), path, Faults(str(path)))


def parse_pack(content: bytes, name: str) -> Pack:
    """A pack from the bytes of its file, `name` in messages; raises as `load_pack`."""
    return _pack(content, Path(name), Faults(name))


def read_content(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a file of packs, or of what belongs to them.

    Raises:
        PackError: it can't be read or is larger than `limit` bytes; names it.
    """
    try:
        content = read_bounded(path, limit)
    except OSError as error:
        raise PackError(f"{path}: can't be read: {error.strerror}") from None
    if len(content) > limit:
        raise PackError(f"{path}: larger than {limit} bytes")
    return content


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
    faults.unknown(root, (*FIELDS, "flows", "not_like"))
    values = read_head(root, faults)
    contexts = ContextReader(values.pop("context_version", 0), faults)
    uids: dict[str, str] = {}
    flows, context = read_flows(root, "flows", faults, uids, contexts)
    not_like, not_like_context = read_flows(root, "not_like", faults, uids, contexts)
    if "flows" not in root.items:
        faults.add(root.line, "flows: missing")
    elif isinstance(given := root.items["flows"], Items) and not given.items:
        faults.add(given.line, "flows: at least one is needed")
    faults.raise_as(PackError)
    if flows is None:  # pragma: no cover - a fault was noted
        raise _error(faults)
    if contexts.ignored:
        log.warning(
            "pack_context_ignored",
            pack=values["id"],
            version=contexts.ignored,
            reads=CONTEXT_VERSION,
        )
    return Pack(
        **values,
        flows=flows,
        not_like=not_like,
        context=context,
        not_like_context=not_like_context,
        context_ignored=contexts.ignored,
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _error(faults: Faults) -> PackError:
    try:
        faults.raise_as(PackError)
    except PackError as error:
        return error
    return PackError(f"{faults.name}: unusable")  # pragma: no cover - callers noted a fault
