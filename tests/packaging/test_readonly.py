"""An agent whose whole file system is read-only but for its state."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from metatap.demo.send import send
from tests.agent.runtime.running import RECORDING, documents, wait_until

STARTED = "agent_started"

SCRIPT = """\
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
for at in $(awk '{print $2}' /proc/self/mounts); do
  case "$at" in
    "$1" | /dev/* | /proc* | /sys*) ;;
    *) mount -o remount,bind,ro "$at" ;;
  esac
done
if touch "$1/../elsewhere" 2>/dev/null; then exit 66; fi
shift
exec "$@"
"""


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder with a short name, as those of sockets are bounded."""
    if os.geteuid() or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare")
    done = subprocess.run(["unshare", "--mount", "true"], check=False)
    if done.returncode:
        pytest.skip("needs mount namespaces")
    with tempfile.TemporaryDirectory(prefix="mt-") as made:
        folder = Path(made) / "state"
        folder.mkdir()
        yield folder


@pytest.mark.parametrize("shards", [1, 2])
def test_state_is_all_it_writes(state: Path, shards: int) -> None:
    """Flows come, alerts and history are written, TERM ends it well; so with several processes."""
    config = state.parent / "metatap.yaml"
    alerts = state / "alerts.jsonl"
    config.write_text(
        yaml.safe_dump(
            {
                "sources": [{"url": f"zeek+ipc://{state}/zeek.ipc?bind=1"}],
                "sinks": [{"type": "file", "path": str(alerts)}],
                "state": str(state / "kept"),
            }
        ),
        encoding="utf-8",
    )
    (state / "tmp").mkdir()
    log = state.parent / "agent.log"
    command = [sys.executable, "-m", "metatap", "run", "--config", str(config)]
    command += ["--shards", str(shards)]
    with log.open("wb") as stream:
        agent = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(state), *command],
            stderr=stream,
            env=os.environ | {"TMPDIR": str(state / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"},
        )
    try:
        # Where nothing can be cached, each process compiles for a while before it listens.
        wait_until(lambda: agent.poll() is not None or log.read_text().count(STARTED) == shards)
        assert agent.poll() is None, log.read_text(encoding="utf-8")
        send(RECORDING, f"ipc://{state}/zeek.ipc")
        wait_until(lambda: alerts.exists() and bool(documents(alerts)))
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(90) == 0, log.read_text(encoding="utf-8")
    finally:
        agent.kill()
        agent.wait()
    assert "port-scan" in {document["rule"]["id"] for document in documents(alerts)}
    assert (state / "kept" / "history.db").exists()
