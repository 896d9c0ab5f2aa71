"""Where alerts go, from the configuration: transports behind the spool, and sinks without it.

With a state folder every sink but standard output is behind the spool, a thread each. Without one,
or where something stored is scored, there are a file and standard output alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from metatap.alerts.document import at
from metatap.errors import ConfigError, SourceError
from metatap.formats import FORMATS
from metatap.packs import Severity
from metatap.runtime.settings import Config, SinkConfig
from metatap.runtime.transports import make_transport
from metatap.sinks import FileSink, Sink, StdoutSink, Transport
from metatap.sinks.select import SelectSink
from metatap.sources.endpoint import Endpoint, parse_endpoint
from metatap.spool import FILE, Delivery, Spool, WhenFull

PATIENCE_S = 5.0
"""Seconds that an agent that ends has for alerts that wait."""

DIRECT = frozenset({"file", "stdout"})
"""Types of sinks that need no spool."""

Document = Mapping[str, Any]

log = structlog.get_logger(__name__)


class Outlets:
    """The spool and its deliveries.

    Attributes:
        spool: Where alerts wait.
        deliveries: One a sink.
        stop: Set when the agent is to end, so that it does not wait for room in the spool.
    """

    def __init__(self, config: Config, folder: Path, *, start: bool = True) -> None:
        """Open the spool and begin to deliver what is in it.

        Args:
            config: What is asked for.
            folder: Of the state.
            start: Begin at once.

        Raises:
            ConfigError: a transport can't be made, or two are the same.
            StateError: the spool can't be opened.
        """
        self.stop = threading.Event()
        found = {_name(item, made): (item, made) for item, made in transports(config)}
        self.spool = Spool(
            folder / FILE,
            list(found),
            max_bytes=config.spool.max_bytes,
            when_full=WhenFull(config.spool.when_full),
            stop=self.stop,
        )
        self.transports: dict[str, Transport] = {name: made for name, (_, made) in found.items()}
        self.deliveries = [
            Delivery(self.spool, name, made, accepts=accepts_of(item), encode=encode_of(item))
            for name, (item, made) in found.items()
        ]
        if start:
            for delivery in self.deliveries:
                delivery.start()

    def append(self, lines: Sequence[bytes]) -> None:
        """Take alerts in ECS; on the disk when it returns."""
        self.spool.append(lines)

    def retry(self) -> None:
        """Write what the disk did not take, if its pause is over; costs nothing otherwise."""
        self.spool.retry()

    def reopen(self) -> None:
        """Take every place anew, e.g. after a rotation."""
        for delivery in self.deliveries:
            delivery.reopen()

    def close(self) -> None:
        """Deliver what waits for a while, then free everything; what is left stays on the disk."""
        self.stop.set()
        until = time.monotonic() + PATIENCE_S
        for delivery in self.deliveries:
            delivery.stop(max(0.0, until - time.monotonic()))
        self.spool.close()

    def status(self) -> list[dict[str, Any]]:
        """How far each sink is, as JSON can say it."""
        found = []
        for delivery in self.deliveries:
            claim = self.spool.claims[delivery.sink]
            found.append(
                {
                    "name": delivery.sink,
                    "guarantee": self.transports[delivery.sink].guarantee.value,
                    "received": claim.alerts.received,
                    "passed": claim.alerts.passed,
                    "dropped": dict(claim.alerts.dropped),
                    "filtered": claim.filtered,
                    "waiting": claim.waiting,
                    "oldest_s": round(self.spool.age_s(delivery.sink), 1),
                    "resent": delivery.resent,
                    "errors": dict(delivery.errors),
                }
            )
        return found

    def report(self) -> dict[str, Any]:
        """The spool itself, as JSON can say it."""
        spool = self.spool
        return {
            "file": str(spool.path),
            "bytes": spool.size,
            "depth": spool.depth,
            "oldest_s": round(spool.age_s(), 1),
            "in_memory": spool.held,
            "failing": spool.failing,
            "blocked": spool.is_blocked,
            "blocked_s": round(spool.blocked_s, 1),
            "set_aside": list(spool.set_aside),
            "forgotten": dict(spool.forgotten),
        }


def transports(config: Config) -> list[tuple[SinkConfig, Transport]]:
    """The sinks that are behind the spool, and a way to each; nothing is connected.

    Raises:
        ConfigError: one can't be made; all are named, with what is wrong.
    """
    faults: list[str] = []
    found: list[tuple[SinkConfig, Transport]] = []
    for item in config.sinks:
        if item.type == "stdout":
            continue
        if not item.values.get("verify", True):
            log.warning("sink_unverified", sink=item.type, where=item.where)
        try:
            found.append((item, make_transport(item)))
        except ConfigError as error:
            faults += [f"{item.where}: sink {item.type}: {fault}" for fault in error.faults]
    names = [_name(item, made) for item, made in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"sinks: {name} is listed twice: give one of them another `name`")
    faults += clashes(config)
    if faults:
        raise ConfigError(*faults)
    return found


def direct_sinks(config: Config, *, spooled: bool) -> list[Sink]:
    """The sinks that get alerts from the pipeline itself.

    Args:
        config: What is asked for.
        spooled: There is a spool, so that files are behind it.
    """
    found: list[Sink] = []
    for item in config.sinks:
        if item.type not in DIRECT:
            if not spooled:
                log.warning("sink_left_out", sink=item.type, where=item.where)
            continue
        if item.type == "file" and spooled:
            continue
        sink: Sink = StdoutSink()
        if item.type == "file":
            sink = FileSink(item.values["path"], fsync=item.values["fsync"])
        accepts, encode = accepts_of(item), encode_of(item)
        is_plain = accepts is None and encode is None
        found.append(sink if is_plain else SelectSink(sink, accepts, encode))
    return found


def need_state(config: Config) -> list[str]:
    """Faults of sinks that can't be without a state folder, where there is none."""
    if config.state is not None:
        return []
    return [
        f"{item.where}: sink {item.type}: needs `state`, where alerts wait until it has them"
        for item in config.sinks
        if item.type not in DIRECT
    ]


def clashes(config: Config) -> list[str]:
    """Faults of sinks that bind what a source binds too."""
    bound = {
        endpoint.to_zeek: item.where
        for item in config.sources
        if (endpoint := _endpoint(item.url)) is not None and endpoint.bind and endpoint.to_zeek
    }
    return [
        f"{item.where}: sink zeek: {where} binds {item.values['address']} too: take `to_zeek` out "
        "of its URL, the sink does the same for Zeek"
        for item in config.sinks
        if item.type == "zeek" and item.values["bind"]
        if (where := bound.get(item.values["address"])) is not None
    ]


def _endpoint(url: str) -> Endpoint | None:
    """Where a source hears Zeek, None where it is another source or no right URL."""
    try:
        return parse_endpoint(url)[0]
    except SourceError:
        return None


def encode_of(item: SinkConfig) -> Callable[[Document], bytes] | None:
    """The sink's format; None: ECS as it is."""
    name, severities = item.values["format"], item.values["severities"]
    if name == "ecs" and not severities:
        return None
    return FORMATS[name].with_severities(severities).encode


def accepts_of(item: SinkConfig) -> Callable[[Document], bool] | None:
    """The sink's filter; None: it takes all."""
    packs = frozenset(item.values["packs"])
    order = [severity.value for severity in Severity]
    wanted = frozenset(order[order.index(item.values["min_severity"]) :])
    if not packs and len(wanted) == len(order):
        return None

    def accepts(document: Document) -> bool:
        if packs and at(document, "metatap.pack.id") not in packs:
            return False
        return at(document, "metatap.pack.severity") in wanted

    return accepts


def _name(item: SinkConfig, made: Transport) -> str:
    return item.values["name"] or made.name
