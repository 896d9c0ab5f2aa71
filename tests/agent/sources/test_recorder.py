"""Recording from real sockets."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from metatap.errors import SourceError
from metatap.sources import (
    RecordingReader,
    RecordingSource,
    RecordResult,
    Until,
    record,
)
from tests.agent.sources.contract import closing, read_all
from tests.agent.sources.samples import Zeek, stream
from tests.agent.sources.test_zeek_zeromq import LOOPBACK, Wire, send


class Recording(threading.Thread):
    """A recorder in a thread."""

    def __init__(self, path: Path, until: Until, url: str = LOOPBACK) -> None:
        super().__init__()
        self.path, self.until, self.url = path, until, url
        self._addresses: queue.Queue[str] = queue.Queue()
        self._results: queue.Queue[RecordResult] = queue.Queue()
        self.start()
        self.address = self._addresses.get(timeout=10)

    def run(self) -> None:
        """Record until it ends."""
        self._results.put(record(self.url, self.path, self.until, ready=self._addresses.put))

    def result(self) -> RecordResult:
        """What it recorded, when it has ended."""
        self.join(20)
        return self._results.get(timeout=1)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Zeek's end of the wire."""
    made = Wire()
    yield made
    made.close()


def test_a_recording_has_every_message_as_it_came(wire: Wire, tmp_path: Path) -> None:
    """Bad ones too; the result tells what was in them."""
    recording = Recording(tmp_path / "a.mtrec", Until(final=True))
    messages, expected = stream()
    send(wire.zeek(recording.address), *messages)
    result = recording.result()
    assert result.ended == "final"
    assert (result.messages, result.skipped) == (len(messages), 1)
    assert (result.flows, result.lost, result.before_join) == (len(expected), 9, 0)
    reader = RecordingReader(tmp_path / "a.mtrec", 1 << 20)
    found = [list(each.parts) for each in reader if not isinstance(each, Exception)]
    reader.close()
    assert found == messages


def test_it_ends_after_so_many_messages(wire: Wire, tmp_path: Path) -> None:
    """Not one more is written."""
    recording = Recording(tmp_path / "a.mtrec", Until(messages=3))
    zeek = Zeek()
    send(wire.zeek(recording.address), *(zeek.batch() for _ in range(10)))
    assert recording.result().messages == 3


def test_it_ends_when_it_is_quiet(wire: Wire, tmp_path: Path) -> None:
    """But waits for the first message as long as it takes."""
    recording = Recording(tmp_path / "a.mtrec", Until(idle_s=0.3))
    time.sleep(0.6)
    assert recording.is_alive()
    send(wire.zeek(recording.address), Zeek().batch())
    result = recording.result()
    assert (result.ended, result.messages) == ("idle", 1)


def test_it_ends_when_told_to(tmp_path: Path) -> None:
    """An empty recording is a recording."""
    stop = threading.Event()
    recording = Recording(tmp_path / "a.mtrec", Until(stop=stop.is_set))
    stop.set()
    assert recording.result().ended == "stop"
    with closing(RecordingSource(tmp_path / "a.mtrec")) as source:
        assert read_all(source) == []


def test_a_full_disk_ends_it_by_name(wire: Wire) -> None:
    """Whenever it shows; the error names the file."""
    found: queue.Queue[str] = queue.Queue()
    addresses: queue.Queue[str] = queue.Queue()

    def run() -> None:
        try:
            record(LOOPBACK, Path("/dev/full"), Until(final=True), ready=addresses.put)
        except SourceError as error:
            found.put(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    zeek = Zeek()
    send(wire.zeek(addresses.get(timeout=10)), zeek.batch(), zeek.hello(final=True))
    thread.join(10)
    assert found.get(timeout=1) == "/dev/full: No space left on device"


def test_what_is_too_big_is_not_written(wire: Wire, tmp_path: Path) -> None:
    """It is counted, and what comes after it is recorded."""
    url = LOOPBACK + "&max_message_bytes=20000"
    recording = Recording(tmp_path / "a.mtrec", Until(final=True), url)
    zeek = Zeek()
    send(wire.zeek(recording.address), zeek.hello(), zeek.batch(500), zeek.hello(final=True))
    result = recording.result()
    assert (result.messages, result.skipped, result.lost) == (2, 1, 500)
