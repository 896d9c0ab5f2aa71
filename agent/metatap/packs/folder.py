"""The packs of a folder: which are taken, and what is wrong with the others."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metatap.bounded import is_meant
from metatap.errors import PackError
from metatap.packs.load import SUFFIXES, parse_pack, read_content
from metatap.packs.pack import Pack
from metatap.packs.sized import SizedCache
from metatap.packs.status import Fault, PackState, PackStatus
from metatap.packs.trust import Trust, TrustError

MAX_PACKS = 10_000
"""Pack files read from one folder, at most."""

MAX_CACHED = 64 * 2**20
"""Bytes of pack files whose content is remembered, at most."""

_Parsed = Pack | tuple[str, ...]


class PackCache(SizedCache[tuple[str, str], _Parsed]):
    """Packs, or what is wrong with them, by path and digest: what did not change is not parsed."""

    def __init__(self, limit: int = MAX_CACHED) -> None:
        super().__init__(limit)


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds.

    Attributes:
        packs: Packs that are well-formed and trusted, by id.
        quarantined: One for each other pack file.
        errors: What is wrong with these, every fault, and with the folder as a whole.
    """

    packs: tuple[Pack, ...]
    quarantined: tuple[PackStatus, ...]
    errors: tuple[PackError, ...]


def load_folder(folder: Path) -> tuple[list[Pack], list[PackError]]:
    """As `read_folder` without a policy; a folder that can't be read is an error among others."""
    try:
        found = read_folder(folder)
    except PackError as error:
        return [], [error]
    return list(found.packs), list(found.errors)


def read_folder(
    folder: Path,
    trust: Trust | None = None,
    *,
    in_force: Collection[str] = (),
    cache: PackCache | None = None,
) -> Folder:
    """Read all packs of a folder (`*.yaml`, `*.yml`, not below it, no hidden or backup files).

    Of packs with one id, that is taken which is signed, else that which is in force already, else
    that whose file has the id for its name. If this does not single one out, none is taken: which
    one is meant can't be told.

    Args:
        folder: The folder.
        trust: Whose packs are taken; None: signatures are not looked at.
        in_force: SHA-256 of the packs in force.
        cache: Packs read before.

    Raises:
        PackError: the folder can't be read; what is in force should stay so.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if is_meant(path, SUFFIXES))
    except OSError as error:
        raise PackError(f"{folder}: can't be read: {error.strerror}") from None
    errors: list[PackError] = []
    quarantined: list[PackStatus] = []
    if len(paths) > MAX_PACKS:
        errors.append(PackError(f"{folder}: {len(paths)} packs, only {MAX_PACKS} are read"))
    same: dict[str, list[Pack]] = {}
    for path in paths[:MAX_PACKS]:
        found = _load(path, trust, cache)
        if isinstance(found, Pack):
            same.setdefault(found.id, []).append(found)
            continue
        quarantined.append(found[0])
        errors.append(found[1])
    packs: list[Pack] = []
    for name in sorted(same):
        meant = _meant(same[name], in_force)
        if meant is not None:
            packs.append(meant)
        if len(same[name]) > 1:
            fault, others = _duplicates(same[name], meant)
            errors.append(fault)
            quarantined += others
    return Folder(tuple(packs), tuple(quarantined), tuple(errors))


def _load(
    path: Path, trust: Trust | None, cache: PackCache | None
) -> Pack | tuple[PackStatus, PackError]:
    sha256 = ""
    try:
        content = read_content(path)
        sha256 = hashlib.sha256(content).hexdigest()
        signed_by = "" if trust is None else trust.signer(content, path)
        return replace(_parse(content, path, sha256, cache), signed_by=signed_by)
    except PackError as error:
        fault = error.fault if isinstance(error, TrustError) else Fault.FILE
        more = f" (and {len(error.faults) - 1} more)" if len(error.faults) > 1 else ""
        status = PackStatus(
            path.stem,
            path,
            sha256,
            PackState.QUARANTINED,
            f"{error.faults[0]}{more}",
            fault,
        )
        return status, error


def _parse(content: bytes, path: Path, sha256: str, cache: PackCache | None) -> Pack:
    if cache is None:
        return parse_pack(content, str(path))
    found = cache.get((str(path), sha256))
    if found is None:
        try:
            found = parse_pack(content, str(path))
        except PackError as error:
            found = error.faults
        cache.put((str(path), sha256), found, len(content))
    if isinstance(found, Pack):
        return found
    raise PackError(*found)


def _meant(packs: Sequence[Pack], in_force: Collection[str]) -> Pack | None:
    """The pack that is meant among those with one id, None if it can't be told."""
    ranks = [(bool(p.signed_by), p.sha256 in in_force, p.path.stem == p.id) for p in packs]
    best = max(ranks)
    if ranks.count(best) > 1:
        return None
    return packs[ranks.index(best)]


def _duplicates(packs: Sequence[Pack], meant: Pack | None) -> tuple[PackError, list[PackStatus]]:
    files = ", ".join(str(pack.path) for pack in packs)
    text = f"{packs[0].path}: id {packs[0].id} is that of several packs: {files}"
    if meant is not None:
        text += f"; {meant.path} is taken"
    others = [
        replace(
            PackStatus.of(pack, PackState.QUARANTINED),
            reason=text,
            fault=Fault.DUPLICATE,
        )
        for pack in packs
        if pack is not meant
    ]
    return PackError(text), others
