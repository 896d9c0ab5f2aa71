"""Plays Zeek in a process of its own, as fast as the agent takes it: `python -m … ADDRESS`.

Each flow has a number, in its `ts`. It goes on until its input ends, then prints how many flows it
sent, and how often it had to wait for the agent.
"""

from __future__ import annotations

import select
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import zmq
from tests.agent.runtime.running import RECORDING
from tests.lab.packs import read_all

from metatap.flow import Numeric
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header

ROWS = 512
"""Flows a message."""

APART = 1_000_000
"""Between the `ts` of two flows, ns."""

WAITING = 20
"""Messages that wait for the agent on this side, at most."""

_BATCH, _FLOWS, _TS = 0x1A2B3C4D5E6F7081, 0x0102030405060708, 0x0F1E2D3C4B5A6978
"""Numbers that occur nowhere in the recording, to find where they are written."""

_ROOT = Path(__file__).parents[3]


class Sender:
    """The process, as the test sees it."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-m", __name__, address]
        self._process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def end(self) -> tuple[int, int]:
        """Stop sending; the flows sent, all of which the agent's queue has taken, and the waits."""
        printed, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0
        sent, waits = printed.split()[-2:]
        return int(sent), int(waits)

    def free(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()


class Message:
    """One message whose running numbers and times are set in place: next to no work each time."""

    def __init__(self) -> None:
        flows = read_all(RECORDING)
        flows = flows.take(np.arange(ROWS) % flows.rows)
        ts = Numeric(_TS + np.arange(ROWS, dtype=np.int64))
        marked = replace(flows, columns={**flows.columns, "ts": ts})
        *self._head, payload = flows_message(
            marked, Header("zeek", "boot", 0, _BATCH, _FLOWS, ROWS)
        )
        self._batch_at, self._flows_at, first, second = (
            payload.index(struct.pack(">Q", number)) for number in (_BATCH, _FLOWS, _TS, _TS + 1)
        )
        self._payload = bytearray(payload)
        self._ts = np.ndarray((ROWS,), ">i8", self._payload, first, (second - first,))

    def parts(self, at: int) -> list[bytes]:
        """The message of this number."""
        sent = at * ROWS
        struct.pack_into(">Q", self._payload, self._batch_at, at)
        struct.pack_into(">Q", self._payload, self._flows_at, sent)
        self._ts[:] = np.arange(sent, sent + ROWS) * APART
        return [*self._head, bytes(self._payload)]


def send(address: str) -> tuple[int, int]:
    """Send until the input ends; the flows sent, and how often the agent had too many waiting."""
    message = Message()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    publisher.setsockopt(zmq.XPUB_NODROP, 1)
    publisher.sndhwm = WAITING
    publisher.linger = 60_000
    publisher.connect(address)
    while not publisher.poll(100):
        pass
    at = waits = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        parts = message.parts(at)
        try:
            publisher.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            waits += 1
            publisher.send_multipart(parts)
        at += 1
    publisher.close()
    context.term()
    return at * ROWS, waits


if __name__ == "__main__":
    flows, waited = send(sys.argv[1])
    sys.stdout.write(f"{flows} {waited}\n")
