"""Ed25519 keys of people who sign packs (RFC 8032), in PEM files that openssl reads too.

A private key is `NAME.key` (PKCS #8, RFC 5958), a public one `NAME.pub` (SubjectPublicKeyInfo, RFC
8410). Which name a public key has is for those to say who trust it: it is that of their file.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from metatap.errors import PackError
from metatap.packs.load import read_content

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PUBLIC_SUFFIX = ".pub"
PRIVATE_SUFFIX = ".key"

MAX_KEY_BYTES = 4096
"""Size of a key's file, at most."""

MAX_KEYS = 1000
"""Public keys read from one folder, at most."""

ID_DIGITS = 16
"""Hex digits of a key's id."""


@dataclass(frozen=True, slots=True, eq=False)
class PublicKey:
    """A public key that is trusted.

    Attributes:
        name: Of its file, without the ending.
        id: First 16 hex digits of the SHA-256 of its 32 bytes.
        key: The key.
    """

    name: str
    id: str
    key: Ed25519PublicKey


def key_id(key: Ed25519PublicKey) -> str:
    """The id of a key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:ID_DIGITS]


def make_keys(stem: Path) -> PublicKey:
    """Make a key pair, `STEM.key` (mode 0600) and `STEM.pub`; nothing is ever overwritten.

    Raises:
        PackError: one of the files exists, or can't be written; names it.
    """
    serialization, ed25519 = _library()
    private = ed25519.Ed25519PrivateKey.generate()
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret_path, public_path = (
        stem.with_name(stem.name + suffix) for suffix in (PRIVATE_SUFFIX, PUBLIC_SUFFIX)
    )
    if os.path.lexists(public_path):
        raise PackError(f"{public_path}: exists; keys are never overwritten")
    _write_new(secret_path, secret, 0o600)
    _write_new(public_path, public, 0o644)
    return PublicKey(stem.name, key_id(private.public_key()), private.public_key())


def read_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        PackError: the file can't be read or holds none; names it.
    """
    serialization, ed25519 = _library()
    content = read_content(path, MAX_KEY_BYTES)
    try:
        key = serialization.load_pem_private_key(content, None)
    except TypeError:
        raise PackError(f"{path}: needs a passphrase, which is not supported") from None
    except Exception:  # noqa: BLE001 - the parser raises many types without a base
        raise PackError(f"{path}: not a private key in PEM") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise PackError(f"{path}: not an Ed25519 key")
    return cast("Ed25519PrivateKey", key)


def read_public(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        PackError: the file can't be read or holds none; names it.
    """
    serialization, ed25519 = _library()
    content = read_content(path, MAX_KEY_BYTES)
    try:
        key = serialization.load_pem_public_key(content)
    except Exception:  # noqa: BLE001 - the parser raises many types without a base
        raise PackError(f"{path}: not a public key in PEM") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise PackError(f"{path}: not an Ed25519 key")
    return PublicKey(path.name.removesuffix(PUBLIC_SUFFIX), key_id(key), key)


def load_keys(folder: Path) -> tuple[dict[str, PublicKey], list[PackError]]:
    """All public keys of a folder, `*.pub`, not below it, no hidden files.

    Returns:
        The keys by id, and one error for each file that is no key, or for the folder.
    """
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.suffix == PUBLIC_SUFFIX and not path.name.startswith(".")
        )
    except OSError as error:
        return {}, [PackError(f"{folder}: can't be read: {error.strerror}")]
    errors: list[PackError] = []
    if len(paths) > MAX_KEYS:
        errors.append(PackError(f"{folder}: {len(paths)} keys, only {MAX_KEYS} are read"))
    keys: dict[str, PublicKey] = {}
    for path in paths[:MAX_KEYS]:
        try:
            key = read_public(path)
        except PackError as error:
            errors.append(error)
        else:
            keys.setdefault(key.id, key)
    return keys, errors


def _library() -> tuple[Any, Any]:
    """The modules `serialization` and `ed25519`, loaded only by those who use signatures."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see above
    except ImportError as error:  # pragma: no cover - it is a dependency
        raise PackError(f"signatures need the package cryptography: {error}") from None
    return serialization, ed25519


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise PackError(f"{path}: exists; keys are never overwritten") from None
    except OSError as error:
        raise PackError(f"{path}: can't be written: {error.strerror}") from None
