"""Small captures, made packet by packet.

Everything here is written for the tests: no address, name or payload comes from a real network.
Checksums are right, so Zeek needs no `-C` and the frames can be sent on a live interface.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

SYN, FIN, RST, PSH, ACK = 0x02, 0x01, 0x04, 0x08, 0x10
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
MSS = 1400
"""Payload bytes of a TCP segment."""

Endpoint = tuple[str, int]
"""Address and port."""

_ETHER = bytes.fromhex("020000000001020000000002")


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def frame(src: str, dst: str, proto: int, segment: bytes, sum_at: int | None) -> bytes:
    """An Ethernet frame; the transport checksum goes to `sum_at` of the segment."""
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    if sum_at is not None:
        pseudo = b"" if proto == ICMP else a + b + struct.pack("!II", len(segment), proto)
        value = struct.pack("!H", _checksum(pseudo + segment) or 0xFFFF)
        segment = segment[:sum_at] + value + segment[sum_at + 2 :]
    if len(a) == 16:
        head = struct.pack("!IHBB", 0x60000000, len(segment), proto, 64) + a + b
        return _ETHER + b"\x86\xdd" + head + segment
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, proto, 0) + a + b
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return _ETHER + b"\x08\x00" + head + segment


@dataclass
class Trace:
    """Packets by time, to be written to a file or sent.

    Attributes:
        packets: Seconds since the epoch and Ethernet frame of each.
    """

    packets: list[tuple[float, bytes]] = field(default_factory=list)

    def udp(self, at: float, src: Endpoint, dst: Endpoint, payload: bytes) -> None:
        """One datagram."""
        head = struct.pack("!HHHH", src[1], dst[1], 8 + len(payload), 0)
        self.packets.append((at, frame(src[0], dst[0], UDP, head + payload, 6)))

    def ping(self, at: float, src: str, dst: str) -> None:
        """One echo request and its reply, 10 ms later."""
        for delay, a, b, kind in ((0.0, src, dst, 8), (0.01, dst, src, 0)):
            body = struct.pack("!BBHHH", kind, 0, 0, 7, 1) + b"echo"
            self.packets.append((at + delay, frame(a, b, ICMP, body, 2)))

    def tcp(
        self,
        at: float,
        client: Endpoint,
        server: Endpoint,
        turns: Iterable[tuple[bool, bytes]] = (),
        *,
        answer: str = "accept",
        close: str = "fin",
        pause: float = 0.0,
    ) -> float:
        """A connection.

        Args:
            at: When it starts.
            client: The originator.
            server: The responder.
            turns: Who speaks (True: the client) and what, in order.
            answer: What the server does with the SYN: "accept", "refuse", "ignore".
            close: How it ends: "fin", "reset" or "open".
            pause: Seconds before each turn.

        Returns:
            The time after its last packet.
        """
        talk = _Talk(self.packets, at, (client, server))
        talk.segment(0, SYN)
        if answer == "refuse":
            talk.segment(1, RST | ACK)
        if answer != "accept":
            return talk.now
        talk.segment(1, SYN | ACK)
        talk.segment(0, ACK)
        for from_client, payload in turns:
            side = 0 if from_client else 1
            talk.now += pause
            for start in range(0, len(payload), MSS):
                talk.segment(side, PSH | ACK, payload[start : start + MSS])
            talk.segment(1 - side, ACK)
        if close == "reset":
            talk.segment(1, RST | ACK)
        elif close == "fin":
            talk.segment(0, FIN | ACK)
            talk.segment(1, FIN | ACK)
            talk.segment(0, ACK)
        return talk.now

    def write(self, path: Path) -> Path:
        """The packets, sorted by time, as a pcap file."""
        with path.open("wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for at, data in sorted(self.packets, key=lambda packet: packet[0]):
                seconds, micros = divmod(round(at * 1e6), 1_000_000)
                out.write(struct.pack("<IIII", seconds, micros, len(data), len(data)) + data)
        return path


class _Talk:
    """The sequence numbers of one TCP connection; side 0 is the client."""

    def __init__(
        self,
        packets: list[tuple[float, bytes]],
        at: float,
        ends: tuple[Endpoint, Endpoint],
    ) -> None:
        self.now = at
        self._packets = packets
        self._ends = ends
        self._next = [1000, 5000]

    def segment(self, side: int, bits: int, payload: bytes = b"") -> None:
        """One segment from `side`."""
        (src, sport), (dst, dport) = self._ends[side], self._ends[1 - side]
        acked = self._next[1 - side] if bits & ACK else 0
        head = struct.pack(
            "!HHIIBBHHH",
            sport,
            dport,
            self._next[side],
            acked,
            0x50,
            bits,
            65535,
            0,
            0,
        )
        data = frame(src, dst, TCP, head + payload, 16)
        self._packets.append((self.now, data))
        self._next[side] += len(payload) + (1 if bits & (SYN | FIN) else 0)
        self.now += 0.01


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def dns_query(ident: int, name: str, qtype: int) -> bytes:
    """A DNS question."""
    return (
        struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0)
        + _name(name)
        + struct.pack("!HH", qtype, 1)
    )


def dns_reply(
    ident: int, name: str, qtype: int, answers: Iterable[bytes] = (), rcode: int = 0
) -> bytes:
    """Its answer: record data of the same type."""
    records = [
        b"\xc0\x0c" + struct.pack("!HHIH", qtype, 1, 60, len(data)) + data for data in answers
    ]
    head = struct.pack("!HHHHHH", ident, 0x8180 | rcode, 1, len(records), 0, 0)
    return head + _name(name) + struct.pack("!HH", qtype, 1) + b"".join(records)


def http_request(
    method: str, host: str, uri: str, agent: str = "test/1", body: bytes = b""
) -> bytes:
    """An HTTP/1.1 request."""
    head = f"{method} {uri} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode("latin-1") + b"\r\n" + body


def http_response(status: int, body: bytes = b"") -> bytes:
    """An HTTP/1.1 response."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _length(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _record(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + _length(data, 2)


def _handshake(kind: int, data: bytes) -> bytes:
    return _record(22, bytes([kind]) + _length(data, 3))


def client_hello(server_name: str) -> bytes:
    """A TLS 1.2 ClientHello with SNI and ALPN."""
    sni = _length(b"\0" + _length(server_name.encode(), 2), 2)
    alpn = _length(_length(b"h2", 1), 2)
    extensions = struct.pack("!H", 0) + _length(sni, 2) + struct.pack("!H", 16) + _length(alpn, 2)
    body = b"\x03\x03" + bytes(32) + b"\0" + _length(b"\xc0\x2b", 2) + b"\1\0"
    return _handshake(1, body + _length(extensions, 2))


def server_hello(certificate: bytes) -> bytes:
    """A TLS 1.2 ServerHello that chooses h2, a chain of one certificate, and HelloDone."""
    alpn = struct.pack("!H", 16) + _length(_length(_length(b"h2", 1), 2), 2)
    hello = b"\x03\x03" + b"\1" * 32 + b"\0" + b"\xc0\x2b\0" + _length(alpn, 2)
    chain = _length(_length(certificate, 3), 3)
    return _handshake(2, hello) + _handshake(11, chain) + _handshake(14, b"")


CERTIFICATE = bytes.fromhex(
    "3082016e30820115a00302010202146107783720a7b949fc2d969f4933b65578de9dfb300a06082a8648ce3d"
    "040302300c310a300806035504030c01613020170d3236313132343131343634395a180f3231323631303331"
    "3131343634395a300c310a300806035504030c01613059301306072a8648ce3d020106082a8648ce3d030107"
    "03420004d9788de6d45375aa150893a48eefbf7528061eb2295c92a8af942b639a1b71b93f45c020ba5dcda9"
    "ea631d6d0b6e96a1a38d9727836f671476d4ebd0de94c33aa3533051301d0603551d0e041604147a4d77b3a2"
    "4f6e492ec82c4746a4bdc8964ae602301f0603551d230418301680147a4d77b3a24f6e492ec82c4746a4bdc8"
    "964ae602300f0603551d130101ff040530030101ff300a06082a8648ce3d0403020347003044022050"
    "26f365f8bd8f13f101d9f56f5e1148966fe92df93bccf800a0b3ef09610cf902203859f3c389b10178913ad9"
    "e8bc5a7729b97e94defe3328567c206154b8d80bf4"
)
"""A self-signed certificate of a throw-away key, for "a"."""
