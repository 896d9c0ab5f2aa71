"""Where Zeek is heard, as a URL, and the socket that listens there.

    zeek+tcp://127.0.0.1:5555                     connect, to the proxy of a Zeek cluster
    zeek+tcp://127.0.0.1:5556?bind=1              bind; a standalone Zeek connects to it
    zeek+ipc:///run/metatap/zeek.ipc?bind=1       the same over a Unix socket

`to_zeek=tcp://127.0.0.1:5555` adds a socket for what goes back to Zeek, bound or connected as the
first one is: bound, it is what Zeek's `connect_xsub_endpoint` names; in a cluster it connects to
the proxy's other endpoint,
`tcp://127.0.0.1:5556`. Any field of `WireOptions` may be set too, e.g. `shards=0,1&rcvhwm=5000`.

ZeroMQ asks nobody who they are, and whoever can connect can fill this process's memory: it bounds
neither the parts of an unfinished message nor the bytes of those that wait. So a bound port has to
be on loopback, a Unix socket in a folder of its own, or behind a firewall; another one is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

import structlog
import zmq

from metatap.errors import SourceError
from metatap.sources.ipc import unshared
from metatap.sources.options import WireOptions
from metatap.sources.wire_layout import HELLO_TOPIC, shard_topic

_log = structlog.get_logger(__name__)

SCHEMES = ("zeek+tcp", "zeek+ipc")

_FRAME_FACTOR = 8
"""ZeroMQ closes a connection that sends a part of more than this many times `max_message_bytes`.
What is above the limit and below this is read in order to be counted as `too_big`."""

_SUBSCRIPTION_MAX_BYTES = 65_536
"""Longest topic that a Zeek may subscribe to."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to listen at.

    Attributes:
        address: ZeroMQ address to hear Zeek at, e.g. `tcp://127.0.0.1:5555`.
        bind: Whether to bind it; else it is connected to.
        to_zeek: ZeroMQ address for what goes back to Zeek, None for nothing.
    """

    address: str
    bind: bool = False
    to_zeek: str | None = None


def parse_endpoint(url: str, options: WireOptions | None = None) -> tuple[Endpoint, WireOptions]:
    """An endpoint and the options that its URL sets.

    Args:
        url: See above.
        options: What holds for options that the URL doesn't set.

    Raises:
        SourceError: the URL is malformed, or sets an option that doesn't exist; names the URL.
    """
    try:
        split = urlsplit(url)
        query = (
            dict(parse_qsl(split.query, keep_blank_values=True, strict_parsing=True))
            if (split.query)
            else {}
        )
        port = split.port if split.scheme == "zeek+tcp" else None
    except ValueError as error:
        raise SourceError(f"{url}: {error}") from None
    if split.scheme not in SCHEMES:
        raise SourceError(f"{url}: not one of {', '.join(SCHEMES)}")
    if split.scheme == "zeek+tcp":
        if not split.hostname or port is None or split.path not in ("", "/"):
            raise SourceError(f"{url}: should be zeek+tcp://HOST:PORT")
        address = f"tcp://{split.netloc}"
    else:
        if split.netloc or len(split.path) < 2:
            raise SourceError(f"{url}: should be zeek+ipc:///PATH, with three slashes")
        address = f"ipc://{split.path}"
    bind = query.pop("bind", "0")
    if bind not in ("0", "1"):
        raise SourceError(f"{url}: bind={bind}: should be 0 or 1")
    to_zeek = query.pop("to_zeek", None)
    try:
        return Endpoint(address, bind == "1", to_zeek), (options or WireOptions()).with_text(query)
    except SourceError as error:
        raise SourceError(f"{url}: {error}") from None


def subscribe(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: Endpoint, options: WireOptions
) -> zmq.Socket[bytes]:
    """A SUB socket that hears flows and heartbeats.

    Raises:
        SourceError: the address can't be bound or connected to; names it.
    """
    socket = open_socket(context, zmq.SUB, endpoint.address, options)
    # Before connecting, so that they go out together: a Zeek that waits for the subscription to
    # flows then has that to heartbeats as well, and the first heartbeat makes the start exact.
    for topic in (HELLO_TOPIC, *flow_topics(options.shards)):
        socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
    return attach(socket, endpoint.address, bind=endpoint.bind)


def open_to_zeek(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: Endpoint
) -> zmq.Socket[bytes] | None:
    """A PUB socket for what goes back to Zeek, None if the endpoint names no address for it.

    Raises:
        SourceError: the address can't be bound or connected to; names it.
    """
    if endpoint.to_zeek is None:
        return None
    socket = _socket(context, zmq.PUB, endpoint.to_zeek)
    socket.maxmsgsize = _SUBSCRIPTION_MAX_BYTES
    return attach(socket, endpoint.to_zeek, bind=endpoint.bind)


def flow_topics(shards: Sequence[int]) -> tuple[str, ...]:
    """Topic prefixes of the batches of these shards; of all shards if none is named."""
    return tuple(shard_topic(shard) for shard in shards) or (shard_topic(),)


def open_socket(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, address: str, options: WireOptions
) -> zmq.Socket[bytes]:
    """A socket for messages of Zeek, its memory bounded as the options say; not attached yet."""
    socket = _socket(context, kind, address)
    socket.rcvhwm = options.rcvhwm
    # Only subscriptions are sent here. ZeroMQ drops those above the mark, by default 1,000, without
    # a word, and whoever wants every shard by its name has one more.
    socket.sndhwm = 0
    socket.maxmsgsize = _FRAME_FACTOR * options.max_message_bytes
    return socket


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: str) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.linger = 0
    socket.ipv6 = "[" in address
    return socket


def attach(socket: zmq.Socket[bytes], address: str, *, bind: bool) -> zmq.Socket[bytes]:
    """Bind a socket to an address, or connect it; closed if that fails.

    Raises:
        SourceError: it can't be, or another process listens there; names the address.
    """
    try:
        if not bind:
            socket.connect(address)
        else:
            with unshared(address):
                socket.bind(address)
    except zmq.ZMQError as error:
        socket.close()
        verb = "bound" if bind else "connected to"
        raise SourceError(f"{address}: can't be {verb}: {error}") from None
    except SourceError:
        socket.close()
        raise
    if bind and _exposed(address):
        _log.warning("port_exposed", address=address, why="anyone who connects can fill our memory")
    return socket


def _exposed(address: str) -> bool:
    """Whether another machine can connect to what is bound there."""
    if not address.startswith("tcp://"):
        return False
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host not in ("localhost", "lo")


def receive(socket: zmq.Socket[bytes], most: int = 5) -> list[memoryview]:
    """One message that is there, as views without copying; parts beyond `most` are dropped.

    Raises:
        zmq.Again: there is none.
    """
    frame = socket.recv(zmq.DONTWAIT, copy=False)
    parts = [frame.buffer]
    while frame.more:
        frame = socket.recv(zmq.DONTWAIT, copy=False)
        if len(parts) < most:
            parts.append(frame.buffer)
    return parts


def address_of(socket: zmq.Socket[bytes]) -> str:
    """ZeroMQ address of a socket; the real port where it was bound to port 0 or `*`."""
    return bytes(socket.get(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()
