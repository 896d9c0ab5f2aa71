"""The feature table: every column of the matrix the detector sees, in order.

Never a feature: addresses, absolute time, uid, raw ephemeral ports. Values are raw (no logarithm,
no scaling): all that training fits is inside the model. An absent value is NaN, which the model's
first nodes turn into "nothing known".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from metatap.context import CONTEXT_FEATURES
from metatap.flow.schema import CONN_STATES

FEATURES_VERSION = 2
"""Version of the table; a model names the features it was trained on, in order."""


class Scale(StrEnum):
    """How the model's first nodes treat a feature; the table is ordered by it."""

    LOG = "log"
    LINEAR = "linear"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    Attributes:
        name: Unique name.
        scale: LOG: a magnitude ≥ 0; LINEAR: a ratio; FLAG: 0 or 1.
        words: What it is, as an analyst would say it.
        unit: Unit of the raw value, "" for none.
    """

    name: str
    scale: Scale
    words: str
    unit: str = ""


ORIG_LETTERS = "SHADFR"
"""History letters that are counted per direction: SYN, SYN-ACK, ACK, data, FIN, RST."""

_LETTER_WORDS = {
    "S": "SYN",
    "H": "SYN-ACK",
    "A": "ACK",
    "D": "data",
    "F": "FIN",
    "R": "RST",
}

SERVICES: tuple[str, ...] = (
    "dns",
    "http",
    "ssl",
    "ssh",
    "smb",
    "dce_rpc",
    "krb",
    "ldap",
    "ntlm",
    "gssapi",
    "ftp",
    "smtp",
    "rdp",
    "ntp",
    "dhcp",
    "quic",
)
"""Services with a flag of their own; `krb_tcp` counts as `krb`, anything else as `other`."""

SERVICE_ALIASES: dict[str, str] = {"krb_tcp": "krb", "ldap_tcp": "ldap", "ldap_udp": "ldap"}

TLS_VERSIONS: dict[bytes, str] = {
    b"SSLv2": "old",
    b"SSLv3": "old",
    b"TLSv10": "old",
    b"TLSv11": "old",
    b"TLSv12": "12",
    b"TLSv13": "13",
    b"DTLSv10": "old",
    b"DTLSv12": "12",
    b"DTLSv13": "13",
}
"""Zeek's `ssl.version` → the flag it sets."""

TLS_FLAGS: tuple[str, ...] = ("old", "12", "13")


def _log(name: str, words: str, unit: str = "") -> Feature:
    return Feature(name, Scale.LOG, words, unit)


def _linear(name: str, words: str) -> Feature:
    return Feature(name, Scale.LINEAR, words)


def _flag(name: str, words: str) -> Feature:
    return Feature(name, Scale.FLAG, words)


def _history(side: str, who: str) -> list[Feature]:
    return [
        _log(f"history.{side}.{letter}", f"{_LETTER_WORDS[letter]} by the {who} in history")
        for letter in ORIG_LETTERS
    ]


_CONTEXT_LOG = tuple(_log(f.name, f.words, f.unit) for f in CONTEXT_FEATURES if not f.share)
_CONTEXT_LINEAR = tuple(_linear(f.name, f.words) for f in CONTEXT_FEATURES if f.share)

FEATURES: tuple[Feature, ...] = (
    _log("duration", "duration", "ms"),
    _log("orig_bytes", "payload sent", "bytes"),
    _log("resp_bytes", "payload answered", "bytes"),
    _log("missed_bytes", "missed payload", "bytes"),
    _log("orig_pkts", "packets sent"),
    _log("resp_pkts", "packets answered"),
    _log("orig_ip_bytes", "IP bytes sent", "bytes"),
    _log("resp_ip_bytes", "IP bytes answered", "bytes"),
    _log("orig_pkt_size", "mean packet sent", "bytes"),
    _log("resp_pkt_size", "mean packet answered", "bytes"),
    _log("pkt_interval", "mean time between packets", "ms"),
    _log("byte_rate", "IP bytes a second", "bytes/s"),
    *_history("orig", "originator"),
    *_history("resp", "responder"),
    _log("history.retransmissions", "retransmissions in history"),
    _log("history.odd", "odd packets in history (gap, zero window, inconsistent)"),
    _log("history.length", "letters in history"),
    _log("dns.queries", "DNS queries"),
    _log("dns.query_mean", "mean DNS query name", "bytes"),
    _log("dns.query_longest", "longest DNS query name", "bytes"),
    _log("dns.answer_mean", "mean DNS answer", "bytes"),
    _log("dns.rate", "DNS queries a second", "1/s"),
    _log("http.requests", "HTTP requests"),
    _log("http.uri_mean", "mean HTTP URI", "bytes"),
    _log("http.request_body_mean", "mean HTTP request body", "bytes"),
    _log("http.response_body_mean", "mean HTTP response body", "bytes"),
    _log("http.user_agent_length", "HTTP user agent", "bytes"),
    _log("ssl.server_name_length", "TLS server name", "bytes"),
    _log("ssl.certs", "TLS certificates"),
    _log("ssh.auth_attempts", "SSH authentication attempts"),
    *_CONTEXT_LOG,
    _linear("orig_byte_share", "share of the payload sent by the originator"),
    _linear("orig_pkt_share", "share of the packets sent by the originator"),
    _linear("orig_payload_share", "payload share of the IP bytes sent"),
    _linear("resp_payload_share", "payload share of the IP bytes answered"),
    _linear("dns.nxdomain_share", "share of DNS names not found"),
    _linear("dns.rare_qtype_share", "share of DNS queries of rare types"),
    _linear("dns.answers_mean", "answers a DNS query"),
    _linear("dns.query_digit_share", "digits in the longest DNS name"),
    _linear("dns.query_vowel_share", "vowels in the longest DNS name"),
    _linear("dns.query_odd_share", "bytes not fit for a host name in the longest DNS name"),
    _linear("http.error_share", "share of HTTP errors"),
    _linear("http.write_share", "share of HTTP requests that write"),
    _linear("http.uri_digit_share", "digits in the HTTP URI"),
    *_CONTEXT_LINEAR,
    _flag("proto.tcp", "TCP"),
    _flag("proto.udp", "UDP"),
    _flag("proto.icmp", "ICMP"),
    *(_flag(f"conn_state.{state}", f"connection state {state}") for state in CONN_STATES),
    *(_flag(f"service.{service}", f"service {service}") for service in SERVICES),
    _flag("service.other", "another service"),
    _flag("service.none", "no service recognised"),
    _flag("resp_p.system", "responder port below 1024"),
    _flag("resp_p.dynamic", "responder port 49152 or above"),
    _flag("local_orig", "originator is local"),
    _flag("local_resp", "responder is local"),
    _flag("history.flipped", "direction was flipped"),
    _flag("http.host_is_ip", "HTTP host is an address"),
    _flag("http.no_user_agent", "HTTP without user agent"),
    _flag("ssl.no_server_name", "TLS without server name"),
    _flag("ssl.established", "TLS established"),
    _flag("ssl.resumed", "TLS resumed"),
    *(_flag(f"ssl.version.{v}", f"TLS version {v}") for v in TLS_FLAGS),
    _flag("ssh.auth_success", "SSH login succeeded"),
    _flag("has.duration", "duration known"),
    _flag("has.bytes", "payload bytes known"),
    _flag("has.history", "history known"),
    _flag("has.dns", "DNS summary present"),
    _flag("has.http", "HTTP summary present"),
    _flag("has.ssl", "TLS summary present"),
    _flag("has.ssh", "SSH summary present"),
)

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
INDEX: dict[str, int] = {name: at for at, name in enumerate(NAMES)}
WIDTH: int = len(FEATURES)
"""F, columns of the feature matrix."""


def scale_slice(scale: Scale) -> slice:
    """Where the features of one scale stand in the matrix (they are contiguous)."""
    at = [i for i, feature in enumerate(FEATURES) if feature.scale is scale]
    return slice(at[0], at[-1] + 1)
