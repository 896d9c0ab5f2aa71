"""Small protocols of machines, servers and clients: syslog, Modbus and HL7.

Run as ``python -m tests.lab.machine_protocols COMMAND [WORDS]``; the commands are at the end.
"""

import contextlib
import random
import socket
import socketserver
import struct
import sys
import time
from collections.abc import Callable, Sequence

SYSLOG_PORT = 514
MODBUS_PORT = 502
HL7_PORT = 2575

_MBAP = struct.Struct("!HHHBB")
_READ_HOLDING = 3
_BEGIN, _END = b"\x0b", b"\x1c\r"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve_syslog() -> None:
    """Take RFC 3164 messages and answer nothing, for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", SYSLOG_PORT))
        while True:
            sock.recv(4096)


class _Modbus(socketserver.StreamRequestHandler):
    """Function 3 of Modbus TCP: registers that wander about."""

    def handle(self) -> None:
        rng = random.Random()
        while len(head := self.rfile.read(_MBAP.size)) == _MBAP.size:
            transaction, _, length, unit, function = _MBAP.unpack(head)
            _, count = struct.unpack("!HH", self.rfile.read(length - 2))
            values = struct.pack(f"!{count}H", *(rng.randrange(900, 1100) for _ in range(count)))
            answer = _MBAP.pack(transaction, 0, 3 + len(values), unit, function)
            self.wfile.write(answer + bytes([len(values)]) + values)


def poll_modbus(seconds: str, period_s: str, *addresses: str) -> None:
    """Read a few blocks of registers of every address in turn, a new connection each round."""
    rng, until = random.Random(), time.monotonic() + float(seconds)
    while time.monotonic() < until:
        for address in addresses:
            with contextlib.suppress(OSError, struct.error):
                _read_registers(address, rng.randint(1, 4), rng)
        time.sleep(float(period_s) * rng.uniform(0.97, 1.03))


def _read_registers(address: str, blocks: int, rng: random.Random) -> None:
    with (
        socket.create_connection((address, MODBUS_PORT), 5) as sock,
        sock.makefile("rb") as answers,
    ):
        for number in range(blocks):
            body = struct.pack("!HH", 100 * number, rng.randint(2, 60))
            sock.sendall(_MBAP.pack(number, 0, 6, 1, _READ_HOLDING) + body)
            _, _, length, _, _ = _MBAP.unpack(answers.read(_MBAP.size))
            answers.read(length - 2)


class _Hl7(socketserver.BaseRequestHandler):
    """Acknowledges every message of the minimal lower layer protocol."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while message := self._message():
                control = message.split(b"|")[9]
                text = b"MSH|^~\\&|HIS|HUB|WARD|W|||ACK|" + control + b"|P|2.5\rMSA|AA|" + control
                self.request.sendall(_BEGIN + text + b"\r" + _END)

    def _message(self) -> bytes:
        """The next message, empty when the client has gone."""
        message = b""
        while not message.endswith(_END):
            part = self.request.recv(4096)
            if not part:
                return b""
            message += part
        return message


def send_hl7(address: str, count: str) -> None:
    """Send observations one by one over one connection, each after the last one's answer."""
    rng = random.Random()
    with (
        contextlib.suppress(OSError),
        socket.create_connection((address, HL7_PORT), 8) as sock,
    ):
        sock.settimeout(12)
        for _ in range(int(count)):
            sock.sendall(_BEGIN + _observation(rng) + _END)
            if not sock.recv(4096):
                return


def _observation(rng: random.Random) -> bytes:
    control = rng.randrange(10**8)
    lines = [
        f"MSH|^~\\&|MONITOR|WARD|HIS|HUB|20260101||ORU^R01|{control}|P|2.5",
        f"PID|1||{rng.randrange(10**6):06}^^^LAB",
        *(
            f"OBX|{number}|NM|{rng.randrange(10**5)}^VITAL||{rng.uniform(30, 180):.1f}|u|||||F"
            for number in range(rng.randint(3, 40))
        ),
    ]
    return "\r".join(lines).encode() + b"\r"


def _serve(port: int, handler: type[socketserver.BaseRequestHandler]) -> Callable[[], None]:
    def run() -> None:
        with _Server(("0.0.0.0", port), handler) as server:
            server.serve_forever()

    return run


_COMMANDS: dict[str, Callable[..., None]] = {
    "serve-syslog": serve_syslog,
    "serve-modbus": _serve(MODBUS_PORT, _Modbus),
    "serve-hl7": _serve(HL7_PORT, _Hl7),
    "poll-modbus": poll_modbus,
    "send-hl7": send_hl7,
}


def main(argv: Sequence[str]) -> None:
    """Run the command that the first word names with the other words."""
    _COMMANDS[argv[0]](*argv[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
