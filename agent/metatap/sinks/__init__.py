"""Sinks: where alerts go.

In: encoded alerts, one line each as bytes. Out: a file, standard output, a SIEM, Zeek. Dropped:
`disk_full`, `write_failed`, `reader_stalled`, `broken_pipe`, `closed`, and what a receiver refuses
under its reason; every drop is counted and logged.

A `Sink` holds what it can't write; a `Transport` only sends, once, and says what became of it.
"""

from metatap.sinks.base import Sink
from metatap.sinks.bulk import BulkTransport
from metatap.sinks.file import FileSink, FileTransport
from metatap.sinks.hec import HecFields, HecTransport
from metatap.sinks.relp import RelpTransport
from metatap.sinks.secret import Authorization, Secret
from metatap.sinks.stdout import StdoutSink
from metatap.sinks.stream import Endpoint
from metatap.sinks.syslog import Framing, SyslogTcpTransport, SyslogUdpTransport
from metatap.sinks.syslog_message import SyslogFormat
from metatap.sinks.tls import TlsOptions, TlsVersion
from metatap.sinks.transport import Guarantee, Record, Sent, Transport, TransportError
from metatap.sinks.zeek import ZeekTransport

__all__ = [
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
