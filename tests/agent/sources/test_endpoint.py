"""Where Zeek is heard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from structlog.testing import capture_logs

from metatap.errors import SourceError
from metatap.sources import WireOptions
from metatap.sources.endpoint import (
    Endpoint,
    _exposed,
    address_of,
    flow_topics,
    open_to_zeek,
    parse_endpoint,
    receive,
    subscribe,
)

Context = zmq.Context[zmq.Socket[bytes]]


@pytest.fixture
def context() -> Iterator[Context]:
    """A ZeroMQ context that is destroyed afterwards."""
    made: Context = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("zeek+tcp://127.0.0.1:5555", Endpoint("tcp://127.0.0.1:5555")),
        ("zeek+tcp://127.0.0.1:5556?bind=1", Endpoint("tcp://127.0.0.1:5556", bind=True)),
        ("zeek+tcp://[::1]:5555", Endpoint("tcp://[::1]:5555")),
        ("zeek+ipc:///run/a/z.ipc?bind=1", Endpoint("ipc:///run/a/z.ipc", bind=True)),
        (
            "zeek+tcp://127.0.0.1:5556?bind=1&to_zeek=tcp://127.0.0.1:5555",
            Endpoint("tcp://127.0.0.1:5556", bind=True, to_zeek="tcp://127.0.0.1:5555"),
        ),
    ],
)
def test_a_url_is_an_endpoint(url: str, endpoint: Endpoint) -> None:
    """Connect unless told to bind."""
    assert parse_endpoint(url) == (endpoint, WireOptions())


def test_a_url_can_set_options() -> None:
    """They come before those given otherwise."""
    url = "zeek+tcp://127.0.0.1:5555?shards=1,2&rcvhwm=9"
    _, options = parse_endpoint(url, WireOptions(rcvhwm=5, max_rows=7))
    assert (options.shards, options.rcvhwm, options.max_rows) == ((1, 2), 9, 7)


@pytest.mark.parametrize(
    "url",
    [
        "tcp://127.0.0.1:5555",
        "zeek+udp://127.0.0.1:5555",
        "zeek+tcp://127.0.0.1",
        "zeek+tcp://:5555",
        "zeek+tcp://127.0.0.1:70000",
        "zeek+tcp://127.0.0.1:5555/path",
        "zeek+ipc://run/zeek.ipc",
        "zeek+ipc:///",
        "zeek+tcp://127.0.0.1:5555?bind=yes",
        "zeek+tcp://127.0.0.1:5555?bnd=1",
        "zeek+tcp://127.0.0.1:5555?bind",
        "zeek+tcp://[::1:5555",
    ],
)
def test_a_wrong_url_is_named(url: str) -> None:
    """The message has the URL in it."""
    with pytest.raises(SourceError) as caught:
        parse_endpoint(url)
    assert url in str(caught.value)


def test_an_address_that_cannot_be_bound_is_named(context: Context, tmp_path: Path) -> None:
    """The reason is ZeroMQ's own."""
    address = f"ipc://{tmp_path / 'missing' / 'z.ipc'}"
    with pytest.raises(SourceError, match="can't be bound: No such file"):
        subscribe(context, Endpoint(address, bind=True), WireOptions())
    with pytest.raises(SourceError, match="nonsense: can't be connected to"):
        open_to_zeek(context, Endpoint("tcp://127.0.0.1:1", to_zeek="nonsense"))


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("tcp://127.0.0.1:*", False),
        ("tcp://[::1]:*", False),
        ("tcp://localhost:*", False),
        ("tcp://lo:*", False),
        ("tcp://0.0.0.0:*", True),
        ("tcp://*:*", True),
        ("tcp://[::]:*", True),
    ],
)
def test_a_port_that_other_machines_reach_is_logged(
    context: Context, address: str, exposed: bool
) -> None:
    """Whoever connects can fill the memory, so it should be on loopback or behind a firewall."""
    if address == "tcp://localhost:*":
        assert not _exposed(address)  # which a machine need not be able to bind
        return
    with capture_logs() as logs:
        subscribe(context, Endpoint(address, bind=True), WireOptions()).close()
    assert [(log["event"], log["address"]) for log in logs] == [("port_exposed", address)] * exposed


def test_connecting_or_a_unix_socket_exposes_nothing(context: Context, tmp_path: Path) -> None:
    """Only a bound port can be reached."""
    with capture_logs() as logs:
        subscribe(context, Endpoint("tcp://192.0.2.1:5555"), WireOptions()).close()
        subscribe(context, Endpoint(f"ipc://{tmp_path / 'z'}", bind=True), WireOptions()).close()
    assert not logs


def test_a_part_is_bounded_and_a_hundred_megabytes_are_still_heard(context: Context) -> None:
    """What is read in order to be counted is no more than 128 MiB."""
    socket = subscribe(context, Endpoint("tcp://127.0.0.1:*", bind=True), WireOptions())
    assert socket.get(zmq.MAXMSGSIZE) == 128 << 20
    socket.close()


def test_the_shards_asked_for_and_all_heartbeats_are_subscribed_to(context: Context) -> None:
    """Topics of batches are narrowed to the shards, heartbeats come from every node."""
    publisher = context.socket(zmq.XPUB)
    publisher.bind("tcp://127.0.0.1:*")
    options = WireOptions(shards=(4, 7))
    subscriber = subscribe(context, Endpoint(address_of(publisher)), options)
    topics = set()
    for _ in range(3):
        assert publisher.poll(5000)
        topics.add(publisher.recv()[1:].decode())
    assert topics == {"metatap.hello.", "metatap.flows.v1.004.", "metatap.flows.v1.007."}
    subscriber.close()
    publisher.close()


def test_without_shards_all_are_subscribed_to() -> None:
    """One prefix matches every shard."""
    assert flow_topics(()) == ("metatap.flows.v1.",)


def test_only_so_many_parts_are_kept(context: Context) -> None:
    """A message of a thousand parts is read past, and the next one is the next."""
    one, two = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    one.bind("inproc://parts")
    two.connect("inproc://parts")
    one.send_multipart([b"x"] * 1000)
    one.send_multipart([b"next"])
    assert len(receive(two)) == 5
    assert [bytes(part) for part in receive(two)] == [b"next"]
    with pytest.raises(zmq.Again):
        receive(two)
    one.close()
    two.close()
