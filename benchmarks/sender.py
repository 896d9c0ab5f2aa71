"""A process that sends flows over ZeroMQ as a Zeek node does.

    python -m benchmarks.sender --address ipc:///tmp/zeek.ipc --core 1 …

It draws a ring of traffic (`benchmarks.stamp`), waits for a subscriber and says `{"ready": n}`, the
flows of the ring. Then it obeys one JSON object a line of standard input, each answered by one on
standard output:

| command | what |
|---|---|
| `{"do": "play", "phases": [[flows/s, s], …]}` | each message when its last flow is due |
| `{"do": "flood", "flows": n}` | so many flows, as fast as they are taken |
| `{"do": "flood", "seconds": s}` | for so long |
| `{"do": "beat", "seconds": s}` | heartbeats alone |
| `{"do": "end"}` | the final heartbeat, then the end |

`play` says `started` first. Heartbeats go out each second beside the flows. With `--keep` nothing
is dropped at the high-water mark: a slow receiver slows the sender. Without, ZeroMQ drops as it
does for Zeek, and the running counts tell.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import zmq

from benchmarks.machine import pin
from benchmarks.schedule import Schedule
from benchmarks.stamp import Ring
from benchmarks.traffic import NS, Profile, Traffic
from metatap.runtime.logs import configure_logs
from metatap.sources.encode import hello_message
from metatap.sources.messages import Hello

BEAT = 1.0
"""Seconds between heartbeats."""

LINGER_MS = 10_000
"""How long the last messages may take to go out."""

FLOOD_RATE = 1e6
"""Flows a second by their times, when they are sent as fast as they are taken."""

WAIT_MS = 60_000
"""How long a subscriber may take to come."""


class Sender:
    """One node's socket and ring."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Draw the ring and wait for a subscriber.

        Raises:
            SystemExit: none came.
        """
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_NODROP, int(options.keep))
        self._socket.setsockopt(zmq.LINGER, LINGER_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 5)
        self._socket.sndhwm = options.hwm
        if options.bind:
            self._socket.bind(options.address)
        profile = Profile(hosts=options.hosts, hostile=options.hostile)
        traffic = Traffic(profile, options.seed)
        self.ring = Ring(
            traffic, options.ring, options.rows, node=options.node, shard=options.shard
        )
        if not options.bind:
            self._socket.connect(options.address)
        if not self._socket.poll(WAIT_MS):
            raise SystemExit("nobody subscribed")
        self._beat_due = time.monotonic()

    def play(self, phases: Sequence[Sequence[float]]) -> dict[str, Any]:
        """Send by schedule; what came of it."""
        schedule = Schedule(tuple((float(rate), float(seconds)) for rate, seconds in phases))
        first = self.ring.flows_sent
        start, wall, cpu = time.monotonic(), time.time_ns(), time.process_time()
        _say({"started": start, "first": first})
        late, told = 0.0, 0
        while told < schedule.flows:
            rate = schedule.rate(told)
            begin = float(schedule.due(told))
            message = self.ring.next(wall + int(begin * NS), rate)
            told = self.ring.flows_sent - first
            ahead = start + float(schedule.due(told)) - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            else:
                late = max(late, -ahead)
            self._send(message.parts)
        spent = time.monotonic() - start
        cpu = (time.process_time() - cpu) / spent
        return {"flows": told, "seconds": spent, "late": late, "cpu": cpu}

    def flood(self, flows: float = float("inf"), seconds: float = float("inf")) -> dict[str, Any]:
        """Send as fast as it goes."""
        first, start = self.ring.flows_sent, time.monotonic()
        while self.ring.flows_sent - first < flows and time.monotonic() - start < seconds:
            self._send(self.ring.next(time.time_ns(), FLOOD_RATE).parts)
        return {"flows": self.ring.flows_sent - first, "seconds": time.monotonic() - start}

    def beat(self, seconds: float) -> dict[str, Any]:
        """Heartbeats for so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            time.sleep(max(0.0, min(end, self._beat_due) - now))
            self._hello()
        return {"seconds": seconds}

    def end(self) -> dict[str, Any]:
        """The final heartbeat; frees the socket."""
        self._hello(final=True)
        self._socket.close()
        self._context.term()
        return {"flows": self.ring.flows_sent}

    def _send(self, parts: tuple[bytes, bytes, bytes, bytearray]) -> None:
        self._socket.send_multipart(parts)
        self._hello()

    def _hello(self, *, final: bool = False) -> None:
        """A heartbeat, if it is due."""
        if time.monotonic() < self._beat_due and not final:
            return
        self._beat_due = time.monotonic() + BEAT
        ring = self.ring
        sent = (ring.flows_sent,)
        hello = Hello(
            *(ring.node, ring.boot),
            final=final,
            shards=(ring.shard,),
            batches=(ring.sent,),
            flows=sent,
            seen=sent[0],
        )
        self._socket.send_multipart(hello_message(hello))


def _say(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True, help="ZeroMQ address of the agent")
    parser.add_argument("--bind", action="store_true", help="bind it rather than connect")
    parser.add_argument("--core", type=int, required=True, help="core by its number")
    parser.add_argument("--rows", type=int, default=512, help="flows a message")
    parser.add_argument("--ring", type=int, default=131_072, help="flows drawn")
    parser.add_argument("--hosts", type=int, default=Profile().hosts)
    parser.add_argument("--hostile", type=float, default=Profile().hostile, help="share of flows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--node", default="bench")
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--hwm", type=int, default=1000, help="messages held for the agent")
    parser.add_argument("--keep", action="store_true", help="wait at the mark, do not drop")
    return parser.parse_args()


def main() -> None:
    """Serve until `end` or the end of standard input."""
    options = _options()
    configure_logs("error", "text")
    pin(options.core)
    sender = Sender(options)
    _say({"ready": sender.ring.flows})
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        _say(getattr(sender, do)(**command))
        if do == "end":
            return


if __name__ == "__main__":
    main()
