"""The example of docs/living.md, run as it stands there: one agent, real sockets, real files."""

from __future__ import annotations

import re
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from metatap.demo.send import send
from metatap.errors import SourceError
from metatap.flow import Row, to_row
from metatap.sources import Source, ZeekLogs, open_source
from tests.console import ROOT, Done, Session, blocks, prepare, steps

PAGE = ROOT / "docs" / "living.md"

FLOWS = 4280
"""Flows in the branch's logs."""

PORT = "5556"
"""The port of the page; the test takes a free one."""

WAIT_S = 60.0
"""How long an answer of the running agent may take to become the one shown."""

JUDGE = "python -m metatap.demo judge"

ASKS = ("metatap status", "metatap alerts", "metatap explain", JUDGE)
"""Commands that ask what is, and may be asked again until the agent is there."""

RUNNING = ("export", "metatap run", "python -m metatap.demo send", "kill")
"""Commands of an agent that nobody teaches."""

UNCORRECTED = [
    ("172.22.30.16", "benign ssh 1"),
    ("172.22.30.17", "benign ssh 1"),
    ("172.22.30.18", "ssh_bruteforce 47"),
    ("203.0.113.140", "http_beacon 13"),
    ("203.0.113.61", "benign web 3"),
    ("203.0.113.62", "benign web 3"),
]
"""Responders and flows of the second run's alerts where nobody corrected anything."""

REFUSED = ": not written: "
"""In what a command prints that wrote nothing, and whose status is 1."""

CHANGING = re.compile(
    r"(?<=process )(N|\d+)|(?<=sha256 )\S+|(?<=expires: )\S+|(?<=created: )\S+"
    r"|TIME|\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
)
DECIMALS = re.compile(r"(?<![\w.])-?\d+\.\d+(?![\w.])")

NEAR = 0.05
"""How far a decimal may be from the one shown: processors round differently."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text without what changes from run to run and without the widths of columns.

    Attributes:
        words: The text, each decimal a `¤`.
        decimals: The decimals, in order.
    """

    words: str
    decimals: tuple[float, ...]

    @classmethod
    def of(cls, text: str) -> Text:
        """Read a text."""
        text = CHANGING.sub("~", text)
        words = re.sub(r"[─━┏┓┗┛┡┩╇┳┻│┃]+", " ", DECIMALS.sub("¤", text)).split()
        return cls(f" {' '.join(words)} ", tuple(map(float, DECIMALS.findall(text))))

    def find(self, line: Text, start: int) -> int:
        """Where a line stands at or after `start`, with decimals that are near; -1: nowhere."""
        while (at := self.words.find(line.words, start)) >= 0:
            first = self.words.count("¤", 0, at)
            own = self.decimals[first : first + len(line.decimals)]
            if all(abs(a - b) <= NEAR for a, b in zip(own, line.decimals, strict=True)):
                return at
            start = at + 1
        return -1


def missing(shown: list[str], done: Done, command: str) -> list[str]:
    """Lines shown that were not printed, in this order; of a table of alerts also one too many."""
    printed, at, lost = Text.of(done.output), 0, []
    for line in map(Text.of, shown):
        found = printed.find(line, at)
        if found < 0:
            lost.append(line.words)
        else:
            at = found + len(line.words) - 1
    if not lost and JUDGE in command and Text.of("\n".join(shown)) != printed:
        lost.append(f"nothing but what is shown: {done.output}")
    return lost


def free_port() -> str:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_agent_learns_while_it_runs(tmp_path: Path) -> None:
    """A pack is in force, alerts, errs, is told so and errs no more: every line shown is printed.

    Ids of alerts are compared as they stand; they are those of the flows and the sensor's name. An
    agent with the packs as they were, and without a rule, errs in the second run again.
    """
    uncorrected = tmp_path / "uncorrected"
    with Example(tmp_path / "told") as example:
        for command, lines in steps(PAGE):
            if command.startswith("metatap feedback") and not uncorrected.exists():
                shutil.copytree(example.folder / "packs", uncorrected)
            example.follow(command, lines)
    with Example(tmp_path / "untold") as example:
        shutil.copytree(uncorrected, example.folder / "packs")
        for command, _ in steps(PAGE):
            if command.startswith(RUNNING):
                assert example.run(command).status == 0
        done = example.run([command for command, _ in steps(PAGE) if JUDGE in command][-1])
    found = re.findall(r"→ (\S+) +\d+ +(.+\S)", done.output)
    assert sorted(found) == UNCORRECTED


class Example(Session):
    """A folder as the page wants it, with a shell in it.

    Attributes:
        folder: The folder.
    """

    def __init__(self, place: Path) -> None:
        """Make the folder, and one for output, in a new folder."""
        self.folder, out = place / "work", place / "out"
        self.folder.mkdir(parents=True)
        out.mkdir()
        prepare(self.folder)
        self._port = free_port()
        self._log = self.folder / "agent.log"
        (config,) = blocks(PAGE, "yaml")
        config = config.replace(PORT, self._port)
        (self.folder / "metatap.yaml").write_text(config, encoding="utf-8")
        super().__init__(self.folder, out)

    def run(self, command: str) -> Done:
        """Run a command of the page."""
        return super().run(command.replace(PORT, self._port))

    def follow(self, command: str, lines: list[str]) -> None:
        """Run a command; it must give what the page shows."""
        deadline = time.monotonic() + WAIT_S
        while True:
            done = self.run(command)
            lost = missing(lines, done, command)
            if not lost or time.monotonic() > deadline or not command.startswith(ASKS):
                break
            time.sleep(0.05)
        log = self._log.read_text("utf-8") if lost else ""
        assert not lost, f"$ {command}\n{done.output}\n{log}"
        is_refused = any(REFUSED in line for line in lines)
        assert done.status == is_refused, f"$ {command}\n{done.output}"


def test_logs_arrive_as_they_were_read(tmp_path: Path) -> None:
    """What is sent of Zeek's logs reaches a bound source whole: same flows, none lost."""
    logs = ROOT / "tests" / "data" / "lab" / "branch-logs"
    address = f"{tmp_path}/zeek.ipc"
    agent = open_source(f"zeek+ipc://{address}?bind=1&rcvhwm=0")
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(send, logs, f"ipc://{address}")
        came = rows(agent)
        sent = sending.result()
    assert sent.flows == len(came) == FLOWS
    assert came == rows(ZeekLogs(logs))
    assert agent.flows.received == sent.flows
    assert not agent.flows.dropped


def rows(source: Source) -> list[Row]:
    """The flows of a run of the branch, `partial` apart, which logs do not know."""
    found: list[Row] = []
    while len(found) < FLOWS and (batch := source.read(WAIT_S)) is not None:
        found += [to_row(batch, row) for row in range(batch.rows)]
    source.close()
    return [{name: value for name, value in row.items() if name != "partial"} for row in found]


def test_nobody_listens(tmp_path: Path) -> None:
    """Without an agent the sender says so, and does not wait for ever."""
    logs = ROOT / "tests" / "data" / "lab" / "office.mtrec"
    with pytest.raises(SourceError, match="nobody subscribed"):
        send(logs, f"ipc://{tmp_path}/zeek.ipc", wait_s=0.2)
    with pytest.raises(SourceError, match="can't be connected to"):
        send(logs, "nowhere")
