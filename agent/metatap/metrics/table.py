"""Every metric, once: name, kind, labels and one sentence what it is.

The endpoint and docs/metrics.md come from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "metatap_"

SHARD = "shard"
"""Label that nearly all have: number of the process, 0 where there is one."""


class Kind(StrEnum):
    """Kinds of metrics, as OpenMetrics names them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"

    @property
    def suffix(self) -> str:
        """What the name of a plain sample ends in."""
        return {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self, "")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: Without `PREFIX`, and without the suffix of its kind.
        kind: Its kind.
        labels: Names of its labels beside `SHARD`.
        why: What it is, for people.
        sharded: Whether it has the label `SHARD`.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    why: str
    sharded: bool = True

    @property
    def full_name(self) -> str:
        """As Prometheus has it: with prefix and suffix."""
        return PREFIX + self.name + self.kind.suffix

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Its labels, `SHARD` first."""
        return (SHARD, *self.labels) if self.sharded else self.labels


def _counter(name: str, why: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, labels, why)


def _gauge(name: str, why: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, labels, why)


def _histogram(name: str, why: str, *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, labels, why)


def _info(name: str, why: str, *labels: str) -> Metric:
    return Metric(name, Kind.INFO, labels, why)


UNITS = {
    "messages": "Messages of the wire, or lines of logs",
    "flows": "Flows",
    "hits": "Hits: a flow that reaches a pack's threshold",
    "alerts": "Alert events",
}
"""Unit that a stage counts in → what it is."""


def _stage_metrics() -> tuple[Metric, ...]:
    found: list[Metric] = []
    for unit, words in UNITS.items():
        found += [
            _counter(f"{unit}_received", f"{words} that came to a stage.", "stage"),
            _counter(f"{unit}_passed", f"{words} that a stage handed on.", "stage"),
            _counter(
                f"{unit}_dropped",
                f"{words} that a stage dropped, by reason (instrumentation.md).",
                "stage",
                "reason",
            ),
        ]
    return tuple(found)


GROUPS: dict[str, tuple[Metric, ...]] = {
    "The process": (
        _info("build", "The program.", "version", "python"),
        _info("model", "The model in force.", "name", "version", "sha256"),
        _gauge("model_loaded_timestamp_seconds", "When that model was opened."),
        _gauge("shard_up", "1: the process answers; 0: it does not, and its other figures lack."),
        Metric(
            "shard_restarts",
            Kind.COUNTER,
            (),
            "Processes of `--shards` that ended and were started again.",
            sharded=False,
        ),
        _gauge(
            "document_age_seconds",
            "Age of these figures. The run loop makes them between two batches, so it grows while "
            "that is stuck.",
        ),
        Metric(
            "connections_refused",
            Kind.COUNTER,
            (),
            "Connections to this endpoint beyond those it serves at once.",
            sharded=False,
        ),
    ),
    "Stages: received = passed + Σ dropped, once nothing is held back": _stage_metrics(),
    "Time": (
        _counter("batches", "Batches scored."),
        _counter("busy_seconds", "Time spent on batches, from decoded to written."),
        _histogram(
            "batch_stage_seconds",
            "Time a batch took in a stage: `read` (processor time of receiving and decoding), "
            "`detect`, `alert` (aggregation, adaptation), `write`.",
            "stage",
        ),
        _histogram(
            "receive_to_score_seconds",
            "From taking a batch's first message off the socket to its last score; what waited in "
            "ZeroMQ's queue did so before.",
        ),
        _histogram(
            "flow_to_score_seconds",
            "From the end of a batch's last flow to its scores, one value a batch. Zeek's waiting "
            "is in it, and the difference of both clocks.",
        ),
        _histogram(
            "flow_to_alert_seconds",
            "From the end of the flow that opened an alert to the alert, written or spooled.",
        ),
    ),
    "Zeek": (
        _counter("received_bytes", "Bytes of the messages received.", "source"),
        _gauge(
            "zeek_nodes",
            "Nodes by state: `active`, `idle`, `dead`, `ended` (wire.md); `unlisted`: beyond those "
            "that are looked at one by one.",
            "source",
            "state",
        ),
        _counter(
            "flows_before_join", "Flows sent before the agent joined; no part of lost.", "source"
        ),
        _counter(
            "unknown_values",
            "Values that are not in a column's vocabulary, taken as absent.",
            "source",
            "column",
        ),
    ),
    "Alerts": (
        _counter("alert_events", "Alert events written, `opened` and `summary` together."),
        _gauge("aggregates_open", "Alerts whose window is open."),
        _counter("aggregates_opened", "Alerts opened."),
        _counter("aggregates_summarised", "Alerts closed with a summary."),
        _counter("aggregates_closed_early", "Of these before their time: too many were open."),
        _counter("aggregates_suppressed", "Open alerts closed by a list, without a summary."),
        _counter("alerts_unexplained", "Alerts that a burst left no time to explain."),
    ),
    "Memory of hosts": (
        _gauge("context_bytes", "Memory it takes."),
        _counter("context_keys_replaced", "Keys that gave way to others: they look new again."),
        _counter("context_keys_unplaced", "Keys that found no place: they look new each time."),
    ),
    "Packs, lists and files": (
        _gauge("packs", "Packs by state: `active`, `loading`, `shadow`, `quarantined`.", "state"),
        _gauge("list_rules", "Rules of lists in force."),
        _gauge("list_rules_expired", "Rules of lists whose time is over."),
        _counter("rules_swapped", "Sets of rules that were taken."),
        _counter("rollbacks", "Of these by `metatap rollback`."),
        _counter("file_faults", "Faults of files that came, by kind.", "kind"),
        _gauge("file_faults_open", "Of these not mended yet.", "kind"),
        _gauge("state_files_dropped", "Damaged or foreign files of the state set aside."),
    ),
    "Adaptation": (
        _gauge("adaptation_up", "1: it works; 0: a fault ended it, thresholds stay."),
        _gauge("background_flows", "Flows of this network kept."),
        _gauge("background_hosts", "Hosts these are of."),
        _gauge("background_flows_needed", "Flows from which on they are used."),
        _gauge("drift_learning", "1: what is usual is not known yet, so no drift is seen."),
        _counter("notices", "Notices of the log: `drift`, `budget` (a pack is silenced).", "kind"),
        _gauge("alert_budget_per_day", "`alerts_per_day`, the share of this process; 0: none."),
        _gauge("alerts_expected_per_day", "Alerts a day that the thresholds are set for."),
        _gauge("alerts_realised_per_day", "Alerts a day that were opened lately."),
    ),
    "Spool": (
        _gauge("spool_bytes", "Bytes of the file in use."),
        _gauge("spool_depth", "Alerts that wait for the sink furthest behind."),
        _gauge("spool_oldest_age_seconds", "Age of the oldest alert that waits; 0: none does."),
        _gauge("spool_held", "Alerts in memory alone, since the disk does not take them."),
        _gauge("spool_failing", "1: nothing can be written now, by reason.", "reason"),
        _gauge("spool_blocked", "1: the pipeline waits for room."),
        _counter("spool_blocked_seconds", "Time the pipeline waited for room."),
        _counter("spool_forgotten", "Alerts that waited for a sink no longer configured."),
        _gauge("spool_files_dropped", "Damaged files of the spool set aside."),
    ),
    "Sinks of the spool: received = passed + Σ dropped + filtered + waiting": (
        _counter("sink_received", "Alerts for a sink.", "sink"),
        _counter("sink_passed", "Alerts that are in their place.", "sink"),
        _counter("sink_dropped", "Alerts that a sink will never have.", "sink", "reason"),
        _counter("sink_filtered", "Alerts that a sink does not want.", "sink"),
        _gauge("sink_waiting", "Alerts that wait for a sink.", "sink"),
        _gauge("sink_oldest_age_seconds", "Age of the oldest of these; 0: none waits.", "sink"),
        _counter("sink_errors", "Tries to send that failed.", "sink", "reason"),
        _counter("sink_resent", "Alerts sent again, which a receiver may have twice.", "sink"),
    ),
}
"""Heading → its metrics, in the order of the page."""

METRICS: dict[str, Metric] = {
    metric.name: metric for metrics in GROUPS.values() for metric in metrics
}

PROCESS = {
    "process_cpu_seconds_total": "Processor time.",
    "process_resident_memory_bytes": "Resident memory.",
    "process_virtual_memory_bytes": "Virtual memory.",
    "process_start_time_seconds": "Start, since the epoch.",
    "process_open_fds": "Open file descriptors.",
    "process_max_fds": "File descriptors it may have open.",
}
"""Standard metrics of a process (prometheus-client's `ProcessCollector`), with `SHARD`; the process
that starts the others is `supervisor`."""
