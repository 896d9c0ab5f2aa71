"""metatap.sinks.stdout."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.agent.sinks.contract import check_sink

from metatap.sinks import StdoutSink, backlog, stdout


class Pipe:
    """A pipe with a sink at one end and a reader by hand at the other."""

    def __init__(self, patience: float = 0.05) -> None:
        self.inner, self.outer = os.pipe()
        self.stream = os.fdopen(self.outer, "wb", buffering=0)
        self.sink = StdoutSink(self.stream, patience=patience)

    def read(self) -> bytes:
        """All that lies in the pipe and all that comes when the reader goes on."""
        got = b""
        os.set_blocking(self.inner, False)
        while True:
            try:
                part = os.read(self.inner, 65536)
            except BlockingIOError:
                return got
            got += part
            self.sink.retry()

    def close(self) -> None:
        """Free both ends."""
        self.stream.close()
        os.close(self.inner)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe that nobody reads."""
    made = Pipe()
    yield made
    made.close()


LINES = [f"{at:05d}".encode() * 1000 for at in range(200)]
"""More than a pipe takes."""


def test_it_keeps_the_contract() -> None:
    """Lines come out in order and are counted."""
    stream = io.BytesIO()
    check_sink(lambda: StdoutSink(stream), stream.getvalue)


def test_standard_output_is_the_default(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a stream alerts go to the process's standard output."""
    sink = StdoutSink()
    sink.write([b"{}"])
    assert capfdbinary.readouterr().out == b"{}\n"


def test_a_reader_that_went_away_is_no_end() -> None:
    """Alerts after a broken pipe are counted as dropped; `reopen` tries again."""
    inner, outer = os.pipe()
    os.close(inner)
    with os.fdopen(outer, "wb", buffering=0) as stream:
        sink = StdoutSink(stream)
        sink.write([b"a", b"b"])
        sink.write([b"c"])
        assert sink.alerts.dropped == {"broken_pipe": 3}
        sink.reopen()
        sink.write([b"d"])
        assert sink.alerts.dropped == {"broken_pipe": 4}
        assert sink.alerts.balanced


def test_a_reader_that_stands_still_stops_nobody(pipe: Pipe) -> None:
    """What it does not take is held; once it goes on, everything comes, in order and whole."""
    begin = time.monotonic()
    pipe.sink.write(LINES[:100])
    pipe.sink.write(LINES[100:])
    assert time.monotonic() - begin < 5
    assert 0 < pipe.sink.alerts.passed < 200
    assert pipe.read() == b"\n".join((*LINES, b""))
    assert pipe.sink.alerts.passed == 200
    assert pipe.sink.alerts.balanced


def test_a_slow_reader_gets_everything(pipe: Pipe) -> None:
    """`flush` waits for it as long as it goes on reading."""
    pipe.sink.write(LINES)
    got: list[bytes] = []

    def read() -> None:
        while len(b"".join(got)) < sum(map(len, LINES)) + len(LINES):
            time.sleep(0.005)
            got.append(os.read(pipe.inner, 16384))

    reader = threading.Thread(target=read)
    reader.start()
    pipe.sink._patience = 30.0
    pipe.sink.flush()
    reader.join()
    assert b"".join(got) == b"\n".join((*LINES, b""))
    assert pipe.sink.alerts.passed == 200


def test_what_is_held_for_a_reader_is_bounded(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go first, counted and logged; the line that is under way is ended."""
    for module in (stdout, backlog):
        monkeypatch.setattr(module, "MAX_HELD_BYTES", 250_000)
    lines = [letter * 100_000 for letter in (b"a", b"b", b"c", b"d")]
    with capture_logs() as logs:
        pipe.sink.write(lines)
    assert pipe.sink.alerts.dropped == {"reader_stalled": 2}
    assert [line["alerts"] for line in logs if line["event"] == "alerts_dropped"] == [2]
    assert pipe.read() == b"\n".join((lines[0], lines[3], b""))
    assert pipe.sink.alerts.balanced


def test_at_the_end_a_reader_that_stands_still_is_given_up(pipe: Pipe) -> None:
    """After its time is over, once; what it did not take is counted."""
    pipe.sink.write(LINES)
    pipe.sink.flush()
    pipe.sink._patience = 3600.0
    pipe.sink.close()
    assert pipe.sink.alerts.dropped == {"reader_stalled": 200 - pipe.sink.alerts.passed}
    assert pipe.sink.alerts.balanced


def test_what_a_reader_left_behind_is_counted(pipe: Pipe) -> None:
    """A reader that goes away while alerts are held for it costs those."""
    pipe.sink.write(LINES)
    os.close(pipe.inner)
    pipe.sink.retry()
    assert pipe.sink.alerts.dropped == {"broken_pipe": 200 - pipe.sink.alerts.passed}
    assert pipe.sink.alerts.balanced
    pipe.inner = os.open(os.devnull, os.O_RDONLY)


def test_without_standard_output_alerts_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """`>&-` is no crash, and nothing is written to whatever else has got its number."""
    monkeypatch.setattr(sys, "stdout", None)
    sink = StdoutSink()
    with capture_logs() as logs:
        sink.write([b"{}"])
        sink.flush()
        sink.retry()
        sink.close()
    assert sink.alerts.dropped == {"closed": 1}
    assert [(line["event"], line["reason"]) for line in logs] == [("alerts_dropped", "closed")]


def test_a_descriptor_that_is_not_ready_after_all_is_tried_again(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone else may have filled the pipe, or made it one that does not wait."""

    def refuse(_descriptor: int, _part: bytes) -> int:
        raise BlockingIOError

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        pipe.sink.write([b"a"])
        pipe.sink.flush()
    pipe.sink.retry()
    assert os.read(pipe.inner, 16) == b"a\n"


AGENT = """
import signal, sys, time
from metatap.runtime.logs import configure_logs
from metatap.sinks import StdoutSink

configure_logs("info", "text")
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
sink = StdoutSink(patience=0.1)
print("ready", file=sys.stderr, flush=True)
while not stopped:
    sink.write([b"x" * 50_000])
    time.sleep(0.01)
sink.flush()
sink.close()
print(sink.alerts.balanced, file=sys.stderr, flush=True)
"""


def test_a_signal_does_not_wait_for_the_reader(tmp_path: Path) -> None:
    """TERM ends a process whose standard output nobody reads, and the counts are whole."""
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
        assert process.stderr.read().splitlines()[-1] == b"True"
