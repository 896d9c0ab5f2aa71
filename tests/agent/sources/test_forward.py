"""metatap.sources.forward: one place where Zeek is heard, for several processes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import zmq

from metatap.sources.endpoint import Endpoint, subscribe
from metatap.sources.forward import Forwarder
from metatap.sources.options import SHARDS, WireOptions
from metatap.sources.wire_layout import HELLO_TOPIC, shard_topic


def subscriptions(publisher: zmq.Socket[bytes], expected: int) -> set[str]:
    found: set[str] = set()
    deadline = time.monotonic() + 30
    while len(found) < expected and time.monotonic() < deadline:
        if publisher.poll(100):
            message = publisher.recv()
            assert message[:1] == b"\x01"
            found.add(message[1:].decode())
    return found


def test_zeek_is_told_of_every_subscription(tmp_path: Path) -> None:
    """Two processes that share all shards ask for 1,001 topics, more than ZeroMQ's own mark."""
    options, feed = WireOptions(), f"ipc://{tmp_path}/feed"
    forwarder = Forwarder(Endpoint(f"ipc://{tmp_path}/zeek", bind=True), options, feed)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        parts = [replace(options, shards=tuple(range(at, SHARDS, 2))) for at in range(2)]
        processes = [subscribe(context, Endpoint(feed), own) for own in parts]
        early = context.socket(zmq.XPUB)
        early.connect(f"ipc://{tmp_path}/zeek")
        wanted = {HELLO_TOPIC, *(shard_topic(shard) for shard in range(SHARDS))}
        assert subscriptions(early, len(wanted)) == wanted
        late = context.socket(zmq.XPUB)
        late.connect(f"ipc://{tmp_path}/zeek")
        assert subscriptions(late, len(wanted)) == wanted
        for socket in (early, late, *processes):
            socket.close()
    finally:
        context.destroy(linger=0)
        forwarder.close()


def test_one_process_that_names_every_shard(tmp_path: Path) -> None:
    """Its subscriptions are as many."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        publisher = context.socket(zmq.XPUB)
        publisher.bind(f"ipc://{tmp_path}/zeek")
        own = replace(WireOptions(), shards=tuple(range(SHARDS)))
        process = subscribe(context, Endpoint(f"ipc://{tmp_path}/zeek"), own)
        assert HELLO_TOPIC in subscriptions(publisher, SHARDS + 1)
        for socket in (publisher, process):
            socket.close()
    finally:
        context.destroy(linger=0)
