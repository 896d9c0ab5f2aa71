"""TLS contexts: the one place that builds them from options."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from metatap.errors import ConfigError


class TlsVersion(StrEnum):
    """The oldest version that is spoken."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


_VERSIONS = {
    TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How a receiver is known, and how it knows the sensor.

    Attributes:
        ca_file: Certificates (PEM) of those that may vouch for the receiver, None: the system's.
        certificate: The sensor's own certificate with its chain (PEM), None: it has none.
        key: The certificate's private key (PEM, not encrypted), None: in the certificate's file.
        verify: Check the receiver's certificate and name; without it anybody can read and change
            what is sent.
        server_name: Name that the receiver's certificate must bear, None: the name it is called by.
        minimum: The oldest version of TLS that is spoken.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    verify: bool = True
    server_name: str | None = None
    minimum: TlsVersion = TlsVersion.TLS_1_2


def make_context(options: TlsOptions) -> ssl.SSLContext:
    """A client's context; the files are read now.

    Raises:
        ConfigError: a file can't be read or does not hold what it should; names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[options.minimum]
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.ca_file is None:
        context.load_default_certs()
    else:
        _load_authorities(context, options.ca_file)
    if options.certificate is not None:
        _load_certificate(context, options.certificate, options.key)
    elif options.key is not None:
        raise ConfigError(f"{options.key}: a private key without a certificate")
    return context


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ConfigError(f"{path}: no certificates in PEM form ({_why(error)})") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    for path in (certificate, key or certificate):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from None
    asked = False

    def ask() -> str:
        """Asked for by OpenSSL, which would otherwise ask at the terminal."""
        nonlocal asked
        asked = True
        return ""

    try:
        context.load_cert_chain(certificate, key, ask)
    except (ssl.SSLError, ValueError) as error:
        if asked:
            raise ConfigError(f"{key or certificate}: the private key is encrypted") from None
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            why = "the private key is not that of the certificate"
            raise ConfigError(f"{key or certificate}: {why} {certificate}") from None
        raise ConfigError(
            f"{certificate}: no certificate with its private key in PEM form"
            f"{f' (key: {key})' if key else ''}: {_why(error)}"
        ) from None


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error).lower().replace("_", " ")
