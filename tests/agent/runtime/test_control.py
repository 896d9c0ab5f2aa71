"""metatap.runtime.control and status: a real socket, real peers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatap.errors import ModelError, StateError
from metatap.runtime import control as module
from metatap.runtime.control import FILE, MAX_REQUEST, Control, ask
from metatap.runtime.status import Snapshots


def failing() -> dict[str, Any]:
    raise ModelError("no earlier model is known")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A folder with a control socket."""
    control = Control(tmp_path, {"status": lambda: {"flows": 7}, "rollback": failing})
    yield tmp_path
    control.close()
    assert not (tmp_path / FILE).exists()


def raw(folder: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(str(folder / FILE))
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        parts = []
        while part := client.recv(65536):
            parts.append(part)
        return b"".join(parts)


def test_a_command_is_answered(served: Path) -> None:
    """An answer is the command's document; what is wrong is raised with its text."""
    assert ask(served, "status") == {"flows": 7}
    with pytest.raises(StateError, match="no earlier model"):
        ask(served, "rollback")
    with pytest.raises(StateError, match="commands are rollback, status"):
        ask(served, "stop")


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\n",
        b"junk\n",
        b"[]\n",
        b'"status"\n',
        b'{"command": ["status"]}\n',
        b'{"command": {}}\n',
        b"[" * MAX_REQUEST,
        b'{"command": "status"' + b" " * (2 * MAX_REQUEST) + b"}\n",
    ],
)
def test_what_is_no_request_is_said(served: Path, request_: bytes) -> None:
    """Anything but a request gets a reason, or its connection ends; the next client is served."""
    try:
        answer = raw(served, request_)
    except ConnectionError:
        answer = b""
    if answer:
        assert json.loads(answer)["ok"] is False
    assert ask(served, "status") == {"flows": 7}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_fuzzed_requests(served: Path, request_: bytes) -> None:
    """Whatever is sent, the answer is one line of JSON."""
    assert "ok" in json.loads(raw(served, request_))


def test_a_silent_client_is_left(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends nothing, or one byte now and then, does not keep others out."""
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    stop = threading.Event()

    def drip() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(served / FILE))
            try:
                while not stop.wait(0.05):
                    client.sendall(b"x")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    time.sleep(0.1)
    try:
        assert ask(served, "status") == {"flows": 7}
    finally:
        stop.set()
        dripping.join()


def test_other_users_are_refused(tmp_path: Path) -> None:
    """Root and the agent's user are answered, nobody else, whatever the file's mode."""
    if os.geteuid():
        pytest.skip("needs root to be somebody else")
    control = Control(tmp_path, {"status": lambda: {"flows": 7}})
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and folder != Path("/tmp"):
            folder.chmod(0o755)
    (tmp_path / FILE).chmod(0o666)
    code = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.settimeout(20)\n"
        "try:\n"
        '    s.sendall(b\'{"command": "status"}\\n\'); print(s.recv(100))\n'
        "except ConnectionError: print(b'')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    control.close()
    assert done.stdout.strip() == "b''", done.stderr


def test_a_deep_folder_and_a_left_socket(tmp_path: Path) -> None:
    """A path longer than a socket's name may be is no hindrance, nor what a kill left."""
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    (folder / FILE).write_text("left")
    control = Control(folder, {"status": dict})
    assert ask(folder, "status") == {}
    assert (folder / FILE).stat().st_mode & 0o077 == 0
    control.close()


@pytest.mark.parametrize("made", [True, False])
def test_nobody_there(tmp_path: Path, *, made: bool) -> None:
    """Without an agent the error names the socket."""
    folder = tmp_path / "state"
    if made:
        folder.mkdir()
    with pytest.raises(StateError, match=r"control\.sock: no agent runs there"):
        ask(folder, "status")


def test_a_snapshot_is_made_by_the_run_loop() -> None:
    """Who asks waits for the loop; the loop makes one only when it is asked."""
    made: list[str] = []

    def make() -> dict[str, Any]:
        made.append(threading.current_thread().name)
        return {"time": time.time()}

    snapshots = Snapshots(make)
    snapshots.offer()
    assert len(made) == 1
    found: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: found.append(snapshots.get()), name="asking")
    asking.start()
    deadline = time.monotonic() + 20
    while len(made) == 1 and time.monotonic() < deadline:
        snapshots.offer()
        time.sleep(0.01)
    asking.join()
    assert made == ["MainThread"] * 2
    assert found[0]["age"] < 10


def test_a_busy_loop_leaves_the_last_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the loop does not come round, the last document is given, with its age."""
    monkeypatch.setattr("metatap.runtime.status.WAIT", 0.05)
    snapshots = Snapshots(lambda: {"time": time.time() - 60})
    assert snapshots.get()["age"] >= 60


def test_parts_that_any_thread_may_read_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loop itself waits for is seen while it waits: a full spool."""
    monkeypatch.setattr("metatap.runtime.status.WAIT", 0.05)
    snapshots = Snapshots(lambda: {"time": time.time() - 60, "spool": "empty"})
    snapshots.live = lambda: {"spool": "full"}
    found = snapshots.get()
    assert found["spool"] == "full"
    assert found["age"] >= 60
