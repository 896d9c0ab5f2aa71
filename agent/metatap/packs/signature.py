"""Signatures of packs: a small text file beside the pack, `NAME.yaml.sig`.

    metatap-signature: 1
    key: 0123456789abcdef
    signature: base64 of 64 bytes

What is signed is `PREFIX` and the exact bytes of the pack's file (Ed25519, RFC 8032). The prefix
keeps a signature made for something else from counting as one of a pack.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metatap.bounded import read_bounded
from metatap.errors import PackError
from metatap.packs.keys import PublicKey, key_id
from metatap.writing import write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VERSION = 1
"""Version of the signature's form."""

PREFIX = b"metatap pack signature 1\0"

SUFFIX = ".sig"

MAX_BYTES = 1024
"""Size of a signature's file, at most."""

_FORM = re.compile(
    rb"metatap-signature: (?P<version>[0-9]{1,9})\r?\n"
    rb"key: (?P<key>[0-9a-f]{16})\r?\n"
    rb"signature: (?P<signature>[A-Za-z0-9+/]{86}==)\s*"
)
_VERSION = re.compile(rb"metatap-signature: ([0-9]{1,9})\r?\n")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as read.

    Attributes:
        key: Id of the key it is said to be by.
        content: Its 64 bytes.
    """

    key: str
    content: bytes


def signature_path(path: Path) -> Path:
    """Where the signature of a pack's file is."""
    return path.with_name(path.name + SUFFIX)


def sign(content: bytes, key: Ed25519PrivateKey) -> str:
    """The text of the signature of a pack's bytes."""
    signature = base64.b64encode(key.sign(PREFIX + content)).decode("ascii")
    return (
        f"metatap-signature: {VERSION}\nkey: {key_id(key.public_key())}\nsignature: {signature}\n"
    )


def write_signature(path: Path, text: str) -> None:
    """Write a signature in one step; one that is there is replaced.

    Raises:
        PackError: it can't be written; names the file.
    """
    try:
        write_whole(path, text.encode("ascii"))
    except OSError as error:
        raise PackError(f"{path}: can't be written: {error.strerror}") from None


def read_signature(path: Path) -> Signature | None:
    """Read a signature's file; None if there is none.

    Raises:
        PackError: it can't be read or is none; names it.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PackError(f"{path}: can't be read: {error.strerror}") from None
    return parse_signature(content, str(path))


def parse_signature(content: bytes, name: str) -> Signature:
    """A signature from the bytes of its file, `name` in messages; raises as `read_signature`."""
    version = _VERSION.match(content)
    if version is not None and int(version[1]) > VERSION:
        raise PackError(
            f"{name}:1: metatap-signature: version {int(version[1])}, this agent reads {VERSION}"
        )
    found = None if len(content) > MAX_BYTES else _FORM.fullmatch(content)
    if found is None or int(found["version"]) != VERSION:
        raise PackError(f"{name}: not a signature: metatap-signature, key and signature are needed")
    try:
        raw = base64.b64decode(found["signature"], validate=True)
    except binascii.Error:  # pragma: no cover - its form was checked
        raise PackError(f"{name}:3: signature: not base64") from None
    return Signature(found["key"].decode("ascii"), raw)


def verifies(signature: Signature, content: bytes, key: PublicKey) -> bool:
    """Whether a signature is that key's of a pack's bytes."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as in keys.py

    try:
        key.key.verify(signature.content, PREFIX + content)
    except InvalidSignature:
        return False
    return True
