"""Figures and their collector: documents of real agents and spools, under the table's names."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from tests.agent.metrics.documents import SINKS, agent_document, spooled

from metatap.metrics.collector import StatusCollector
from metatap.metrics.figures import figures
from metatap.metrics.table import METRICS, PROCESS, SHARD

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An agent's document, with a spool's."""
    folder = tmp_path_factory.mktemp("agent")
    return agent_document(folder, alerts_per_day=20) | spooled(folder / "spool")


def samples(document: Any) -> Samples:
    """All samples of a scrape, read back by the client's own parser."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatusCollector(lambda: document))
    text = generate_latest(registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_text(text)
        for sample in family.samples
    }


def at(found: Samples, metric: str, **labels: str) -> float:
    return found[metric, frozenset({SHARD: "0", **labels}.items())]


def test_figures_are_those_of_the_document(document: dict[str, Any]) -> None:
    """By place and reason, and each stage's counters balance in the scrape too."""
    found = samples(document)
    for place, counts in document["stages"].items():
        stage, _, unit = place.rpartition(".")
        assert at(found, f"metatap_{unit}_received_total", stage=stage) == counts["received"]
        passed = at(found, f"metatap_{unit}_passed_total", stage=stage)
        dropped = sum(
            value
            for (name, labels), value in found.items()
            if name == f"metatap_{unit}_dropped_total" and ("stage", stage) in labels
        )
        assert passed + dropped == counts["received"]
    model = document["model"]
    named = {key: model[key] for key in ("name", "version", "sha256")}
    assert at(found, "metatap_model_info", **named) == 1
    active = sum(pack["state"] == "active" for pack in document["packs"])
    assert at(found, "metatap_packs", state="active") == active > 0
    assert at(found, "metatap_packs", state="quarantined") == 0
    assert at(found, "metatap_alert_budget_per_day") == 20
    assert at(found, "metatap_aggregates_opened_total") == document["aggregates"]["opened"] > 0
    assert at(found, "metatap_zeek_nodes", source="0", state="ended") > 0
    assert at(found, "metatap_batches_total") == document["timing"]["batches"]
    count = at(found, "metatap_batch_stage_seconds_count", stage="detect")
    assert at(found, "metatap_batch_stage_seconds_bucket", stage="detect", le="+Inf") == count


def test_figures_of_the_spool(document: dict[str, Any]) -> None:
    """One sink was served, one alert refused; the other waits, and has no errors."""
    found = samples(document)
    for sink, passed, waiting in (("siem", 3, 0), ("file", 0, 4)):
        assert at(found, "metatap_sink_received_total", sink=sink) == 4
        assert at(found, "metatap_sink_passed_total", sink=sink) == passed
        assert at(found, "metatap_sink_waiting", sink=sink) == waiting
    assert at(found, "metatap_sink_dropped_total", sink="siem", reason="bad") == 1
    assert at(found, "metatap_sink_errors_total", sink="siem", reason="timeout") == 1
    assert at(found, "metatap_sink_resent_total", sink="siem") == 4
    assert at(found, "metatap_sink_oldest_age_seconds", sink="siem") == 0
    assert at(found, "metatap_sink_oldest_age_seconds", sink="file") >= 0
    assert at(found, "metatap_spool_depth") == 4
    assert at(found, "metatap_spool_failing", reason="disk_full") == 0
    assert {figure.labels for figure in figures(document) if figure.name == "sink_passed"} == {
        (sink,) for sink in SINKS
    }


def test_every_metric_of_the_table_is_given(document: dict[str, Any]) -> None:
    """But those whose reason or cause has not come; nothing is given that the table lacks."""
    found = samples({"shards": [{"shard": "0/1", **document}], "restarts": 0, "pid": os.getpid()})
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in found}
    known = {metric.full_name for metric in METRICS.values()} | PROCESS.keys()
    assert names <= known
    came_not = {
        "metatap_messages_dropped_total",
        "metatap_flows_dropped_total",
        "metatap_hits_dropped_total",
        "metatap_alerts_dropped_total",
        "metatap_unknown_values_total",
        "metatap_alerts_expected_per_day",
    }
    assert known - names <= came_not
    for name, labels in found:
        metric = next((m for m in METRICS.values() if name.startswith(m.full_name)), None)
        if metric is not None:
            assert {key for key, _ in labels} - {"le"} == set(metric.all_labels)


def test_no_label_is_of_the_network(document: dict[str, Any]) -> None:
    """Neither addresses nor uids, which the recording is full of, nor paths."""
    text = json.dumps([[*labels] for _, labels in samples(document)])
    assert not re.search(r"\d+\.\d+\.\d+\.\d+|[0-9a-f]*::[0-9a-f]|\bC[A-Za-z0-9]{16,}\b|/", text)


def test_openmetrics_is_given_too(document: dict[str, Any]) -> None:
    """As strict as its parser is."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatusCollector(lambda: document))
    text = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    names = {family.name for family in read_openmetrics(text)}  # type: ignore[no-untyped-call]
    assert {"metatap_build", "metatap_flows_passed", "metatap_receive_to_score_seconds"} <= names


def test_a_shard_that_does_not_answer_is_down(document: dict[str, Any]) -> None:
    """Its other figures lack; those of the other shard are there under its number."""
    parts = [{"shard": "0/2", "error": "no agent runs there"}, {"shard": "1/2", **document}]
    found = samples({"shards": parts, "restarts": 3, "pid": os.getpid()})
    up = {
        dict(labels)[SHARD]: v for (name, labels), v in found.items() if name == "metatap_shard_up"
    }
    assert up == {"0": 0, "1": 1}
    shards = {dict(labels).get(SHARD) for (name, labels) in found if "flows" in name}
    assert shards == {"1"}
    assert found["metatap_shard_restarts_total", frozenset()] == 3
    memory = {dict(labels)[SHARD] for name, labels in found if name == "process_open_fds"}
    assert memory == {"supervisor", "1"}


def test_an_agent_at_its_start_has_figures(document: dict[str, Any]) -> None:
    """Without state, spool, adaptation and memory of hosts; an adaptation that ended is told."""
    bare = document | {"state": None, "adaptation": None, "context": {}, "spool": None, "sinks": []}
    found = samples(bare)
    assert at(found, "metatap_flows_passed_total", stage="detector") > 0
    assert not any(name.startswith(("metatap_spool", "metatap_context")) for name, _ in found)
    found = samples(document | {"adaptation": {"fault": "ValueError()", "heads": "reference"}})
    assert at(found, "metatap_adaptation_up") == 0


def test_who_asks_at_once_shares_one_document(document: dict[str, Any]) -> None:
    """The pipeline makes one a second at most, however many ask."""
    made = []
    now = [100.0]
    collector = StatusCollector(lambda: made.append(1) or document, monotonic=lambda: now[0])  # type: ignore[func-returns-value]
    threads = [threading.Thread(target=lambda: list(collector.collect())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    now[0] += 1.0
    list(collector.collect())
    assert len(made) == 2
