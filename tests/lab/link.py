"""The link between the two routers: a process that holds every frame back for a while.

Many kernels come without ``netem``, so delay, jitter, loss and rate are made here. Two TAP
devices are the ends; the kernel cuts segments and fills in checksums before a frame gets here,
so a capture at one end holds true packets. Frames of one direction never overtake each other.
"""

import argparse
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

END = "wan0"
_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_FRAME_MAX = 65_536
_QUEUE_S = 1.0


def open_tap(name: str) -> int:
    """A new TAP device in the current namespace, as a non-blocking file descriptor."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return fd


@dataclass(slots=True)
class Direction:
    """One way of the link; times in s of the monotonic clock, ``byte_s`` in s per byte."""

    sink: int
    delay_s: tuple[float, float]
    loss: float
    byte_s: float
    rng: random.Random
    sent_at: float = 0.0
    last_out: float = 0.0

    def due(self, now: float, size: int) -> float | None:
        """When a frame of ``size`` bytes comes out, or ``None`` if the link loses it."""
        self.sent_at = max(self.sent_at, now) + size * self.byte_s
        if self.rng.random() < self.loss or self.sent_at - now > _QUEUE_S:
            return None
        self.last_out = max(self.last_out, self.sent_at + self.rng.uniform(*self.delay_s))
        return self.last_out


@dataclass(slots=True)
class Pipe:
    """Both ways of the link and the frames under way."""

    directions: dict[int, Direction]
    waiting: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    count: int = 0

    def take(self, source: int) -> None:
        """Read all frames that wait at one end."""
        direction = self.directions[source]
        while True:
            try:
                frame = os.read(source, _FRAME_MAX)
            except BlockingIOError:
                return
            due = direction.due(time.monotonic(), len(frame))
            if due is not None:
                self.count += 1
                heapq.heappush(self.waiting, (due, self.count, direction.sink, frame))

    def release(self) -> float:
        """Write the frames that are due; returns the time to the next one in s."""
        while self.waiting:
            wait = self.waiting[0][0] - time.monotonic()
            if wait > 0:
                return wait
            _, _, sink, frame = heapq.heappop(self.waiting)
            try:
                os.write(sink, frame)
            except OSError:  # the far end is not up (yet)
                continue
        return 1.0


def main(argv: Sequence[str] | None = None) -> None:
    """Create both ends, hand them to the routers' namespaces, forward until killed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("namespaces", nargs=2)
    parser.add_argument("--delay-ms", nargs=2, type=float, required=True)
    parser.add_argument("--loss", type=float, required=True)
    parser.add_argument("--rate-mbit", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args(argv)
    os.nice(-5)
    ends = [open_tap(f"end{n}") for n in range(2)]
    for n, namespace in enumerate(args.namespaces):
        move = ["ip", "link", "set", f"end{n}", "name", END, "netns", namespace]
        subprocess.run(move, check=True)
    low, high = args.delay_ms
    pipe = Pipe(
        {
            source: Direction(
                sink,
                (low / 1e3, high / 1e3),
                args.loss,
                8e-6 / args.rate_mbit,
                random.Random(args.seed + n),
            )
            for n, (source, sink) in enumerate([ends, ends[::-1]])
        }
    )
    while True:
        ready, _, _ = select.select(ends, [], [], pipe.release())
        for source in ready:
            pipe.take(source)


if __name__ == "__main__":
    main()
