"""metatap.demo.send: stored flows to a running agent."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import zmq

from metatap.demo.send import send


def conn(at: int) -> str:
    return json.dumps(
        {
            "ts": 1.7e9 + at,
            "uid": f"C{at}",
            "id.orig_h": "10.0.0.1",
            "id.orig_p": 40000 + at,
            "id.resp_h": "10.0.0.2",
            "id.resp_p": 443,
            "proto": "tcp",
            "conn_state": "SF",
        }
    )


def test_lines_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A flow that is not sent is not passed over."""
    log = tmp_path / "conn.log"
    log.write_text("\n".join([conn(0), '{"ts": "never"', conn(1), conn(2)]) + "\n")
    address = f"ipc://{tmp_path}/zeek"
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    agent = context.socket(zmq.SUB)
    agent.setsockopt(zmq.SUBSCRIBE, b"metatap.")
    agent.bind(address)
    ends = threading.Event()

    def read() -> None:
        while not ends.is_set():
            if agent.poll(50):
                agent.recv_multipart()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        sent = send(log, address)
    finally:
        ends.set()
        thread.join()
        agent.close()
        context.term()
    assert (sent.flows, sent.skipped) == (3, 1)
