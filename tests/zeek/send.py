"""Sends the packets of a capture from an interface, in their order and at a given pace.

python -m tests.zeek.send INTERFACE FILE PACKETS_PER_SECOND
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def frames(path: Path) -> Iterator[bytes]:
    """The frames of a little-endian pcap file."""
    data = path.read_bytes()
    at = 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        at += 16
        yield data[at : at + size]
        at += size


def main() -> None:
    """Send them all; a full queue is waited for."""
    interface, path, pace = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((interface, 0))
        start = time.monotonic()
        for i, frame in enumerate(frames(path)):
            ahead = i / pace - (time.monotonic() - start)
            if ahead > 0.002:
                time.sleep(ahead)
            link.send(frame)


if __name__ == "__main__":
    main()
