"""The configuration as the agent uses it: validated and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from metatap.metrics import Address


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source of flows.

    Attributes:
        url: What to read, e.g. `zeek+tcp://127.0.0.1:5555`.
        options: Options of the source by name, checked by the source.
        where: Where it is configured, for messages: `file:line` or a flag.
    """

    url: str
    options: dict[str, Any]
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """One sink of alerts.

    Attributes:
        type: What it is, one of `sink_options.SINK_OPTIONS`.
        values: Name → value of all its options; paths are resolved, None where they are empty.
        where: Where it is configured, for messages: `file:line` or a flag.
    """

    type: str
    values: Mapping[str, Any]
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """Options of the spool.

    Attributes:
        max_bytes: Bytes of its file, at most.
        when_full: What happens to alerts beyond.
    """

    max_bytes: int
    when_full: Literal["block", "drop_oldest"]


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Options of scoring.

    Attributes:
        threads: Threads of ONNX Runtime.
        batch_rows: Flows scored at once, at most.
        false_positive_rate: Share of benign flows each pack may flag.
        context_entries: Hosts, pairs and services whose past is remembered.
    """

    threads: int
    batch_rows: int
    false_positive_rate: float
    context_entries: int


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """Options of aggregation.

    Attributes:
        window: Length of a window, seconds of flow time.
        max_open: Aggregates held at once, at most.
        max_pairs: Destinations of one originator with an alert each, at most.
        max_uids: Zeek uids listed in an alert, at most.
    """

    window: float
    max_open: int
    max_pairs: int
    max_uids: int


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Options of the agent's own log.

    Attributes:
        level: Lowest level shown.
        format: `text` for people, `json` for machines.
    """

    level: Literal["debug", "info", "warning", "error"]
    format: Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Options of the figures for Prometheus.

    Attributes:
        listen: Where they are served, None: nowhere.
    """

    listen: Address | None = None


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """Options of watching files.

    Attributes:
        poll: Seconds between looks at the folders.
    """

    poll: float


@dataclass(frozen=True, slots=True)
class TrustConfig:
    """Options of signatures.

    Attributes:
        unsigned: What becomes of a pack without a valid signature.
        keys: Folder of public keys, None for none.
    """

    unsigned: Literal["allow", "warn", "refuse"]
    keys: Path | None


@dataclass(frozen=True, slots=True)
class AdaptationConfig:
    """Options of adapting to the network.

    Attributes:
        background: Flows of the network kept, 0 for none.
        host_share: Share of one originating host, at most.
        heads: What heads are made on: the model's reference background, or with it the
            network's own (`local`).
        unknown_per_day: Alerts a day of the pack `unknown`, 0 for none.
    """

    background: int
    host_share: float
    heads: Literal["reference", "local"]
    unknown_per_day: float


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration.

    Attributes:
        sensor: Name of the sensor in alerts.
        sources: What to read; at least one.
        model: The model file or a folder of model files, None for the shipped one.
        packs: Folder of threat packs, None for the shipped ones.
        lists: Folder of allowlists and suppressions, None for none.
        state: Folder of what is kept over a restart, None: nothing is kept.
        watch: Watching files.
        trust: Signatures of packs.
        detector: Scoring.
        adaptation: Adapting to the network.
        alerts_per_day: Alerts a day on ordinary traffic, 0 for no budget.
        alerts: Aggregation.
        sinks: Where alerts go; at least one.
        spool: Where they wait for it.
        log: The agent's own log.
        metrics: Figures for Prometheus.
        status_interval: Seconds between status lines in the log, 0 for none.
    """

    sensor: str
    sources: tuple[SourceConfig, ...]
    model: Path | None
    packs: Path | None
    lists: Path | None
    state: Path | None
    watch: WatchConfig
    trust: TrustConfig
    detector: DetectorConfig
    adaptation: AdaptationConfig
    alerts_per_day: float
    alerts: AlertsConfig
    sinks: tuple[SinkConfig, ...]
    spool: SpoolConfig
    log: LogConfig
    metrics: MetricsConfig
    status_interval: float
