"""Secrets of receivers: read from a file or a variable, and shown nowhere."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from metatap.bounded import read_bounded
from metatap.errors import ConfigError

MAX_SECRET = 4096
"""Characters of a secret, at most."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret lies; it is read when it is used, so that a new one needs no restart.

    Attributes:
        file: A file that holds it and nothing else, white space around it apart.
        variable: An environment variable that holds it.
    """

    file: Path | None = None
    variable: str | None = None

    def read(self) -> str:
        """The secret: 1 to `MAX_SECRET` printable ASCII characters.

        Raises:
            ConfigError: it can't be had; names the file or variable, never the content.
        """
        if (self.file is None) == (self.variable is None):
            raise ConfigError("a secret lies either in a file or in a variable")
        if self.file is not None:
            place = str(self.file)
            content = _read(self.file)
        else:
            place = f"${self.variable}"
            content = os.environ.get(self.variable or "", "")
        secret = content.strip()
        if not secret:
            raise ConfigError(f"{place}: holds no secret")
        if len(secret) > MAX_SECRET or not (secret.isascii() and secret.isprintable()):
            raise ConfigError(f"{place}: a secret has 1 to {MAX_SECRET} printable ASCII characters")
        return secret


@dataclass(frozen=True, slots=True)
class Authorization:
    """The header by which a receiver knows the sensor.

    Attributes:
        scheme: `Basic`, `ApiKey`, `Bearer`, `Splunk`, …
        secret: The password, key or token.
        user: Name of the user, of `Basic` only.
    """

    scheme: str
    secret: Secret
    user: str | None = None

    def header(self) -> str:
        """The value of `Authorization` (RFC 7617 for `Basic`).

        Raises:
            ConfigError: the secret can't be had.
        """
        secret = self.secret.read()
        if self.user is not None:
            secret = base64.b64encode(f"{self.user}:{secret}".encode()).decode()
        return f"{self.scheme} {secret}"


def _read(path: Path) -> str:
    try:
        return read_bounded(path, 2 * MAX_SECRET).decode()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not text") from None
