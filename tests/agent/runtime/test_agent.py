"""The agent as a process: real sockets, real signals."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.runtime.running import RECORDING, Running, documents, wait_until

from metatap.demo import read_labels
from metatap.flow import from_rows
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header
from metatap.sources.recording_file import Record, RecordingReader
from metatap.sources.replay import replay_to_zmq


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    try:
        yield running
    finally:
        running.free()


BUSY = {
    "ts": 1.0,
    "id.orig_h": "10.0.0.1",
    "id.orig_p": 1,
    "id.resp_h": "10.0.0.2",
    "id.resp_p": 2,
    "proto": "tcp",
    "partial": False,
}


def test_flows_become_alerts_and_term_drains(agent: Running) -> None:
    """Every flow that was sent is scored although TERM comes right after; status 0."""
    agent.wait_for("agent_started")
    sent = replay_to_zmq(RECORDING, agent.publisher)
    totals = agent.end()
    assert totals["flows"] == sent.flows
    assert {doc["rule"]["id"] for doc in documents(agent.alerts)} >= {
        "port-scan",
        "ssh-bruteforce",
        "dns-tunnel",
        "http-beacon",
    }


def test_every_stage_balances(agent: Running) -> None:
    """At the end each stage received what it passed on plus what it dropped, by reason."""
    agent.wait_for("agent_started")
    replay_to_zmq(RECORDING, agent.publisher)
    agent.publisher.send_multipart([b"metatap.flows.v1.000.x.", b"x", b"broker-bin-v1", b"junk"])
    totals = agent.end()
    stages = totals["stages"]
    for name, counts in stages.items():
        assert counts["received"] == counts["passed"] + sum(counts["dropped"].values()), name
    assert sum(stages["source.0.messages"]["dropped"].values()) == 1
    assert stages["source.0.flows"]["passed"] == stages["detector.flows"]["received"]
    assert stages["sink.0.alerts"]["passed"] == len(documents(agent.alerts))
    assert totals["context"]["bytes"] > 2**20
    assert totals["context"]["replaced"] == totals["context"]["unplaced"] == 0
    aggregates = totals["aggregates"]
    assert aggregates["open"] == 0
    assert aggregates["opened"] + aggregates["summaries"] == len(documents(agent.alerts))


def test_lost_batches_are_counted(agent: Running) -> None:
    """Batches that never arrive are dropped as `lost`, flow by flow."""
    agent.wait_for("agent_started")
    while not agent.publisher.poll(100):
        pass
    reader = RecordingReader(RECORDING, 2**24)
    sent = [record for record in reader if isinstance(record, Record)]
    reader.close()
    for at, record in enumerate(sent):
        if at != 2:
            agent.publisher.send_multipart(record.parts)
    flows = agent.end()["stages"]["source.0.flows"]
    assert flows["dropped"]["lost"] > 0
    assert flows["received"] == len(read_labels(RECORDING.with_suffix(".labels.csv")))


def test_alerts_carry_the_why(agent: Running) -> None:
    """An opened alert names pack, technique, score, threshold, nearest flow and reasons."""
    agent.wait_for("agent_started")
    replay_to_zmq(RECORDING, agent.publisher)
    agent.end()
    opened = [d for d in documents(agent.alerts) if d["metatap"]["alert"]["kind"] == "opened"]
    assert opened
    for alert in opened:
        own = alert["metatap"]
        assert own["score"] >= own["threshold"]
        assert own["threshold_source"] == "reference"
        assert own["nearest"]["distance"] >= 0
        assert own["reasons"]
        assert alert["threat"]["technique"]["id"]
        assert alert["zeek"]["session_id"] in own["alert"]["uids"]


def test_alert_ids_are_stable(tmp_path: Path) -> None:
    """The same flows give the same alert and event ids in another run."""
    found = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.jsonl"
        subprocess.run(
            [sys.executable, "-m", "metatap", "replay", str(RECORDING), "--out", str(out)],
            check=True,
            capture_output=True,
        )
        found.append(
            {(d["event"]["id"], d["metatap"]["alert"]["id"]) for d in documents(out)},
        )
    assert found[0] == found[1]
    assert len(found[0]) == len({event for event, _ in found[0]})


def test_hup_reloads_packs(agent: Running) -> None:
    """After HUP a pack that was removed no longer fires, and the others do."""
    agent.wait_for("agent_started")
    (agent.packs / "port-scan.yaml").unlink()
    agent.process.send_signal(signal.SIGHUP)
    assert "port-scan" not in agent.wait_for("reloaded")["packs"]
    replay_to_zmq(RECORDING, agent.publisher)
    agent.end()
    rules = {document["rule"]["id"] for document in documents(agent.alerts)}
    assert "dns-tunnel" in rules
    assert "port-scan" not in rules


def test_hup_reopens_files(agent: Running) -> None:
    """After a rotation and HUP what comes goes to a new file; nothing is lost or written twice."""
    agent.wait_for("agent_started")
    replay_to_zmq(RECORDING, agent.publisher)
    wait_until(lambda: agent.alerts.exists() and len(documents(agent.alerts)) >= 4)
    rotated = agent.folder / "rotated.jsonl"
    agent.alerts.rename(rotated)
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for("reloaded")
    stages = agent.end()["stages"]
    events = [doc["event"]["id"] for doc in documents(rotated) + documents(agent.alerts)]
    assert documents(agent.alerts)
    assert len(events) == len(set(events)) == stages["sink.0.alerts"]["passed"]


def test_hup_says_what_needs_a_restart(agent: Running) -> None:
    """An option that HUP can't apply is named in the log when it changes."""
    agent.wait_for("agent_started")
    agent.write_config(sensor="other", log={"format": "json", "level": "debug"})
    agent.process.send_signal(signal.SIGHUP)
    assert agent.wait_for("reload_needs_restart")["options"] == ["sensor"]


def test_hup_without_the_packs_folder(agent: Running) -> None:
    """A folder of packs that is gone is a failed reload, not a sensor without packs."""
    agent.wait_for("agent_started")
    agent.packs.rename(agent.folder / "elsewhere")
    agent.process.send_signal(signal.SIGHUP)
    assert str(agent.packs) in agent.wait_for("reload_failed")["reason"]
    replay_to_zmq(RECORDING, agent.publisher)
    agent.end()
    assert documents(agent.alerts)


def test_term_ends_on_a_busy_network(agent: Running) -> None:
    """Flows that keep coming after TERM do not keep the agent alive."""
    agent.wait_for("agent_started")
    while not agent.publisher.poll(100):
        pass
    stop = threading.Event()

    def keep_sending() -> None:
        batch = from_rows([{"uid": f"C{at}", **BUSY} for at in range(50)])
        for at in itertools.count():
            header = Header("busy", "boot", 0, at, 50 * at, 50)
            agent.publisher.send_multipart(flows_message(batch, header))
            if stop.wait(0.005):
                return

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        time.sleep(0.5)
        begin = time.monotonic()
        totals = agent.end()
        assert time.monotonic() - begin < 10
        assert totals["flows"] > 0
    finally:
        stop.set()
        sender.join()


def test_a_failed_reload_changes_nothing(agent: Running) -> None:
    """A configuration with a fault is refused at HUP, with file and line, and the agent goes on."""
    agent.wait_for("agent_started")
    agent.config.write_text("sensor: x\nsorces: []\n", encoding="utf-8")
    agent.process.send_signal(signal.SIGHUP)
    assert f"{agent.config}:2" in agent.wait_for("reload_failed")["reason"]
    sent = replay_to_zmq(RECORDING, agent.publisher)
    assert agent.end()["flows"] == sent.flows


def test_a_bad_pack_leaves_the_others(agent: Running) -> None:
    """A pack with a fault is left out and logged; the other packs work."""
    (agent.packs / "broken.yaml").write_text("pack: 1\nid: broken\nflows: 7\n", encoding="utf-8")
    agent.wait_for("agent_started")
    agent.process.send_signal(signal.SIGHUP)
    assert len(agent.wait_for("reloaded")["packs"]) == 4
    assert "broken.yaml" in agent.wait_for("pack_invalid")["reason"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_agent_ends(agent: Running, number: signal.Signals) -> None:
    """An agent that never got a flow ends with status 0 as well."""
    agent.wait_for("agent_started")
    agent.process.send_signal(number)
    assert agent.process.wait(20) == 0


def test_start_fails_with_a_reason(tmp_path: Path) -> None:
    """A configuration that can't be used ends the start with status 1, naming file and line."""
    config = tmp_path / "metatap.yaml"
    config.write_text("sources:\n  - url: zeek+tcp://127.0.0.1:1\nsensr: x\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "metatap", "run", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{config}:3" in done.stderr
    assert "sensor" in done.stderr
    assert "Traceback" not in done.stderr
