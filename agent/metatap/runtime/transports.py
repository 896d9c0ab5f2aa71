"""A sink's options → the transport they ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from metatap import sinks
from metatap.packs import Severity
from metatap.runtime.settings import SinkConfig

if TYPE_CHECKING:
    from metatap.sinks import Secret, SyslogFormat, TlsOptions, Transport

Values = Mapping[str, Any]

_SYSLOG_PORT, _SYSLOG_TLS_PORT = 514, 6514


def make_transport(item: SinkConfig) -> Transport:
    """The transport of a sink; it is not connected yet.

    Raises:
        ConfigError: a certificate, a secret or an address can't be used.
    """
    return _MAKERS[item.type](item.values)


def _file(values: Values) -> Transport:
    return sinks.FileTransport(values["path"])


def _zeek(values: Values) -> Transport:
    return sinks.ZeekTransport(values["address"], bind=values["bind"])


def _syslog(values: Values) -> Transport:
    by, style = values["transport"], _style(values)
    port = values["port"] or (_SYSLOG_TLS_PORT if by == "tls" else _SYSLOG_PORT)
    endpoint = sinks.Endpoint(values["host"], port)
    if by == "udp":
        most = values["max_size"] or sinks.UDP_MAX_SIZE
        return sinks.SyslogUdpTransport(endpoint, style, max_size=most)
    return sinks.SyslogTcpTransport(
        endpoint,
        style,
        tls=_tls(values) if by == "tls" else None,
        framing=sinks.Framing(values["framing"]),
        max_size=values["max_size"] or sinks.TCP_MAX_SIZE,
        timeout=values["timeout"],
    )


def _relp(values: Values) -> Transport:
    return sinks.RelpTransport(
        sinks.Endpoint(values["host"], values["port"]),
        _style(values),
        tls=_tls(values) if values["tls"] else None,
        max_size=values["max_size"] or sinks.TCP_MAX_SIZE,
        timeout=values["timeout"],
    )


def _elasticsearch(values: Values) -> Transport:
    password, key = _secret(values, "password"), _secret(values, "api_key")
    authorization = None
    if password is not None:
        authorization = sinks.Authorization("Basic", password, values["user"])
    elif key is not None:
        authorization = sinks.Authorization("ApiKey", key)
    return sinks.BulkTransport(
        values["url"],
        values["index"],
        authorization=authorization,
        tls=_tls(values),
        compress=values["compress"],
        timeout=values["timeout"],
        batch=values["batch"],
    )


def _splunk(values: Values) -> Transport:
    return sinks.HecTransport(
        values["url"],
        _secret(values, "token") or sinks.Secret(),
        acknowledge=values["acknowledge"],
        fields=sinks.HecFields(
            host=values["host_field"] or None,
            source=values["source"] or None,
            sourcetype=values["sourcetype"] or None,
            index=values["index"] or None,
        ),
        tls=_tls(values),
        compress=values["compress"],
        timeout=values["timeout"],
        ack_timeout=values["ack_timeout"],
        batch=values["batch"],
    )


_MAKERS: dict[str, Callable[[Values], Transport]] = {
    "file": _file,
    "zeek": _zeek,
    "syslog": _syslog,
    "relp": _relp,
    "elasticsearch": _elasticsearch,
    "splunk": _splunk,
}


def _style(values: Values) -> SyslogFormat:
    return sinks.SyslogFormat(
        facility=values["facility"],
        severities={Severity(name): level for name, level in values["levels"].items()},
        hostname=values["hostname"] or None,
        app_name=values["app_name"],
        enterprise=values["enterprise"] or None,
        bom=values["bom"],
    )


def _tls(values: Values) -> TlsOptions:
    return sinks.TlsOptions(
        ca_file=values["ca_file"],
        certificate=values["certificate"],
        key=values["key"],
        verify=values["verify"],
        server_name=values["server_name"] or None,
        minimum=sinks.TlsVersion(values["tls_minimum"]),
    )


def _secret(values: Values, name: str) -> Secret | None:
    file, variable = values[f"{name}_file"], values[f"{name}_variable"]
    return sinks.Secret(file, variable or None) if file or variable else None
