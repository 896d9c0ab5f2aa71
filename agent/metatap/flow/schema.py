"""The flow record: one table that everything else is derived from.

Each entry of `COLUMNS` is one column of a `FlowBatch`: its name (Zeek's own), kind, unit, and where
the value comes from in Zeek's logs, on the metatap wire and in Suricata's EVE. The wire decoder,
the row reader, the Arrow mapping, the Zeek script's test and `docs/flow.md` all read this table.

Sources: the `Info` records of Zeek 8.0's `base/protocols/{conn,dns,http,ssl,ssh}/main.zeek`;
Suricata 7's EVE JSON format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

CONTRACT_VERSION = 1
"""Version of the record and of its wire form; a batch of any other version is refused."""

STRING_MAX_BYTES = 256
"""Free text (names, URIs, agents) is cut to this many bytes, in the Zeek script and the readers."""

CONN_STATES: tuple[str, ...] = (
    "S0",
    "S1",
    "SF",
    "REJ",
    "S2",
    "S3",
    "RSTO",
    "RSTR",
    "RSTOS0",
    "RSTRH",
    "SH",
    "SHR",
    "OTH",
)
"""Zeek's `conn_state` vocabulary (base/protocols/conn/main.zeek); the code is the index."""

PROTOS: tuple[str, ...] = ("unknown_transport", "tcp", "udp", "icmp")
"""Zeek's `transport_proto` values; the code is the wire's port-protocol byte."""

QTYPES_COMMON: frozenset[int] = frozenset({1, 12, 28, 65})
"""DNS query types that are not "rare": A, PTR, AAAA, HTTPS (IANA DNS RR type numbers)."""

HTTP_READS: frozenset[str] = frozenset({"GET", "HEAD", "OPTIONS"})
"""HTTP methods that are not "writes" (safe methods of RFC 9110, section 9.2.1)."""


class Kind(StrEnum):
    """What a column holds; fixes its dtype in memory and its type on the wire."""

    TIME = "time"
    INTERVAL = "interval"
    COUNT = "count"
    ADDR = "addr"
    PORT = "port"
    BOOL = "bool"
    ENUM = "enum"
    STRING = "string"


DTYPES: dict[Kind, npt.DTypeLike] = {
    Kind.TIME: np.int64,
    Kind.INTERVAL: np.int64,
    Kind.COUNT: np.uint64,
    Kind.ADDR: np.uint8,
    Kind.PORT: np.uint16,
    Kind.BOOL: np.bool_,
    Kind.ENUM: np.uint8,
}
"""Kind → dtype of the values; ADDR is [n, 16] (IPv4 as ::ffff:a.b.c.d); STRING has no dtype."""


class Group(StrEnum):
    """The Zeek log a column belongs to; all but `conn` are sparse on the wire."""

    CONN = "conn"
    DNS = "dns"
    HTTP = "http"
    SSL = "ssl"
    SSH = "ssh"


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One row of the schema table.

    Attributes:
        name: Column name: Zeek's field name, prefixed by the log for the summaries.
        kind: See `Kind`.
        group: Log and wire group.
        unit: Unit of the values in memory.
        log: How the value is read from Zeek's logs.
        eve: How the value is read from Suricata's EVE, "" where EVE cannot tell.
        doc: What it means.
        optional: Whether a flow may lack it. A required column of a group is there for every flow
            that has the group (`conn`: every flow).
        vocabulary: Values of an ENUM column, by code.
    """

    name: str
    kind: Kind
    group: Group
    unit: str
    log: str
    eve: str
    doc: str
    optional: bool = False
    vocabulary: tuple[str, ...] = ()

    @property
    def wire_name(self) -> str:
        """Name of the field in the Zeek script's records (`id.orig_h` → `orig_h`)."""
        return self.name.rpartition(".")[2]

    @property
    def wire(self) -> str:
        """How the value travels, in words; the rules are in docs/wire.md."""
        if self.name == "proto":
            return "protocol of `resp_p`"
        if self.kind is Kind.BOOL:
            return "`flags`"
        if self.kind in (Kind.STRING, Kind.ENUM):
            return f"`{self.wire_name}`, `{self.wire_name}_len`"
        return f"`{self.wire_name}`: vector of {self.kind}"


_REQUIRED, _OPTIONAL = False, True


def _column(  # noqa: PLR0917 - a row of the table below
    name: str,
    kind: Kind,
    optional: bool,
    unit: str,
    log: str,
    eve: str,
    doc: str,
    vocabulary: tuple[str, ...] = (),
) -> ColumnSpec:
    group = Group(name.partition(".")[0]) if name.startswith(_SUMMARIES) else Group.CONN
    return ColumnSpec(name, kind, group, unit, log, eve, doc, optional, vocabulary)


_SUMMARIES = tuple(f"{group}." for group in Group if group is not Group.CONN)

# fmt: off
COLUMNS: tuple[ColumnSpec, ...] = (
    # conn: every flow
    _column("ts", Kind.TIME, _OPTIONAL, "ns since the epoch", "conn.ts",
            "flow.start", "First packet."),
    _column("uid", Kind.STRING, _REQUIRED, "", "conn.uid", "flow_id", "Zeek's connection id."),
    _column("id.orig_h", Kind.ADDR, _REQUIRED, "", "conn.id.orig_h",
            "src_ip", "Originator's address."),
    _column("id.orig_p", Kind.PORT, _REQUIRED, "", "conn.id.orig_p",
            "src_port", "Originator's port; ICMP: type."),
    _column("id.resp_h", Kind.ADDR, _REQUIRED, "", "conn.id.resp_h",
            "dest_ip", "Responder's address."),
    _column("id.resp_p", Kind.PORT, _REQUIRED, "", "conn.id.resp_p",
            "dest_port", "Responder's port; ICMP: code."),
    _column("proto", Kind.ENUM, _REQUIRED, "", "conn.proto",
            "proto", "Transport protocol.", PROTOS),
    _column("service", Kind.STRING, _OPTIONAL, "", "conn.service",
            "app_proto", "Protocols seen, comma-joined."),
    _column("duration", Kind.INTERVAL, _OPTIONAL, "ns", "conn.duration",
            "flow.end − flow.start", "Last packet minus first, as Zeek measures it."),
    _column("orig_bytes", Kind.COUNT, _OPTIONAL, "bytes", "conn.orig_bytes",
            "", "Payload bytes sent."),
    _column("resp_bytes", Kind.COUNT, _OPTIONAL, "bytes", "conn.resp_bytes",
            "", "Payload bytes answered."),
    _column("conn_state", Kind.ENUM, _OPTIONAL, "", "conn.conn_state",
            "tcp.*, flow.state", "How the connection began and ended.", CONN_STATES),
    _column("history", Kind.STRING, _OPTIONAL, "", "conn.history",
            "", "Packet kinds in order, Zeek's letters."),
    _column("missed_bytes", Kind.COUNT, _OPTIONAL, "bytes", "conn.missed_bytes",
            "", "Bytes in content gaps."),
    _column("orig_pkts", Kind.COUNT, _OPTIONAL, "packets", "conn.orig_pkts",
            "flow.pkts_toserver", "Packets sent."),
    _column("orig_ip_bytes", Kind.COUNT, _OPTIONAL, "bytes", "conn.orig_ip_bytes",
            "flow.bytes_toserver − link header × packets", "IP bytes sent."),
    _column("resp_pkts", Kind.COUNT, _OPTIONAL, "packets", "conn.resp_pkts",
            "flow.pkts_toclient", "Packets answered."),
    _column("resp_ip_bytes", Kind.COUNT, _OPTIONAL, "bytes", "conn.resp_ip_bytes",
            "flow.bytes_toclient − link header × packets", "IP bytes answered."),
    _column("local_orig", Kind.BOOL, _OPTIONAL, "", "conn.local_orig",
            "", "Originator is in `Site::local_nets`."),
    _column("local_resp", Kind.BOOL, _OPTIONAL, "", "conn.local_resp",
            "", "Responder is in `Site::local_nets`."),
    _column("partial", Kind.BOOL, _REQUIRED, "", "",
            "", "The connection still lives; this is a periodic interim record, not its end."),
    # dns: summary of the dns.log lines of the same uid
    _column("dns.queries", Kind.COUNT, _REQUIRED, "lines", "dns: lines",
            "dns.type=answer", "DNS transactions."),
    _column("dns.query_bytes", Kind.COUNT, _REQUIRED, "bytes", "dns: Σ |query|",
            "dns.rrname", "Length of all query names."),
    _column("dns.query", Kind.STRING, _OPTIONAL, "", "dns.query, longest",
            "dns.rrname", "The longest query name, the first of those."),
    _column("dns.qtype", Kind.COUNT, _OPTIONAL, "RR type", "dns.qtype of that query",
            "dns.rrtype", "Type of that query."),
    _column("dns.rare_qtypes", Kind.COUNT, _REQUIRED, "lines", "dns: qtype not A, AAAA, PTR, HTTPS",
            "dns.rrtype", "Lines whose query type is not one of `QTYPES_COMMON`."),
    _column("dns.nxdomain", Kind.COUNT, _REQUIRED, "lines", "dns: rcode = 3",
            "dns.rcode", "Names not found."),
    _column("dns.answers", Kind.COUNT, _REQUIRED, "answers", "dns: Σ |answers|",
            "dns.answers", "Answers in all replies."),
    _column("dns.answer_bytes", Kind.COUNT, _REQUIRED, "bytes", "dns: Σ length of answers as text",
            "dns.answers[].rdata", "Length of all answers as text."),
    # http: summary of the http.log lines of the same uid
    _column("http.requests", Kind.COUNT, _REQUIRED, "lines", "http: lines",
            "http events", "HTTP transactions."),
    _column("http.method", Kind.STRING, _OPTIONAL, "", "http.method, first",
            "http.http_method", "First method."),
    _column("http.host", Kind.STRING, _OPTIONAL, "", "http.host, first",
            "http.hostname", "First Host header."),
    _column("http.uri", Kind.STRING, _OPTIONAL, "", "http.uri, first", "http.url", "First URI."),
    _column("http.user_agent", Kind.STRING, _OPTIONAL, "", "http.user_agent, first",
            "http.http_user_agent", "First User-Agent."),
    _column("http.status_code", Kind.COUNT, _OPTIONAL, "", "http.status_code, last",
            "http.status", "Last status."),
    _column("http.errors", Kind.COUNT, _REQUIRED, "lines", "http: status_code ≥ 400",
            "http.status", "Replies of status 400 and above."),
    _column("http.writes", Kind.COUNT, _REQUIRED, "lines", "http: method not GET, HEAD, OPTIONS",
            "http.http_method", "Requests whose method is not one of `HTTP_READS`."),
    _column("http.uri_bytes", Kind.COUNT, _REQUIRED, "bytes", "http: Σ |uri|",
            "http.url", "Length of all URIs."),
    _column("http.request_body_len", Kind.COUNT, _REQUIRED, "bytes", "http: Σ request_body_len",
            "", "Body bytes sent."),
    _column("http.response_body_len", Kind.COUNT, _REQUIRED, "bytes", "http: Σ response_body_len",
            "http.length", "Body bytes answered."),
    # ssl: the ssl.log line of the same uid
    _column("ssl.version", Kind.STRING, _OPTIONAL, "", "ssl.version",
            "tls.version", "Negotiated version, Zeek's name."),
    _column("ssl.cipher", Kind.STRING, _OPTIONAL, "", "ssl.cipher", "", "Negotiated cipher."),
    _column("ssl.server_name", Kind.STRING, _OPTIONAL, "", "ssl.server_name", "tls.sni", "SNI."),
    _column("ssl.next_protocol", Kind.STRING, _OPTIONAL, "", "ssl.next_protocol", "", "ALPN."),
    _column("ssl.resumed", Kind.BOOL, _REQUIRED, "", "ssl.resumed",
            "tls.session_resumed", "Session was resumed."),
    _column("ssl.established", Kind.BOOL, _REQUIRED, "", "ssl.established",
            "", "Handshake was completed."),
    _column("ssl.certs", Kind.COUNT, _OPTIONAL, "certificates", "ssl: |cert_chain_fps|",
            "tls.chain",
            "Certificates the server sent; absent where none could be seen (TLS 1.3)."),
    # ssh: the ssh.log line of the same uid
    _column("ssh.version", Kind.COUNT, _OPTIONAL, "", "ssh.version",
            "ssh.client.proto_version", "Major version."),
    _column("ssh.auth_success", Kind.BOOL, _OPTIONAL, "", "ssh.auth_success",
            "", "A login succeeded, as far as Zeek can tell."),
    _column("ssh.auth_attempts", Kind.COUNT, _OPTIONAL, "attempts", "ssh.auth_attempts",
            "", "Login attempts Zeek could tell."),
    _column("ssh.client", Kind.STRING, _OPTIONAL, "", "ssh.client",
            "ssh.client.software_version", "Client banner."),
    _column("ssh.server", Kind.STRING, _OPTIONAL, "", "ssh.server",
            "ssh.server.software_version", "Server banner."),
)
# fmt: on

BY_NAME: dict[str, ColumnSpec] = {spec.name: spec for spec in COLUMNS}


def group_columns(group: Group) -> tuple[ColumnSpec, ...]:
    """The columns of one group, in wire order."""
    return tuple(spec for spec in COLUMNS if spec.group is group)


@dataclass(frozen=True, slots=True)
class FlagBits:
    """Where a column's presence and (for BOOL) its value sit in the group's `flags` count.

    Attributes:
        present: Bit number of "this flow has a value", None where the column is required.
        value: Bit number of the value, None but for BOOL columns.
    """

    present: int | None
    value: int | None


def group_flags(group: Group) -> dict[str, FlagBits]:
    """Bit layout of a group's `flags` column, by column name.

    Bits are given out in schema order, from 0: an optional column that is not a string gets one
    for presence, a BOOL one for its value. (A string travels with its length, and an empty one is
    absent; an ENUM travels as its text.) Zeek counts are 64 bits wide, which bounds the layout.
    """
    bits: Iterator[int] = iter(range(64))
    layout: dict[str, FlagBits] = {}
    for spec in group_columns(group):
        if spec.kind in (Kind.STRING, Kind.ENUM):
            continue
        present = next(bits) if spec.optional else None
        value = next(bits) if spec.kind is Kind.BOOL else None
        if present is not None or value is not None:
            layout[spec.name] = FlagBits(present, value)
    return layout
