"""The agent as a process whose files change: real sockets, real notices, the real commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent.commands import Done, metatap
from tests.agent.runtime.running import (
    RECORDING,
    Running,
    documents,
    other_model,
    shipped_version,
    wait_until,
)

from metatap.detector import shipped_model
from metatap.runtime.control import ask
from metatap.sources.replay import replay_to_zmq


class Living(Running):
    """An agent with a folder of models and a state folder."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.models.mkdir(exist_ok=True)
        self.state = folder / "state"
        if not [*self.models.iterdir()]:
            shutil.copy(shipped_model(), self.models / "a.onnx")
        self.lists = folder / "lists"
        self.lists.mkdir()
        super().__init__(
            folder, model=str(self.models), state=str(self.state), lists=str(self.lists)
        )
        try:
            self.wait_for("agent_started")
        except BaseException:
            self.free()
            raise

    def status(self) -> dict[str, Any]:
        return ask(self.state, "status")

    def command(self, *words: str) -> Done:
        return metatap(*words, "--config", self.config)

    def version(self) -> str:
        return str(self.status()["model"]["version"])

    def states(self) -> dict[str, str]:
        return {pack["id"]: pack["state"] for pack in self.status()["packs"]}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Living]:
    living = Living(tmp_path)
    try:
        yield living
    finally:
        living.free()


SHIPPED = shipped_version()


def test_packs_come_change_and_go(agent: Living) -> None:
    """A pack that is dropped is in force, one that is replaced is the new one, one deleted gone."""
    text = (agent.packs / "port-scan.yaml").read_text()
    (agent.packs / "mine.yaml").write_text(text.replace("id: port-scan", "id: mine"))
    wait_until(lambda: agent.states().get("mine") == "active")
    before = {pack["id"]: pack["sha256"] for pack in agent.status()["packs"]}
    (agent.packs / "mine.yaml").write_text(text.replace("id: port-scan", "id: mine") + "# new\n")
    wait_until(
        lambda: {p["id"]: p["sha256"] for p in agent.status()["packs"]}["mine"] != before["mine"]
    )
    (agent.packs / "mine.yaml").unlink()
    wait_until(lambda: "mine" not in agent.states())
    replay_to_zmq(RECORDING, agent.publisher)
    agent.end()
    assert "port-scan" in {document["rule"]["id"] for document in documents(agent.alerts)}


def test_a_faulty_edit_leaves_the_pack_as_it_was(agent: Living) -> None:
    """A pack overwritten with a fault stays in force; the fault is in log, status and counters."""
    path = agent.packs / "port-scan.yaml"
    text = path.read_text()
    path.write_text(text.replace("severity:", "severty:"))
    assert f"{path}:" in agent.wait_for("pack_invalid")["reason"]

    def states() -> list[str]:
        packs = agent.status()["packs"]
        return sorted(pack["state"] for pack in packs if pack["path"] == str(path))

    wait_until(lambda: states() == ["active", "quarantined"])
    document = agent.status()
    assert document["reload"]["failed"] == {"packs": 1}
    assert str(path) in document["faults"][0]["reason"]
    replay_to_zmq(RECORDING, agent.publisher)
    path.write_text(text)
    wait_until(lambda: not agent.status()["faults"])
    assert agent.status()["reload"]["last_fault"]["path"] == str(path)
    totals = agent.end()
    assert totals["reload"]["failed"] == {"packs": 1}
    assert "port-scan" in {document["rule"]["id"] for document in documents(agent.alerts)}


def test_half_a_pack_is_never_in_force(agent: Living) -> None:
    """A slow copy, whose first part would be a pack of fewer flows, is taken at its end only."""
    text = (agent.packs / "port-scan.yaml").read_text().replace("id: port-scan", "id: mine")
    lines = text.splitlines(keepends=True)
    with (agent.packs / "mine.yaml").open("w") as file:
        for at in range(0, len(lines), 8):
            file.writelines(lines[at : at + 8])
            file.flush()
            time.sleep(0.1)
            assert agent.states().get("mine") != "active"
    wait_until(lambda: agent.states().get("mine") == "active")
    assert not agent.status()["reload"]["failed"]


def test_models_come_and_a_faulty_one_changes_nothing(agent: Living) -> None:
    """The newest valid file of the folder is in force; a newer one that is faulty is named."""
    other_model(agent.models / "b.onnx", "9.1.0")
    wait_until(lambda: agent.version() == "9.1.0")
    (agent.models / "c.onnx").write_bytes(b"junk")
    fault = agent.wait_for("reload_failed")
    assert fault["kind"] == "model"
    assert "c.onnx" in fault["reason"]
    document = agent.status()
    assert document["model"]["version"] == "9.1.0"
    assert document["faults"][0]["path"] == str(agent.models / "c.onnx")
    (agent.models / "b.onnx").write_bytes(b"overwritten")
    wait_until(lambda: len(agent.status()["faults"]) == 2)
    assert agent.version() == "9.1.0"
    sent = replay_to_zmq(RECORDING, agent.publisher)
    assert agent.end()["flows"] == sent.flows


def test_without_any_model_left_the_current_one_stays(agent: Living) -> None:
    """Deleting the last model file keeps the model and says so, over a restart as well."""
    (agent.models / "a.onnx").unlink()
    assert "stays in force" in agent.wait_for("reload_failed")["reason"]
    assert agent.version() == SHIPPED
    agent.end()
    agent.start()
    agent.wait_for("agent_started")
    assert agent.version() == SHIPPED
    sent = replay_to_zmq(RECORDING, agent.publisher)
    assert agent.end()["flows"] == sent.flows


def test_rollback(agent: Living) -> None:
    """The model before is back though its file was overwritten; it stays until a new one comes."""
    assert "no earlier model" in agent.command("rollback").stderr
    other_model(agent.models / "a.onnx", "9.1.0")
    wait_until(lambda: agent.version() == "9.1.0")
    done = agent.command("rollback")
    assert done.returncode == 0
    assert SHIPPED in done.stdout
    assert agent.version() == SHIPPED
    os.utime(agent.models / "a.onnx")  # the file that was turned away is not taken again
    time.sleep(1.0)
    assert agent.version() == SHIPPED
    assert "by rollback" in agent.command("status").stdout
    agent.end()
    agent.start()  # nor after a restart
    agent.wait_for("agent_started")
    assert agent.version() == SHIPPED
    assert agent.command("rollback").returncode == 0  # and back again, from the copy
    assert agent.version() == "9.1.0"
    other_model(agent.models / "b.onnx", "9.2.0")
    wait_until(lambda: agent.version() == "9.2.0")
    assert agent.status()["reload"]["rollbacks"] == 1


QUIET = """list: 1
rules:
  - id: our-scanner
    pack: port-scan
    reason: the vulnerability scanner
"""


def test_lists_come_change_and_go(agent: Living) -> None:
    """A list holds for what comes and for open alerts; a faulty one leaves that of before."""

    def rules() -> dict[str, Any]:
        return dict(agent.status()["lists"])

    replay_to_zmq(RECORDING, agent.publisher)
    wait_until(lambda: agent.alerts.exists() and "port-scan" in agent.alerts.read_text())
    before = agent.alerts.read_text().count('"port-scan"')
    path = agent.lists / "quiet.yaml"
    path.write_text(QUIET)
    wait_until(lambda: rules()["rules"] == 1)
    assert rules()["aggregates_closed"] >= 1
    path.write_text(QUIET.replace("reason", "raeson"))
    wait_until(lambda: any(fault["kind"] == "lists" for fault in agent.status()["faults"]))
    assert rules()["rules"] == 1
    assert "lists: 1 rules in 1 files" in agent.command("status").stdout
    totals = agent.end()
    assert totals["aggregates"]["suppressed"] >= 1
    assert agent.alerts.read_text().count('"port-scan"') == before  # no summary of it either


def test_hits_of_a_listed_pack_are_counted(agent: Living) -> None:
    """Suppressed hits are dropped with a reason; the stages balance."""
    (agent.lists / "quiet.yaml").write_text(QUIET)
    wait_until(lambda: agent.status()["lists"]["rules"] == 1)
    replay_to_zmq(RECORDING, agent.publisher)
    hits = agent.end()["stages"]["aggregator.hits"]
    assert hits["dropped"]["suppressed"] > 0
    assert hits["received"] == hits["passed"] + sum(hits["dropped"].values())
    assert "port-scan" not in {document["rule"]["id"] for document in documents(agent.alerts)}


def test_alerts_are_kept(agent: Living) -> None:
    """What was written as an alert is in the history, for later questions."""
    replay_to_zmq(RECORDING, agent.publisher)
    stages = agent.end()["stages"]
    opened = [d for d in documents(agent.alerts) if d["metatap"]["alert"]["kind"] == "opened"]
    assert stages["history.alerts"]["passed"] == len(opened) > 0


def test_status_tells_people_and_machines(agent: Living) -> None:
    """Model, packs by state, counters and faults, as text and as JSON."""
    (agent.packs / "broken.yaml").write_text("pack: 1\nid: broken\nflows: 7\n", encoding="utf-8")
    wait_until(lambda: agent.states().get("broken") == "quarantined")
    sent = replay_to_zmq(RECORDING, agent.publisher)
    wait_until(lambda: agent.status()["flows"] == sent.flows)
    text = agent.command("status").stdout
    assert f"{sent.flows:,} flows scored" in text
    assert f" {SHIPPED}, sha256 " in text
    assert "port-scan: active, threshold" in text
    assert "broken: quarantined" in text
    assert f"detector.flows: {sent.flows:,} received, dropped: none" in text
    document = json.loads(agent.command("status", "--json").stdout)
    assert document["stages"]["detector.flows"]["passed"] == sent.flows
    assert document["age"] < 5


def test_without_an_agent_status_says_so(tmp_path: Path) -> None:
    """Status of a folder where no agent runs, or of none, ends with 1 and a reason."""
    for words, reason in (
        (["--state", str(tmp_path)], "no agent runs there"),
        ([], "no state folder is configured"),
    ):
        done = metatap("status", *words, cwd=tmp_path)
        assert done.returncode == 1
        assert reason in done.stderr
        assert "Traceback" not in done.stderr


def test_two_agents_do_not_share_a_state(agent: Living) -> None:
    """A second agent with the same state folder is refused and the first goes on."""
    command = [sys.executable, "-m", "metatap", "run", "--config", str(agent.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 1
    assert "another agent" in done.stderr
    assert agent.version() == SHIPPED


def test_killed_and_started_again(agent: Living) -> None:
    """After kill −9 the next agent takes over socket and state."""
    agent.process.kill()
    agent.process.wait()
    agent.start()
    agent.wait_for("agent_started")
    assert agent.version() == SHIPPED
    assert agent.status()["state"]["dropped"] == []
