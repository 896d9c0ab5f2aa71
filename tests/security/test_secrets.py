"""Secrets of receivers are sent to the receiver, and are in nothing else that an agent gives."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metatap.runtime.config import load_config
from metatap.runtime.transports import make_transport
from metatap.sources.replay import replay_to_zmq
from tests.agent.runtime.running import RECORDING, Running, wait_until
from tests.agent.sinks.bulk_server import BulkServer
from tests.agent.sinks.hec_server import HecServer
from tests.agent.sinks.syslogd import free_port

PASSWORD = "pass-of-the-user-7Qx2"
API_KEY = "a2V5LW9mLXRoZS1pbmRleDo5VHI0"
TOKEN = "1b6d3c58-5e2f-4c0e-9f7a-0d4e6b8a2c11"
USER = "metatap-writer"

FORBIDDEN = (
    PASSWORD,
    API_KEY,
    TOKEN,
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
)
"""What must be nowhere: the secrets, and the header that one of them is in."""


def shows_nothing(text: str) -> None:
    """No secret, whole or in a header."""
    for secret in FORBIDDEN:
        assert secret not in text


@pytest.fixture
def refusing() -> Iterator[tuple[BulkServer, HecServer]]:
    """Receivers that know another password and another token."""
    bulk, hec = BulkServer(), HecServer("another")
    bulk.authorization = "Basic another"
    bulk.start()
    hec.start()
    try:
        yield bulk, hec
    finally:
        bulk.kill()
        hec.kill()


def sinks(folder: Path, bulk: str, hec: str) -> list[dict[str, Any]]:
    """One sink for each secret, in a file or in a variable."""
    (folder / "password").write_text(PASSWORD + "\n")
    common = {"type": "elasticsearch", "index": "alerts", "url": bulk, "timeout": 2}
    return [
        {**common, "name": "by-password", "user": USER, "password_file": str(folder / "password")},
        {**common, "name": "by-key", "api_key_variable": "TEST_API_KEY"},
        {"type": "splunk", "name": "by-token", "url": hec, "token_variable": "TEST_TOKEN"},
    ]


@pytest.mark.slow
def test_an_agent_that_is_refused_or_finds_nobody_tells_no_secret(
    tmp_path: Path, refusing: tuple[BulkServer, HecServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the lowest level of the log, in status, in what is kept and in the command line."""
    bulk, hec = refusing
    monkeypatch.setenv("TEST_API_KEY", API_KEY)
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    away = free_port()
    targets = sinks(tmp_path, bulk.url, hec.url)
    down = [
        {**each, "url": f"http://localhost:{away}", "name": f"down-{each['name']}"}
        for each in sinks(tmp_path, bulk.url, hec.url)
    ]
    state = tmp_path / "state"
    agent = Running(
        tmp_path,
        sinks=[*targets, *down],
        state=str(state),
        log={"format": "json", "level": "debug"},
        status_interval=1,
    )
    try:
        agent.wait_for("agent_started")
        replay_to_zmq(RECORDING, agent.publisher)
        wait_until(lambda: len(bulk.requests) >= 2 and len(hec.requests) >= 1)
        agent.wait_for("agent_status")
        status = metatap("status", "--config", str(agent.config))
        shown = metatap("status", "--config", str(agent.config), "--json")
        line = Path(f"/proc/{agent.process.pid}/cmdline").read_bytes().decode()
        agent.end()
    finally:
        agent.free()
    sent = {request.headers["authorization"] for request in [*bulk.requests, *hec.requests]}
    assert sent == {f"Basic {FORBIDDEN[-1]}", f"ApiKey {API_KEY}", f"Splunk {TOKEN}"}
    log = agent.log.read_text(encoding="utf-8")
    for reason in ("status 401", "invalid_token", "Connection refused"):
        assert reason in log, reason
    assert "by-key" in status
    for text in (log, status, shown, line):
        shows_nothing(text)
    for path in state.rglob("*"):
        if path.is_file():
            shows_nothing(path.read_bytes().decode("latin-1"))


def metatap(*words: str) -> str:
    """What a command prints, to either stream."""
    command = [sys.executable, "-m", "metatap", *words]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def test_configuration_and_transports_show_places_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the text of each object, as a traceback or a debugger would print it."""
    monkeypatch.setenv("TEST_API_KEY", API_KEY)
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    targets = sinks(tmp_path, "https://localhost:1", "https://localhost:2")
    config = load_config(None, dict(os.environ), {"sinks": targets})
    shows_nothing(repr(config))
    for sink in config.sinks:
        transport = make_transport(sink)
        shows_nothing(repr(transport))
        shows_nothing(repr(vars(transport)) if hasattr(transport, "__dict__") else "")


def test_a_secret_that_stands_in_the_configuration_is_refused_without_it(tmp_path: Path) -> None:
    """Who writes the password into the file is told of the key; the value stays there."""
    path = tmp_path / "metatap.yaml"
    path.write_text(
        "sinks: [{type: elasticsearch, url: 'https://a', user: u, password: " + PASSWORD + "}]\n"
    )
    said = metatap("check", "--config", str(path))
    assert "password: unknown" in said
    shows_nothing(said)


@pytest.mark.parametrize("content", [PASSWORD + "\n\x07", PASSWORD * 300, PASSWORD + "é"])
def test_a_secret_that_can_not_be_one_is_refused_without_it(tmp_path: Path, content: str) -> None:
    """The message names the file."""
    path = tmp_path / "metatap.yaml"
    [by_password, *_] = sinks(tmp_path, "https://localhost:1", "https://localhost:2")
    (tmp_path / "password").write_text(content)
    path.write_text(f"sinks: [{by_password}]\n")
    said = metatap("check", "--config", str(path))
    shows_nothing(said)
