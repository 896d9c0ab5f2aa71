"""The configuration as the agent uses it: validated and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


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
class FileSinkConfig:
    """Alerts appended to a file, one JSON object a line.

    Attributes:
        path: The file.
        fsync: Wait for the disk after each batch.
    """

    path: Path
    fsync: bool = False


@dataclass(frozen=True, slots=True)
class StdoutSinkConfig:
    """Alerts written to standard output, one JSON object a line."""


SinkConfig = FileSinkConfig | StdoutSinkConfig


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
class Config:
    """The whole configuration.

    Attributes:
        sensor: Name of the sensor in alerts.
        sources: What to read; at least one.
        model: The model file, None for the shipped one.
        packs: Folder of threat packs, None for the shipped ones.
        detector: Scoring.
        alerts: Aggregation.
        sinks: Where alerts go; at least one.
        log: The agent's own log.
        status_interval: Seconds between status lines in the log, 0 for none.
    """

    sensor: str
    sources: tuple[SourceConfig, ...]
    model: Path | None
    packs: Path | None
    detector: DetectorConfig
    alerts: AlertsConfig
    sinks: tuple[SinkConfig, ...]
    log: LogConfig
    status_interval: float
