"""Figures of running agents: over HTTP, in a real Prometheus, in its rules and the dashboard."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families as read_text
from tests.agent.metrics.prometheus import DASHBOARD, RULES, Prometheus, program
from tests.agent.runtime.running import RECORDING, Running, wait_until
from tests.agent.runtime.test_shards import Sensor, Zeek
from tests.lab.packs import read_all

from metatap.metrics import Address
from metatap.runtime.control import ask
from metatap.sources.encode import flows_message, hello_message
from metatap.sources.messages import Header, Hello

ROWS = 256

METRIC = re.compile(r"\b(?:metatap|process)_[a-z_]+\b(?!\.)")


def address_of(log: Path) -> Address:
    """Where an agent says that its figures are."""
    found = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line[:1] == "{"]
    (url,) = [event["url"] for event in found if event["event"] == "metrics_served"]
    return Address.parse(url.removeprefix("http://").removesuffix("/metrics"))


def scrape(address: Address) -> tuple[set[str], dict[str, list[tuple[dict[str, str], float]]]]:
    """Names as Prometheus has them, and samples by name."""
    with urlopen(f"http://{address}/metrics", timeout=30) as answer:
        families = list(read_text(answer.read().decode()))
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return set(found), found


@dataclass(frozen=True, slots=True)
class Heard:
    """An agent, and the bytes of all messages that it was sent."""

    running: Running
    sent: int

    @property
    def address(self) -> Address:
        return address_of(self.running.log)

    def status(self) -> dict[str, Any]:
        return ask(self.running.folder / "state", "status")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """An agent that heard the lab's flows, one message missing and one of them junk."""
    folder = tmp_path_factory.mktemp("agent")
    running = Running(folder, state=str(folder / "state"), metrics={"listen": "127.0.0.1:0"})
    try:
        running.wait_for("agent_started")
        sent = send(running)
        yield Heard(running, sent)
    finally:
        running.free()


def send(running: Running) -> int:
    batch = read_all(RECORDING)
    running.publisher.rcvtimeo = 60_000
    wanted = {b"\x01metatap.flows.v1.", b"\x01metatap.hello."}
    while wanted:
        wanted.discard(running.publisher.recv())
    messages = [hello_message(Hello("zeek", "boot", shards=(0,), batches=(0,), flows=(0,)))]
    for at, begin in enumerate(range(0, batch.rows, ROWS)):
        part = batch.take(np.arange(begin, min(begin + ROWS, batch.rows)))
        messages.append(flows_message(part, Header("zeek", "boot", 0, at, begin, part.rows)))
    del messages[2]
    messages[2][-1] = b"junk"
    for message in messages:
        running.publisher.send_multipart(message)
    wait_until(lambda: ask(running.folder / "state", "status")["flows"] == batch.rows - 2 * ROWS)
    return sum(len(part) for message in messages for part in message)


def test_a_scrape_is_what_status_says(agent: Heard) -> None:
    """Flows that were lost and messages that were bad are there with their reasons."""
    names, found = scrape(agent.address)
    document = agent.status()
    dropped = {
        (labels["stage"], labels["reason"]): value
        for labels, value in found["metatap_flows_dropped_total"]
    }
    assert dropped == {("source.0", "lost"): 2 * ROWS}
    (bad,) = found["metatap_messages_dropped_total"]
    assert bad[1] == 1
    assert bad[0]["reason"] in document["stages"]["source.0.messages"]["dropped"]
    (size,) = found["metatap_received_bytes_total"]
    assert size == ({"shard": "0", "source": "0"}, agent.sent)
    passed = {labels["stage"]: value for labels, value in found["metatap_flows_passed_total"]}
    assert passed["detector"] == document["flows"]
    (sink,) = found["metatap_sink_received_total"]
    assert (sink[0]["sink"], sink[1]) == ("file", document["alerts"])
    assert found["metatap_shard_up"] == [({"shard": "0"}, 1.0)]
    assert "process_cpu_seconds_total" in names
    assert document["age"] < 60


def test_promtool_finds_nothing(agent: Heard) -> None:
    """Names, help and kinds follow Prometheus' own rules for metrics."""
    with urlopen(f"http://{agent.address}/metrics", timeout=30) as answer:
        text = answer.read()
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def used() -> dict[str, set[str]]:
    """File → metrics it names."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])]
    expressions += [str(var.get("definition", "")) for var in dashboard["templating"]["list"]]
    rules = re.findall(r"expr: (.*?)\n\s+(?:for|labels):", RULES.read_text("utf-8"), re.DOTALL)
    return {
        DASHBOARD.name: set(METRIC.findall("\n".join(expressions))),
        RULES.name: set(METRIC.findall("\n".join(rules))),
    }


CAME_NOT = {
    # What has not happened to this agent has no series; test_collector.py has these.
    "metatap_alerts_dropped_total",
    "metatap_hits_dropped_total",
    "metatap_sink_dropped_total",
    "metatap_sink_errors_total",
    "metatap_alerts_expected_per_day",
    "metatap_shard_restarts_total",
}


@pytest.mark.parametrize("file", [DASHBOARD.name, RULES.name])
def test_what_is_packaged_names_what_there_is(agent: Heard, file: str) -> None:
    """Each metric of the rules and the dashboard stands in a scrape."""
    names, _ = scrape(agent.address)
    assert len(used()[file]) > 15
    assert used()[file] - names <= CAME_NOT


def test_rules_fire_when_they_should(tmp_path: Path) -> None:
    """By promtool, on series of every kind of trouble."""
    shutil.copy(RULES, tmp_path)
    shutil.copy(Path(__file__).with_name("metatap.rules.test.yml"), tmp_path)
    done = subprocess.run(
        [program("promtool"), "test", "rules", "metatap.rules.test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_real_prometheus_scrapes_it(agent: Heard, tmp_path: Path) -> None:
    """The target is up, the counters are those of status, and every query is taken."""
    program("prometheus")
    flows = agent.status()["flows"]
    server = Prometheus(tmp_path, agent.address)
    try:
        query = 'metatap_flows_passed_total{job="metatap",stage="detector"}'
        assert server.wait_for(query) == flows
        assert server.wait_for('up{job="metatap"}') == 1
        (target,) = server.get("targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        assert server.wait_for("count(ALERTS{alertname='MetatapFlowsLost'}) == 1") == 1
        assert not server.query("ALERTS{alertname='MetatapDown'}")
        rules = server.get("rules")["groups"][0]["rules"]
        assert {rule["health"] for rule in rules} == {"ok"}
        for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", []):
                server.query(
                    target["expr"]
                    .replace("$instance", ".*")
                    .replace("$shard", ".*")
                    .replace("$__rate_interval", "1m")
                    .replace("$__range", "1h")
                )
    finally:
        server.close()


def up(address: Address) -> dict[str, float]:
    """Shard → whether it answers."""
    return {labels["shard"]: value for labels, value in scrape(address)[1]["metatap_shard_up"]}


def test_shards_have_one_endpoint(tmp_path: Path) -> None:
    """Each process under its number; one that hangs is down and does not keep the others back."""
    sensor = Sensor(tmp_path / "sensor", 2, metrics={"listen": "127.0.0.1:0"})
    try:
        sensor.wait_for("agent_started", 2)
        zeek = Zeek(sensor.address)
        zeek.wait()
        sent = zeek.send(read_all(RECORDING))

        def scored() -> int:
            parts = ask(sensor.state, "status")["shards"]
            return sum(int(part["flows"]) for part in parts)

        wait_until(lambda: scored() == sent)
        _, found = scrape(address_of(sensor.log))
        passed = {
            labels["shard"]: value
            for labels, value in found["metatap_flows_passed_total"]
            if labels["stage"] == "detector"
        }
        assert passed.keys() == {"0", "1"}
        assert sum(passed.values()) == sent
        assert {labels["shard"] for labels, _ in found["process_resident_memory_bytes"]} == {
            "0",
            "1",
            "supervisor",
        }
        first = ask(sensor.state, "status")["shards"][0]["pid"]
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: up(address_of(sensor.log)) == {"0": 0.0, "1": 1.0})
        os.kill(first, signal.SIGCONT)
        wait_until(lambda: up(address_of(sensor.log)) == {"0": 1.0, "1": 1.0})
        zeek.close()
        sensor.end()
    finally:
        sensor.process.kill()
        sensor.process.wait()


def test_shards_without_state_have_no_figures(tmp_path: Path) -> None:
    """They are asked at their control sockets, which are in the state folder."""
    sensor = Sensor(tmp_path / "sensor", 2, metrics={"listen": "127.0.0.1:0"}, state="")
    assert sensor.process.wait(90) == 1
    assert "metrics.listen: several processes need `state`" in sensor.log.read_text("utf-8")
