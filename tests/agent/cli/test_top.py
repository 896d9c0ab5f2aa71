"""`metatap top`: one look where there is no terminal, a live view in one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.agent.commands import metatap
from tests.agent.metrics.documents import agent_document, spooled

from metatap.cli.top_figures import Figures, latency
from metatap.cli.top_view import view
from metatap.runtime.control import Control

LIMIT_S = 60.0


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("agent")
    return agent_document(folder) | spooled(folder / "spool")


@pytest.fixture
def agent(tmp_path: Path, document: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A control socket that answers with a document, which the test may change."""
    said = dict(document)
    control = Control(tmp_path, {"status": lambda: said})
    yield tmp_path, said
    control.close()


def text_of(look: Any) -> str:
    out = Console(width=100, color_system=None)
    with out.capture() as captured:
        out.print(look)
    return captured.get()


def test_one_look_where_there_is_no_terminal(agent: tuple[Path, dict[str, Any]]) -> None:
    """Every stage and sink with its drops by reason; it ends at once."""
    folder, document = agent
    done = metatap("top", "--state", folder)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for name in (*document["stages"], "siem", "1 bad", "1 timeout", "since the start"):
        assert name in done.stdout
    assert f"{document['flows']:,} flows" in done.stdout


def test_rates_are_of_two_looks(document: dict[str, Any]) -> None:
    """A counter that went back, since a process was started again, has no rate."""
    later = document | {"time": document["time"] + 2.0, "flows": document["flows"] + 500}
    assert "(250.0/s)" in text_of(view(Figures.of(later), Figures.of(document)))
    restarted = later | {"flows": 3}
    assert "3 flows (–/s)" in text_of(view(Figures.of(restarted), Figures.of(document)))
    assert "(–/s)" in text_of(view(Figures.of(document), Figures.of(document)))


def test_shards_are_added_up(document: dict[str, Any]) -> None:
    """And one that does not answer is named."""
    parts = [
        {"shard": "0/3", **document},
        {"shard": "1/3", **document},
        {"shard": "2/3", "error": "control.sock: no agent runs there"},
    ]
    head = {key: document[key] for key in ("time", "since", "sensor")}
    found = Figures.of({**head, "shards": parts, "restarts": 1})
    assert found.flows == 2 * document["flows"]
    detector = document["stages"]["detector.flows"]
    assert found.stages["detector.flows"].received == 2 * detector["received"]
    assert sum(found.latency["receive_to_score"][1]) == 2 * document["timing"]["batches"]
    said = text_of(view(found, None))
    assert "2 of 3 shards" in said
    assert "shard 2/3: control.sock: no agent runs there" in said
    none = Figures.of({**head, "shards": parts[2:], "restarts": 1})
    assert "0 of 1 shards" in text_of(view(none, found))


def test_delays_are_of_the_time_between(document: dict[str, Any]) -> None:
    """What came before the first of two looks does not count."""
    now, before = Figures.of(document), Figures.of(document)
    assert latency(now, before, "receive_to_score", (0.5,)) is None
    assert latency(now, None, "receive_to_score", (0.5,)) is not None


def test_nobody_there_is_said(tmp_path: Path) -> None:
    done = metatap("top", "--state", tmp_path)
    assert done.returncode == 1
    assert "no agent runs there" in done.stderr


class Terminal:
    """`metatap top` in a terminal of 100 columns and 40 lines."""

    def __init__(self, folder: Path) -> None:
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            words = ["-m", "metatap", "top", "--state", str(folder), "--interval", "0.2"]
            os.execv(sys.executable, [sys.executable, *words])
        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
        self.shown = ""

    def read_until(self, pattern: str) -> str:
        """What was shown up to the first match from here on."""
        deadline = time.monotonic() + LIMIT_S
        self.shown = ""
        while not re.search(pattern, self.shown):
            assert time.monotonic() < deadline, self.shown
            if select.select([self.handle], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    self.shown += os.read(self.handle, 65_536).decode("utf-8", "replace")
        return self.shown

    def end(self, number: int) -> int:
        """Send a signal; the status it ended with."""
        os.kill(self.pid, number)
        rest = ""
        with contextlib.suppress(OSError):
            while part := os.read(self.handle, 65_536):
                rest += part.decode("utf-8", "replace")
        self.shown += rest
        _, status = os.waitpid(self.pid, 0)
        os.close(self.handle)
        return os.waitstatus_to_exitcode(status)


def test_a_terminal_shows_it_live(agent: tuple[Path, dict[str, Any]]) -> None:
    """Rates change as the figures do; Ctrl-C gives the terminal back and is a success."""
    folder, document = agent
    terminal = Terminal(folder)
    first = terminal.read_until("flow's end to alert")
    assert "\x1b[?1049h" in first
    assert "since the start" in first
    terminal.read_until("rates over")
    document["time"] += 1.0
    document["flows"] += 12_345
    terminal.read_until(r"\(12,345\.0/s\)")
    assert terminal.end(signal.SIGINT) == 0
    assert "\x1b[?1049l" in terminal.shown
    assert "\x1b[?25h" in terminal.shown


def test_an_agent_that_ends_is_told_and_waited_for(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    """The last figures stay; TERM gives the terminal back too."""
    control = Control(tmp_path, {"status": lambda: document})
    terminal = Terminal(tmp_path)
    terminal.read_until("flow's end to alert")
    control.close()
    assert "detector.flows" in terminal.read_until(
        r"no\s+agent\s+runs\s+there[\s\S]*flow's end to alert"
    )
    control = Control(tmp_path, {"status": lambda: document})
    terminal.read_until("rates over")
    assert terminal.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert "\x1b[?1049l" in terminal.shown
    control.close()


def test_a_command_that_reads_no_terminal_needs_none(agent: tuple[Path, dict[str, Any]]) -> None:
    """As a process: its output into a pipe that is closed early is no traceback."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m metatap top --state {agent[0]} | head -c 10"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "metatap on"
    assert "Traceback" not in done.stderr
