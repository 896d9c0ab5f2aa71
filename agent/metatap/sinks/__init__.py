"""Sinks: where alerts go.

In: encoded alerts, one line each as bytes. Out: a file, standard output, a SIEM, Zeek. Dropped:
`disk_full`, `write_failed`, `reader_stalled`, `broken_pipe`, `closed`, and what a receiver refuses
under its reason; every drop is counted and logged.

A `Sink` holds what it can't write; a `Transport` only sends, once, and says what became of it.
What speaks to a receiver is imported when it is first asked for: an agent that only writes files
starts without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metatap.sinks.base import Sink
from metatap.sinks.file import FileSink, FileTransport
from metatap.sinks.stdout import StdoutSink
from metatap.sinks.transport import Guarantee, Record, Sent, Transport, TransportError

if TYPE_CHECKING:
    from metatap.sinks.bulk import BulkTransport
    from metatap.sinks.hec import HecFields, HecTransport
    from metatap.sinks.relp import RelpTransport
    from metatap.sinks.secret import Authorization, Secret
    from metatap.sinks.stream import Endpoint
    from metatap.sinks.syslog import (
        TCP_MAX_SIZE,
        UDP_MAX_SIZE,
        Framing,
        SyslogTcpTransport,
        SyslogUdpTransport,
    )
    from metatap.sinks.syslog_message import SyslogFormat
    from metatap.sinks.tls import TlsOptions, TlsVersion
    from metatap.sinks.zeek import ZeekTransport

__all__ = [
    "TCP_MAX_SIZE",
    "UDP_MAX_SIZE",
    "Authorization",
    "BulkTransport",
    "Endpoint",
    "FileSink",
    "FileTransport",
    "Framing",
    "Guarantee",
    "HecFields",
    "HecTransport",
    "Record",
    "RelpTransport",
    "Secret",
    "Sent",
    "Sink",
    "StdoutSink",
    "SyslogFormat",
    "SyslogTcpTransport",
    "SyslogUdpTransport",
    "TlsOptions",
    "TlsVersion",
    "Transport",
    "TransportError",
    "ZeekTransport",
]

_MODULES = {
    "TCP_MAX_SIZE": "syslog",
    "UDP_MAX_SIZE": "syslog",
    "Authorization": "secret",
    "BulkTransport": "bulk",
    "Endpoint": "stream",
    "Framing": "syslog",
    "HecFields": "hec",
    "HecTransport": "hec",
    "RelpTransport": "relp",
    "Secret": "secret",
    "SyslogFormat": "syslog_message",
    "SyslogTcpTransport": "syslog",
    "SyslogUdpTransport": "syslog",
    "TlsOptions": "tls",
    "TlsVersion": "tls",
    "ZeekTransport": "zeek",
}
"""Name → module that has it."""


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
