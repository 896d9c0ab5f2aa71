"""metatap.sinks.tls."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.agent.sinks.authority import Authority
from tests.agent.sinks.tcp_peer import Peer, drain
from tests.agent.sinks.transport_contract import make_record

from metatap.errors import ConfigError
from metatap.sinks import (
    Endpoint,
    Sent,
    SyslogTcpTransport,
    TlsOptions,
    TlsVersion,
    TransportError,
)
from metatap.sinks.tls import make_context


def test_receivers_are_checked_unless_told_otherwise(tmp_path: Path) -> None:
    """Certificate, name, and a version of TLS that is still good."""
    context = make_context(TlsOptions(Authority(tmp_path).certificate))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1, "and no authority beside"
    assert make_context(TlsOptions(verify=False)).verify_mode is ssl.CERT_NONE


def test_keys_of_sessions_are_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert make_context(TlsOptions()).keylog_filename is None


def test_a_file_that_is_no_good_is_named(tmp_path: Path) -> None:
    """With what is wrong with it; no terminal is asked for a password."""
    authority = Authority(tmp_path)
    own = authority.issue("sensor")
    other = authority.issue("other")
    locked = authority.issue("locked", password=b"secret")
    none, text = tmp_path / "none", tmp_path / "text"
    text.write_text("no certificate")
    for options, path, why in (
        (TlsOptions(none), none, "No such file"),
        (TlsOptions(text), text, "no certificates in PEM form"),
        (TlsOptions(tmp_path), tmp_path, "directory|no certificates"),
        (TlsOptions(None, none, own.key), none, "No such file"),
        (TlsOptions(None, own.certificate, none), none, "No such file"),
        (TlsOptions(None, text, own.key), text, "no certificate"),
        (TlsOptions(None, own.certificate, text), text, "no certificate"),
        (TlsOptions(None, own.certificate), own.certificate, "no certificate with its private key"),
        (TlsOptions(None, own.certificate, other.key), other.key, "not that of the certificate"),
        (TlsOptions(None, locked.certificate, locked.key), locked.key, "encrypted"),
        (TlsOptions(None, None, own.key), own.key, "without a certificate"),
    ):
        with pytest.raises(ConfigError, match=why) as raised:
            make_context(options)
        assert str(path) in str(raised.value)


def test_an_old_version_is_not_spoken(tmp_path: Path) -> None:
    """A receiver that knows no better gets nothing."""
    authority = Authority(tmp_path)
    identity = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.certificate, identity.key)
    with Peer(drain, context=context) as peer:
        endpoint = Endpoint("localhost", peer.port)
        newest = TlsOptions(authority.certificate, minimum=TlsVersion.TLS_1_3)
        with pytest.raises(TransportError) as raised:
            SyslogTcpTransport(endpoint, tls=newest).send([make_record(0)])
        assert raised.value.reason == "tls"
        transport = SyslogTcpTransport(endpoint, tls=TlsOptions(authority.certificate))
        assert transport.send([make_record(0)]) == Sent(1)
        transport.close()


def test_a_certificate_that_was_renewed_is_used_at_the_next_connection(tmp_path: Path) -> None:
    """Files are read for each; one that is broken then is an error that passes."""
    authority = Authority(tmp_path)
    server, own = authority.issue("localhost"), authority.issue("sensor")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    with Peer(drain, context=context) as peer:
        tls = TlsOptions(authority.certificate, own.certificate, own.key)
        transport = SyslogTcpTransport(Endpoint("localhost", peer.port), tls=tls)
        assert transport.send([make_record(0)]) == Sent(1)
        own.key.write_text("half")
        transport.reopen()
        with pytest.raises(TransportError, match=str(own.key)) as raised:
            transport.send([make_record(1)])
        assert raised.value.reason == "tls"
        authority.issue("sensor")
        assert transport.send([make_record(1)]) == Sent(1)
        transport.close()
