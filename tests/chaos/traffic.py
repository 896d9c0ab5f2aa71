"""The lab's DNS tunnel, sent for as long as it takes, every flow from another host."""

from __future__ import annotations

import contextlib
import csv
import secrets
import threading
import time
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Self

import numpy as np
import zmq

from metatap.flow import FlowBatch, Numeric, Strings
from metatap.flow.batch import concat
from metatap.sources.encode import flows_message, hello_message
from metatap.sources.messages import Header, Hello
from metatap.sources.recording import RecordingSource

DATA = Path(str(resources.files("metatap.demo") / "data"))
FAMILY = "dns_tunnel"

FLOWS_PER_S = 30.0
"""Four of seven flows are an alert of their own, with two events each."""

_MESSAGE_ROWS = 2
_NS = 1_000_000_000
_WAITING_MESSAGES = 50
"""Messages that wait for an agent that is away; more are lost, and the agent counts them."""


def base_flows() -> FlowBatch:
    """The flows of the threat in the demo's recording."""
    with (DATA / "branch.labels.csv").open(encoding="utf-8", newline="") as file:
        wanted = {row["uid"].encode() for row in csv.DictReader(file) if row["family"] == FAMILY}
    source, found = RecordingSource(DATA / "branch.mtrec"), []
    while not source.done:
        batch = source.read(0.0)
        if batch is not None:
            uids = batch.strings("uid")
            assert uids is not None
            rows = [row for row in range(batch.rows) if uids.item(row) in wanted]
            found.append(batch.take(np.array(rows, np.intp)))
    source.close()
    return concat(found)


class Traffic:
    """A Zeek that never stops, in a thread; a context manager.

    Attributes:
        flows: Flows handed to the socket.
    """

    def __init__(self, address: str, flows_per_s: float = FLOWS_PER_S) -> None:
        """Traffic that does not flow yet.

        Args:
            address: ZeroMQ address that the agent is bound to.
            flows_per_s: Pace.
        """
        self.flows = 0
        self._address = address
        self._pause = _MESSAGE_ROWS / flows_per_s
        self._base = base_flows()
        self._boot = f"chaos-{secrets.token_hex(8)}"
        self._batches = 0
        self._stop = threading.Event()
        self._quiet = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def pause(self) -> None:
        """Send no flows until `resume`."""
        self._quiet.set()

    def resume(self) -> None:
        """Send flows again."""
        self._quiet.clear()

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(zmq.XPUB)
        socket.linger = 0
        socket.sndhwm = _WAITING_MESSAGES
        socket.reconnect_ivl = 20
        socket.connect(self._address)
        try:
            while not self._stop.wait(self._pause):
                while socket.poll(0):
                    socket.recv()
                with contextlib.suppress(zmq.Again):
                    socket.send_multipart(self._message(), zmq.NOBLOCK)
        finally:
            socket.close()
            context.term()

    def _message(self) -> list[bytes]:
        if self._quiet.is_set():
            hello = Hello(
                *("zeek", self._boot),
                shards=(0,),
                batches=(self._batches,),
                flows=(self.flows,),
                seen=self.flows,
            )
            return hello_message(hello)
        header = Header("zeek", self._boot, batch=self._batches, flows_before=self.flows)
        batch = self._batch(_MESSAGE_ROWS)
        self._batches += 1
        self.flows += batch.rows
        return flows_message(batch, header)

    def _batch(self, rows: int) -> FlowBatch:
        """The next flows: now, from hosts and with uids that were never there."""
        numbers = np.arange(self.flows, self.flows + rows)
        batch = self._base.take(numbers % self._base.rows)
        columns = dict(batch.columns)
        duration = batch.numeric("duration")
        longest = 0 if duration is None else int(duration.values.max())
        columns["ts"] = Numeric(np.full(rows, time.time_ns() - longest, np.int64))
        hosts = np.zeros((rows, 16), np.uint8)
        hosts[:, 10:12] = 0xFF
        hosts[:, 12] = 10
        for place in range(3):
            hosts[:, 13 + place] = numbers >> (8 * (2 - place)) & 0xFF
        columns["id.orig_h"] = Numeric(hosts)
        columns["uid"] = Strings.from_items([b"Chaos%012d" % number for number in numbers])
        return replace(batch, columns=columns)
