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


_K, _G = Kind, Group


def _conn(
    name: str,
    kind: Kind,
    unit: str,
    eve: str,
    doc: str,
    *,
    optional: bool = False,
    vocabulary: tuple[str, ...] = (),
) -> ColumnSpec:
    return ColumnSpec(name, kind, _G.CONN, unit, f"conn.{name}", eve, doc, optional, vocabulary)


COLUMNS: tuple[ColumnSpec, ...] = (
    # conn: every flow
    _conn("ts", _K.TIME, "ns since the epoch", "flow.start", "First packet.", optional=True),
    _conn("uid", _K.STRING, "", "flow_id", "Zeek's connection id."),
    _conn("id.orig_h", _K.ADDR, "", "src_ip", "Originator's address."),
    _conn("id.orig_p", _K.PORT, "", "src_port", "Originator's port; ICMP: type."),
    _conn("id.resp_h", _K.ADDR, "", "dest_ip", "Responder's address."),
    _conn("id.resp_p", _K.PORT, "", "dest_port", "Responder's port; ICMP: code."),
    _conn("proto", _K.ENUM, "", "proto", "Transport protocol.", vocabulary=PROTOS),
    _conn("service", _K.STRING, "", "app_proto", "Protocols seen, comma-joined.", optional=True),
    _conn(
        "duration",
        _K.INTERVAL,
        "ns",
        "flow.end − flow.start",
        "Last packet minus first, as Zeek measures it.",
        optional=True,
    ),
    _conn("orig_bytes", _K.COUNT, "bytes", "", "Payload bytes sent.", optional=True),
    _conn("resp_bytes", _K.COUNT, "bytes", "", "Payload bytes answered.", optional=True),
    _conn(
        "conn_state",
        _K.ENUM,
        "",
        "tcp.*, flow.state",
        "How the connection began and ended.",
        optional=True,
        vocabulary=CONN_STATES,
    ),
    _conn("history", _K.STRING, "", "", "Packet kinds in order, Zeek's letters.", optional=True),
    _conn("missed_bytes", _K.COUNT, "bytes", "", "Bytes in content gaps.", optional=True),
    _conn("orig_pkts", _K.COUNT, "packets", "flow.pkts_toserver", "Packets sent.", optional=True),
    _conn(
        "orig_ip_bytes",
        _K.COUNT,
        "bytes",
        "flow.bytes_toserver − link header × packets",
        "IP bytes sent.",
        optional=True,
    ),
    _conn(
        "resp_pkts", _K.COUNT, "packets", "flow.pkts_toclient", "Packets answered.", optional=True
    ),
    _conn(
        "resp_ip_bytes",
        _K.COUNT,
        "bytes",
        "flow.bytes_toclient − link header × packets",
        "IP bytes answered.",
        optional=True,
    ),
    _conn("local_orig", _K.BOOL, "", "", "Originator is in `Site::local_nets`.", optional=True),
    _conn("local_resp", _K.BOOL, "", "", "Responder is in `Site::local_nets`.", optional=True),
    ColumnSpec(
        "partial",
        _K.BOOL,
        _G.CONN,
        "",
        "",
        "",
        "The connection still lives; this is a periodic interim record, not its end.",
    ),
    # dns: summary of the dns.log lines of the same uid
    ColumnSpec(
        "dns.queries",
        _K.COUNT,
        _G.DNS,
        "lines",
        "dns: lines",
        "dns.type=answer",
        "DNS transactions.",
    ),
    ColumnSpec(
        "dns.query_bytes",
        _K.COUNT,
        _G.DNS,
        "bytes",
        "dns: Σ |query|",
        "dns.rrname",
        "Length of all query names.",
    ),
    ColumnSpec(
        "dns.query",
        _K.STRING,
        _G.DNS,
        "",
        "dns.query, longest",
        "dns.rrname",
        "The longest query name, the first of those.",
        optional=True,
    ),
    ColumnSpec(
        "dns.qtype",
        _K.COUNT,
        _G.DNS,
        "RR type",
        "dns.qtype of that query",
        "dns.rrtype",
        "Type of that query.",
        optional=True,
    ),
    ColumnSpec(
        "dns.rare_qtypes",
        _K.COUNT,
        _G.DNS,
        "lines",
        "dns: qtype not A, AAAA, PTR, HTTPS",
        "dns.rrtype",
        "Lines whose query type is not one of `QTYPES_COMMON`.",
    ),
    ColumnSpec(
        "dns.nxdomain", _K.COUNT, _G.DNS, "lines", "dns: rcode = 3", "dns.rcode", "Names not found."
    ),
    ColumnSpec(
        "dns.answers",
        _K.COUNT,
        _G.DNS,
        "answers",
        "dns: Σ |answers|",
        "dns.answers",
        "Answers in all replies.",
    ),
    ColumnSpec(
        "dns.answer_bytes",
        _K.COUNT,
        _G.DNS,
        "bytes",
        "dns: Σ length of answers as text",
        "dns.answers[].rdata",
        "Length of all answers as text.",
    ),
    # http: summary of the http.log lines of the same uid
    ColumnSpec(
        "http.requests",
        _K.COUNT,
        _G.HTTP,
        "lines",
        "http: lines",
        "http events",
        "HTTP transactions.",
    ),
    ColumnSpec(
        "http.method",
        _K.STRING,
        _G.HTTP,
        "",
        "http.method, first",
        "http.http_method",
        "First method.",
        optional=True,
    ),
    ColumnSpec(
        "http.host",
        _K.STRING,
        _G.HTTP,
        "",
        "http.host, first",
        "http.hostname",
        "First Host header.",
        optional=True,
    ),
    ColumnSpec(
        "http.uri",
        _K.STRING,
        _G.HTTP,
        "",
        "http.uri, first",
        "http.url",
        "First URI.",
        optional=True,
    ),
    ColumnSpec(
        "http.user_agent",
        _K.STRING,
        _G.HTTP,
        "",
        "http.user_agent, first",
        "http.http_user_agent",
        "First User-Agent.",
        optional=True,
    ),
    ColumnSpec(
        "http.status_code",
        _K.COUNT,
        _G.HTTP,
        "",
        "http.status_code, last",
        "http.status",
        "Last status.",
        optional=True,
    ),
    ColumnSpec(
        "http.errors",
        _K.COUNT,
        _G.HTTP,
        "lines",
        "http: status_code ≥ 400",
        "http.status",
        "Replies of status 400 and above.",
    ),
    ColumnSpec(
        "http.writes",
        _K.COUNT,
        _G.HTTP,
        "lines",
        "http: method not GET, HEAD, OPTIONS",
        "http.http_method",
        "Requests whose method is not one of `HTTP_READS`.",
    ),
    ColumnSpec(
        "http.uri_bytes",
        _K.COUNT,
        _G.HTTP,
        "bytes",
        "http: Σ |uri|",
        "http.url",
        "Length of all URIs.",
    ),
    ColumnSpec(
        "http.request_body_len",
        _K.COUNT,
        _G.HTTP,
        "bytes",
        "http: Σ request_body_len",
        "",
        "Body bytes sent.",
    ),
    ColumnSpec(
        "http.response_body_len",
        _K.COUNT,
        _G.HTTP,
        "bytes",
        "http: Σ response_body_len",
        "http.length",
        "Body bytes answered.",
    ),
    # ssl: the ssl.log line of the same uid
    ColumnSpec(
        "ssl.version",
        _K.STRING,
        _G.SSL,
        "",
        "ssl.version",
        "tls.version",
        "Negotiated version, Zeek's name.",
        optional=True,
    ),
    ColumnSpec(
        "ssl.cipher", _K.STRING, _G.SSL, "", "ssl.cipher", "", "Negotiated cipher.", optional=True
    ),
    ColumnSpec(
        "ssl.server_name",
        _K.STRING,
        _G.SSL,
        "",
        "ssl.server_name",
        "tls.sni",
        "SNI.",
        optional=True,
    ),
    ColumnSpec(
        "ssl.next_protocol", _K.STRING, _G.SSL, "", "ssl.next_protocol", "", "ALPN.", optional=True
    ),
    ColumnSpec(
        "ssl.resumed",
        _K.BOOL,
        _G.SSL,
        "",
        "ssl.resumed",
        "tls.session_resumed",
        "Session was resumed.",
    ),
    ColumnSpec(
        "ssl.established", _K.BOOL, _G.SSL, "", "ssl.established", "", "Handshake was completed."
    ),
    ColumnSpec(
        "ssl.certs",
        _K.COUNT,
        _G.SSL,
        "certificates",
        "ssl: |cert_chain_fps|",
        "tls.chain",
        "Certificates the server sent; absent where none could be seen (TLS 1.3).",
        optional=True,
    ),
    # ssh: the ssh.log line of the same uid
    ColumnSpec(
        "ssh.version",
        _K.COUNT,
        _G.SSH,
        "",
        "ssh.version",
        "ssh.client.proto_version",
        "Major version.",
        optional=True,
    ),
    ColumnSpec(
        "ssh.auth_success",
        _K.BOOL,
        _G.SSH,
        "",
        "ssh.auth_success",
        "",
        "A login succeeded, as far as Zeek can tell.",
        optional=True,
    ),
    ColumnSpec(
        "ssh.auth_attempts",
        _K.COUNT,
        _G.SSH,
        "attempts",
        "ssh.auth_attempts",
        "",
        "Login attempts Zeek could tell.",
        optional=True,
    ),
    ColumnSpec(
        "ssh.client",
        _K.STRING,
        _G.SSH,
        "",
        "ssh.client",
        "ssh.client.software_version",
        "Client banner.",
        optional=True,
    ),
    ColumnSpec(
        "ssh.server",
        _K.STRING,
        _G.SSH,
        "",
        "ssh.server",
        "ssh.server.software_version",
        "Server banner.",
        optional=True,
    ),
)

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
