"""Flows from a recording."""

from __future__ import annotations

import gzip
from pathlib import Path

from metatap.sources import RecordingSource, RecordingWriter, WireOptions
from tests.agent.flow.samples import uids
from tests.agent.sources.contract import Supply, check_source, closing, read_all
from tests.agent.sources.samples import Parts, Zeek, stream, uid


def recorded(path: Path, messages: list[Parts], every_s: float = 0.1) -> Path:
    """A recording of these messages, one each `every_s` seconds."""
    with RecordingWriter(path) as writer:
        for at, message in enumerate(messages):
            writer.write(int(at * every_s * 1e9), message)
    return path


def test_it_keeps_the_contract_of_a_source(tmp_path: Path) -> None:
    """Bad messages and losses in a recording are those of the wire."""

    def make() -> Supply:
        messages, expected = stream()
        return Supply(
            RecordingSource(recorded(tmp_path / "a.mtrec", messages), WireOptions(batch_rows=0)),
            expected,
            ends=True,
        )

    check_source(make)


def test_a_truncated_recording_gives_what_it_has(tmp_path: Path) -> None:
    """The missing end is counted as a message, under its own name."""
    zeek = Zeek()
    path = recorded(tmp_path / "a.mtrec", [zeek.batch(2), zeek.batch(3)])
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-5]))
    with closing(RecordingSource(path)) as source:
        assert [name for batch in read_all(source) for name in uids(batch)] == [uid(0), uid(1)]
        assert source.messages.dropped == {"truncated": 1}
        assert source.messages.balanced


def test_flows_of_a_damaged_record_are_lost(tmp_path: Path) -> None:
    """The sequence numbers tell, as on the wire."""
    zeek = Zeek()
    path = recorded(tmp_path / "a.mtrec", [zeek.batch(2), zeek.batch(3), zeek.batch(4)])
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data.replace(b"C00000003", b"C0000000X")))
    with closing(RecordingSource(path)) as source:
        assert sum(batch.rows for batch in read_all(source)) == 6
        assert source.messages.dropped == {"checksum": 1}
        assert source.flows.dropped == {"lost": 3}


def test_shards_are_picked_as_a_subscription_would(tmp_path: Path) -> None:
    """What is not subscribed to is neither read nor missed."""
    zeek = Zeek()
    messages = [zeek.batch(3, 1), zeek.batch(4, 10), zeek.batch(5, 1), zeek.hello(final=True)]
    source = RecordingSource(
        recorded(tmp_path / "a.mtrec", messages), WireOptions(shards=(1,), batch_rows=0)
    )
    with closing(source):
        assert [batch.rows for batch in read_all(source)] == [3, 5]
        assert source.flows.dropped == {}
        assert source.messages.received == 3


def test_small_batches_are_joined_when_asked_to(tmp_path: Path) -> None:
    """The same option as live."""
    zeek = Zeek()
    path = recorded(tmp_path / "a.mtrec", [zeek.batch(4) for _ in range(10)])
    with closing(RecordingSource(path, WireOptions(batch_rows=12))) as source:
        assert [batch.rows for batch in read_all(source)] == [12, 12, 12, 4]


def test_its_clock_is_that_of_the_recording(tmp_path: Path) -> None:
    """A node silent for ten recorded seconds is dead, however fast it is read."""
    quiet, busy = Zeek(node="quiet"), Zeek(node="busy")
    messages = [quiet.batch(1), *(busy.batch(1) for _ in range(10))]
    source = RecordingSource(recorded(tmp_path / "a.mtrec", messages, every_s=1))
    with closing(source):
        read_all(source)
        states = {node.node: node.state for node in source.heard().nodes}
        assert states == {"quiet": "dead", "busy": "active"}


def test_a_closed_source_is_done(tmp_path: Path) -> None:
    """Closing in the middle leaves the rest unread."""
    source = RecordingSource(recorded(tmp_path / "a.mtrec", [Zeek().batch(1)]))
    source.close()
    assert source.done
    assert source.read(0) is None


def test_a_recording_tells_how_far_it_was_read() -> None:
    """For a bar with the time left: nothing of the rest at first, all of the file at the end."""
    path = Path(__file__).parents[2] / "data" / "lab" / "office.mtrec"
    with closing(RecordingSource(path)) as source:
        assert source.bytes_total == path.stat().st_size
        assert source.bytes_read < source.bytes_total
        read_all(source)
        assert source.bytes_read == source.bytes_total
