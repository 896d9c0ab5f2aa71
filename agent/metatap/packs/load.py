"""Reading packs: one file, or all files of a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from metatap.context import CONTEXT_VERSION
from metatap.errors import PackError
from metatap.packs.context import ContextReader
from metatap.packs.flows import read_flows
from metatap.packs.head import FIELDS, VERSION, read_head
from metatap.packs.pack import Pack
from metatap.yamlfile import MAX_BYTES, Faults, Fields, Items, Scalar, kind_of, parse

SUFFIXES = (".yaml", ".yml")
MAX_PACKS = 10_000
"""Pack files read from one folder, at most."""

log = structlog.get_logger(__name__)


def load_pack(path: Path) -> Pack:
    """Read one pack.

    Raises:
        PackError: the file can't be read or breaks docs/packs.md; names every fault.
    """
    faults = Faults(str(path))
    content = _read(path, faults)
    if content is None:
        raise _error(faults)
    return _pack(content, path, faults)


def parse_pack(content: bytes, name: str) -> Pack:
    """A pack from the bytes of its file, `name` in messages; raises as `load_pack`."""
    return _pack(content, Path(name), Faults(name))


def load_folder(folder: Path) -> tuple[list[Pack], list[PackError]]:
    """Read all packs of a folder (`*.yaml`, `*.yml`, not below it, no hidden or backup files).

    Of packs with one id none is taken: which one is meant can't be told.

    Args:
        folder: The folder.

    Returns:
        The packs by id, and one error for each file or folder that is refused.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if _is_pack(path))
    except OSError as error:
        return [], [PackError(f"{folder}: can't be read: {error.strerror}")]
    errors: list[PackError] = []
    if len(paths) > MAX_PACKS:
        errors.append(PackError(f"{folder}: {len(paths)} packs, only {MAX_PACKS} are read"))
    found: dict[str, list[Pack]] = {}
    for path in paths[:MAX_PACKS]:
        try:
            pack = load_pack(path)
        except PackError as error:
            errors.append(error)
        else:
            found.setdefault(pack.id, []).append(pack)
    for name, same in found.items():
        if len(same) > 1:
            files = ", ".join(str(pack.path) for pack in same)
            errors.append(PackError(f"{same[0].path}: id {name} is that of several packs: {files}"))
    return [found[name][0] for name in sorted(found) if len(found[name]) == 1], errors


def _is_pack(path: Path) -> bool:
    name = path.name
    return path.suffix in SUFFIXES and not name.startswith((".", "#")) and not path.is_dir()


def _read(path: Path, faults: Faults) -> bytes | None:
    try:
        if path.exists() and not path.is_file():
            faults.add(None, "can't be read: not a file")
            return None
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        faults.add(None, f"can't be read: {error.strerror}")
    except ValueError as error:
        faults.add(None, f"can't be read: {error}")
    return None


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
