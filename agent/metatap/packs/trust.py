"""Whose packs are taken: the keys that are trusted, and what is done with packs of nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from metatap.errors import PackError
from metatap.packs.keys import PublicKey, load_keys
from metatap.packs.signature import read_signature, signature_path, verifies
from metatap.packs.status import Fault

log = structlog.get_logger(__name__)


class Unsigned(StrEnum):
    """What is done with a pack that no trusted key has signed."""

    ALLOW = "allow"
    WARN = "warn"
    REFUSE = "refuse"


class TrustError(PackError):
    """A pack is not trusted.

    Attributes:
        fault: `SIGNATURE` or `UNSIGNED`.
    """

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Trust:
    """A policy.

    Attributes:
        unsigned: What is done with a pack that no trusted key has signed.
        keys: The trusted keys by id.
    """

    unsigned: Unsigned = Unsigned.ALLOW
    keys: Mapping[str, PublicKey] = field(default_factory=dict)

    @classmethod
    def load(cls, unsigned: Unsigned, folder: Path | None) -> tuple[Trust, list[PackError]]:
        """The policy with the keys of a folder, and one error for each file that is no key."""
        keys, errors = ({}, []) if folder is None else load_keys(folder)
        return cls(unsigned, keys), errors

    def signer(self, content: bytes, path: Path) -> str:
        """Who signed a pack.

        A signature by a key that is not known says nothing: the pack counts as unsigned. One that
        claims to be of a known key and is not, or that is malformed, is never let pass.

        Args:
            content: The bytes of its file, which are those that are parsed.
            path: The file, whose signature lies beside it.

        Returns:
            Name of the trusted key, "" for none.

        Raises:
            TrustError: the signature is bad, or there is none and the policy asks for one.
        """
        beside = signature_path(path)
        try:
            signature = read_signature(beside)
        except PackError as error:
            raise TrustError(Fault.SIGNATURE, str(error)) from None
        key = None if signature is None else self.keys.get(signature.key)
        if signature is not None and key is not None:
            if not verifies(signature, content, key):
                raise TrustError(
                    Fault.SIGNATURE,
                    f"{beside}: not the signature of {path.name} by {key.name} ({key.id})",
                )
            return key.name
        why = "not signed" if signature is None else f"signed by the unknown key {signature.key}"
        if self.unsigned is Unsigned.REFUSE:
            raise TrustError(Fault.UNSIGNED, f"{path}: {why}, and unsigned packs are refused")
        if self.unsigned is Unsigned.WARN:
            log.warning("pack_unsigned", file=str(path), reason=why)
        return ""
