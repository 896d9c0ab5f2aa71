"""From the start of the process to the first score, and what importing the command takes.

    python -m benchmarks.startup [--turns N]

First score: `metatap run` is started while a sender waits at its address with flows of an attack
that are sent again and again; the time is until the first alert is in the file, so it is a bound
from above. Import: `import metatap.cli` timed inside a fresh interpreter. Files are in the page
cache and compiled code in its own, as after any earlier start.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import zmq

from benchmarks.agents import AgentProcess, Setup
from benchmarks.harness import Options, run
from benchmarks.machine import pinned
from benchmarks.pool import RECORDING
from benchmarks.result import Report, Row
from benchmarks.tail import Tail
from benchmarks.timing import Spread, timed
from metatap.sources.options import WireOptions
from metatap.sources.recording_file import Record, RecordingReader

FIRST_SCORE, IMPORT = 1.5, 0.3
"""Targets, s."""

LIMIT = 60.0

IMPORTING = "import time; t = time.perf_counter(); import metatap.cli; print(time.perf_counter()-t)"


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--turns", type=int, default=11)


def measure(given: Options) -> Report:
    """Measure."""
    imports = [_importing() for _ in range(given.turns + 1)][1:]
    scores = [_first_alert() for _ in range(given.turns + 1)][1:]
    version = [timed(_version) for _ in range(given.turns)]
    return Report(
        (
            Row.of("start to first score", Spread.of(scores), "s", FIRST_SCORE, "at most"),
            Row.of("import of the command", Spread.of(imports), "s", IMPORT, "at most"),
        ),
        {"metatap --version, s": Spread.of(version).median},
    )


def _importing() -> float:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _version() -> None:
    argv = [sys.executable, "-m", "metatap", "--version"]
    subprocess.run(argv, capture_output=True, check=True)


def _first_alert() -> float:
    """Seconds from the start of an agent to its first alert in the file."""
    with TemporaryDirectory(prefix="mt-") as name, _sending(f"ipc://{name}/z"):
        begin = time.monotonic()
        running = AgentProcess(Path(name), 0, Setup(bind=False))
        alerts = Tail(running.alerts)
        try:
            while time.monotonic() - begin < LIMIT:
                now, lines = alerts.lines()
                if lines:
                    return now - begin
                time.sleep(0.001)
        finally:
            running.kill()
            alerts.close()
    raise RuntimeError(f"no alert within {LIMIT:g} s")


@contextmanager
def _sending(address: str) -> Iterator[None]:
    """The demo's recording, sent from the second core as soon as somebody subscribes."""
    with closing(RecordingReader(RECORDING, WireOptions().max_message_bytes)) as reader:
        messages = [record.parts for record in reader if isinstance(record, Record)]
    ending = threading.Event()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with pinned(1):
        socket = context.socket(zmq.XPUB)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(address)

        def work() -> None:
            while not ending.is_set():
                if socket.poll(5):
                    socket.recv()
                    for parts in messages:
                        socket.send_multipart(parts)

        thread = threading.Thread(target=work)
        thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        socket.close()
        context.term()


if __name__ == "__main__":
    run("startup", __doc__, options, measure)
