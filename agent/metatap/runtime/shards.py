"""One sensor in several processes: what of the configuration is each one's.

Zeek divides flows by their originator (`Metatap::shards`), so a process that reads some of the
shards sees all flows of its hosts, and remembers them as one process alone would.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from metatap.context.slots import ENTRIES_MIN
from metatap.errors import ConfigError, SourceError
from metatap.runtime.settings import Config, MetricsConfig, SourceConfig
from metatap.sources.endpoint import SCHEMES, Endpoint, parse_endpoint
from metatap.sources.options import SHARDS, WireOptions
from metatap.sources.recording_file import SUFFIX

MAX_PROCESSES = 64


@dataclass(frozen=True, slots=True)
class Part:
    """One of the processes.

    Attributes:
        index: From 0.
        count: How many there are.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read `INDEX/COUNT`.

        Raises:
            ValueError: it is something else.
        """
        index, _, count = text.partition("/")
        part = cls(int(index), int(count))
        if not 0 <= part.index < part.count <= MAX_PROCESSES:
            raise ValueError(f"{text}: no part of at most {MAX_PROCESSES}")
        return part

    def of(self, shards: tuple[int, ...]) -> tuple[int, ...]:
        """Its own of the shards that are to be read; of all if none is named."""
        return (shards or tuple(range(SHARDS)))[self.index :: self.count]


def state_of(folder: Path, part: Part) -> Path:
    """Where in the sensor's state folder a process keeps its own."""
    return folder / f"shard-{part.index}"


def feed_of(feeds: Path, source: int) -> str:
    """ZeroMQ address where the processes hear a source that one of them can't bind."""
    return f"ipc://{feeds}/{source}"


def forwarded(config: Config) -> dict[int, tuple[Endpoint, WireOptions]]:
    """The sources that have to be bound once for all processes, by number.

    Raises:
        ConfigError: a source or sink can't be shared by several processes; all are named.
    """
    faults: list[str] = []
    found: dict[int, tuple[Endpoint, WireOptions]] = {}
    for number, source in enumerate(config.sources):
        try:
            endpoint, options = _wire(source)
        except SourceError as error:
            faults.append(f"{source.where}: {error}")
            continue
        if endpoint is not None and endpoint.bind:
            found[number] = endpoint, options
    if any(sink.type == "stdout" for sink in config.sinks):
        faults.append("sinks: standard output can't be shared by several processes: take a file")
    faults += [
        f"{sink.where}: sink zeek: an address can't be bound by several processes: connect to "
        "Zeek's own proxy"
        for sink in config.sinks
        if sink.type == "zeek" and sink.values["bind"]
    ]
    if faults:
        raise ConfigError(*faults)
    return found


def narrowed(config: Config, part: Part, feeds: Path) -> Config:
    """The configuration of one process.

    It has its shards of each source, a state folder of its own within the sensor's, and its share
    of the budgets and of the memory of hosts; figures of all are served by the supervisor.

    Args:
        config: Of the sensor.
        part: Which process.
        feeds: Folder of the addresses that `feed_of` names.

    Raises:
        ConfigError: as `forwarded`.
    """
    forwarded(config)
    entries = max(config.detector.context_entries // part.count, ENTRIES_MIN)
    unknown = config.adaptation.unknown_per_day / part.count
    return replace(
        config,
        sources=tuple(
            _narrowed(source, part, feed_of(feeds, number))
            for number, source in enumerate(config.sources)
        ),
        state=None if config.state is None else state_of(config.state, part),
        detector=replace(config.detector, context_entries=entries),
        adaptation=replace(config.adaptation, unknown_per_day=unknown),
        alerts_per_day=config.alerts_per_day / part.count,
        metrics=MetricsConfig(),
    )


def _narrowed(source: SourceConfig, part: Part, feed: str) -> SourceConfig:
    endpoint, options = _wire(source)
    options = replace(options, shards=part.of(options.shards))
    url = source.url
    if endpoint is not None:
        url = f"zeek+{feed if endpoint.bind else endpoint.address}"
        if endpoint.to_zeek is not None and not endpoint.bind and part.index == 0:
            url += f"?to_zeek={endpoint.to_zeek}"
    values: dict[str, Any] = {item.name: getattr(options, item.name) for item in fields(options)}
    return replace(source, url=url, options=values)


def _wire(source: SourceConfig) -> tuple[Endpoint | None, WireOptions]:
    """Where a source hears Zeek, None for a recording, and its options.

    Raises:
        SourceError: it has no shards.
    """
    if source.url.partition("://")[0] in SCHEMES:
        return parse_endpoint(source.url, WireOptions().with_values(source.options))
    if source.url.endswith(SUFFIX):
        return None, WireOptions().with_values(source.options)
    raise SourceError(f"{source.url}: can't be divided into shards: not a source of the wire")
