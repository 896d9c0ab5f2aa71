"""Figures as prometheus-client writes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from metatap.metrics.figures import Figure, figures
from metatap.metrics.table import METRICS, PREFIX, SHARD, Kind

FRESH_S = 1.0
"""Seconds that figures are given again: what all who ask cost together is bounded."""

SUPERVISOR = "supervisor"

Document = Mapping[str, Any]


class StatusCollector(Collector):
    """The figures of one agent, or of the processes of one; usable from several threads."""

    def __init__(
        self,
        document: Callable[[], Document],
        refused: Callable[[], int] = lambda: 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            document: Gives the document of `metatap status`; may take seconds, never raises.
            refused: Gives how many connections were refused.
            monotonic: Clock, s.
        """
        self._document = document
        self._refused = refused
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._made: list[Family] = []
        self._made_at = -float("inf")

    def collect(self) -> Iterable[Family]:
        """All metrics that have a figure."""
        with self._lock:
            if self._monotonic() - self._made_at >= FRESH_S:
                self._made = self._make()
                self._made_at = self._monotonic()
            return self._made

    def describe(self) -> Iterable[Family]:
        """All metrics there are, without figures."""
        return list(_empty().values())

    def _make(self) -> list[Family]:
        families = _empty()
        document = self._document()
        processes: dict[str, Family] = {}
        if "shards" in document:
            _add(families, Figure("shard_restarts", document["restarts"]), "")
            _add_process(processes, document["pid"], SUPERVISOR)
            for part in document["shards"]:
                self._add_part(families, processes, part, str(part["shard"]).partition("/")[0])
        else:
            self._add_part(families, processes, document, "0")
        _add(families, Figure("connections_refused", self._refused()), "")
        return [family for family in [*families.values(), *processes.values()] if family.samples]

    def _add_part(
        self,
        families: dict[str, Family],
        processes: dict[str, Family],
        document: Document,
        shard: str,
    ) -> None:
        is_up = "error" not in document
        _add(families, Figure("shard_up", int(is_up)), shard)
        if is_up:
            for figure in figures(document):
                _add(families, figure, shard)
            _add_process(processes, document["pid"], shard)


def _empty() -> dict[str, Family]:
    return {
        name: Family(PREFIX + name, metric.why, metric.kind.value)
        for name, metric in METRICS.items()
    }


def _add(families: dict[str, Family], figure: Figure, shard: str) -> None:
    """Add a figure to its family.

    Raises:
        KeyError: the table has no such metric.
        ValueError: it has other labels.
    """
    metric, family = METRICS[figure.name], families[figure.name]
    labels = dict(zip(metric.labels, figure.labels, strict=True))
    if metric.sharded:
        labels[SHARD] = shard
    if metric.kind is not Kind.HISTOGRAM:
        family.add_sample(family.name + metric.kind.suffix, labels, float(figure.value))
        return
    for bound, count in _cumulative(figure.value):
        family.add_sample(family.name + "_bucket", {**labels, "le": bound}, count)
    family.add_sample(family.name + "_count", labels, float(sum(figure.value["counts"])))
    family.add_sample(family.name + "_sum", labels, figure.value["sum"])


def _cumulative(histogram: Document) -> Iterator[tuple[str, float]]:
    """Bound of each bucket as text, and values up to it."""
    bounds = [*map(float, histogram["bounds"]), float("inf")]
    for bound, count in zip(bounds, accumulate(histogram["counts"]), strict=True):
        yield "+Inf" if bound == float("inf") else repr(bound), float(count)


def _add_process(processes: dict[str, Family], pid: int, shard: str) -> None:
    """Add the standard figures of a process of this machine; none if it is gone."""
    for found in ProcessCollector(pid=lambda: pid, registry=None).collect():
        family = processes.setdefault(
            found.name, Family(found.name, found.documentation, found.type)
        )
        for sample in found.samples:
            family.add_sample(sample.name, {SHARD: shard}, sample.value)
