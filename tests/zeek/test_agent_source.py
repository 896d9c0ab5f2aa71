"""The agent's own source beside a real Zeek."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from metatap.flow import FlowBatch
from metatap.flow.rows import to_row
from metatap.sources.nodes import NodeStatus
from metatap.sources.zeek_zeromq import ZeekZeroMQ
from tests.zeek import traffic
from tests.zeek.logs import TIMES, expected
from tests.zeek.pcaps import Trace
from tests.zeek.run import Ends, Zeek, settings

pytestmark = pytest.mark.zeek


def _read(
    zeek: Zeek, folder: Path, trace: Trace, *args: str
) -> tuple[ZeekZeroMQ, NodeStatus, list[FlowBatch]]:
    """A closed source, the node it heard, and the batches until Zeek's final heartbeat."""
    trace.write(folder / "trace.pcap")
    ends = Ends.of("ipc", folder)
    url = f"zeek+{ends.flows}?bind=1&to_zeek={ends.back}&rcvhwm=0"
    batches = []
    line = ["-r", "trace.pcap", "metatap", *ends.args(), *args]
    with (
        closing(ZeekZeroMQ.from_url(url)) as source,
        zeek.start(folder, *line) as process,
    ):
        deadline = time.monotonic() + 60
        while not any(node.state == "ended" for node in source.heard().nodes):
            assert time.monotonic() < deadline, (folder / "stderr.log").read_text()
            batch = source.read(0.1)
            if batch is not None:
                batches.append(batch)
        assert process.wait(10) == 0
        (node,) = source.heard().nodes
        return source, node, batches


def test_columns_are_decoded_to_what_was_logged(zeek: Zeek, folder: Path) -> None:
    """Decoded by columns, each flow is what the logs of the same Zeek say."""
    _, _, batches = _read(zeek, folder, traffic.all_kinds())
    rows = [to_row(batch, row) for batch in batches for row in range(len(batch))]
    want = expected(folder)
    assert len(rows) == len(want)
    for row in rows:
        for name in row.keys() & TIMES:
            row[name] = pytest.approx(row[name], abs=2e-6)
        assert want[row["uid"]] == row


def test_nothing_counts_as_lost(zeek: Zeek, folder: Path) -> None:
    """Several shards, batches and heartbeats of one Zeek: received is passed, nothing is lost."""
    trace = traffic.many(2000)
    source, node, batches = _read(zeek, folder, trace, *settings(batch_size=100, shards=4))
    assert sum(map(len, batches)) == 2000
    assert (node.lost, node.before_join, node.duplicates) == (0, 0, 0)
    assert source.flows.received == source.flows.passed == 2000
    assert source.messages.received == source.messages.passed
