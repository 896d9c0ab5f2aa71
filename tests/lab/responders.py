"""Small services of the lab and their clients: a clock over UDP 123 and a push channel.

Run as ``python -m tests.lab.responders COMMAND [WORDS]``; the commands are at the end.
"""

import asyncio
import contextlib
import random
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence

CLOCK_PORT = 123
PUSH_PORT = 5222
_NTP_EPOCH_S = 2_208_988_800
_PACKET = struct.Struct("!BBbbII4s8s8s8sII")


def _packet(mode: int, origin: bytes) -> bytes:
    """An NTP version 4 packet of 48 bytes; ``mode`` is 3 for a client, 4 for a server."""
    stratum, reference = (2, b"LOCL") if mode == 4 else (0, bytes(4))
    now = time.time() + _NTP_EPOCH_S
    seconds, fraction = int(now), int(now % 1 * 2**32)
    stamp = struct.pack("!II", seconds, fraction)
    head = (0x20 | mode, stratum, 6, -20, 0, 0, reference)
    return _PACKET.pack(*head, stamp, origin, stamp, seconds, fraction)


def serve_clock() -> None:
    """Answer NTP requests for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", CLOCK_PORT))
        while True:
            request, peer = sock.recvfrom(512)
            sock.sendto(_packet(4, request[40:48]), peer)


def ask_clock(address: str) -> None:
    """Ask once, wait for the answer at most 2 s."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.sendto(_packet(3, bytes(8)), (address, CLOCK_PORT))
        with contextlib.suppress(TimeoutError):
            sock.recv(512)


async def _push(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    rng = random.Random()
    await reader.readline()
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(rng.randbytes(rng.randint(40, 900)).hex().encode() + b"\n")
            await writer.drain()
            await asyncio.sleep(rng.uniform(2, 12))


async def _serve_push() -> None:
    server = await asyncio.start_server(_push, "0.0.0.0", PUSH_PORT)
    async with server:
        await server.serve_forever()


def serve_push() -> None:
    """Send small messages now and then to every client, for ever."""
    asyncio.run(_serve_push())


def hold_push(address: str, seconds: str) -> None:
    """Keep one connection to the push service for some seconds, acknowledge each message."""
    until = time.monotonic() + float(seconds)
    with socket.create_connection((address, PUSH_PORT), timeout=5) as sock:
        sock.sendall(b"hello\n")
        sock.settimeout(1)
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                if not sock.recv(4096):
                    return
                sock.sendall(b"ack\n")


def touch(*targets: str) -> None:
    """Connect to each ``address:port`` and close at once, as a health check does."""
    for target in targets:
        address, port = target.split(":")
        with contextlib.suppress(OSError), socket.create_connection((address, int(port)), 3):
            pass


_COMMANDS: dict[str, Callable[..., None]] = {
    "serve-clock": serve_clock,
    "serve-push": serve_push,
    "ask-clock": ask_clock,
    "hold-push": hold_push,
    "touch": touch,
}


def main(argv: Sequence[str]) -> None:
    """Run the command that the first word names with the other words."""
    _COMMANDS[argv[0]](*argv[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
