"""What is remembered of a node: alive, idle, dead, restarted; and no more than fits."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from metatap.sources import WireOptions, sequence
from tests.agent.sources.samples import Zeek
from tests.agent.sources.test_sequence import Receiver


def test_a_restart_without_a_final_heartbeat_is_told() -> None:
    """What was lost at that end can't be known, so it is said."""
    receiver, first = Receiver(), Zeek()
    with capture_logs() as logs:
        receiver.get(first.header(10))
        receiver.get(Zeek(boot="boot-2").header(1))
    assert [log["event"] for log in logs] == ["zeek_restarted_without_final"]
    assert logs[0]["node"] == "worker-1"
    assert logs[0]["boot"] == "boot-1"
    assert receiver.node().unfinished == 1


def test_a_proper_end_and_restart_is_no_warning() -> None:
    """The final heartbeat closes a boot."""
    receiver, first = Receiver(), Zeek()
    receiver.get(first.header(10))
    receiver.get(first.told(final=True))
    assert receiver.node().state == "ended"
    with capture_logs() as logs:
        receiver.get(Zeek(boot="boot-2").header(1))
    assert [(log["event"], log["log_level"]) for log in logs] == [("zeek_restarted", "info")]
    assert receiver.node().unfinished == 0
    assert receiver.node().state == "active"


def test_idle_dead_and_ended_differ() -> None:
    """Heartbeats without flows are idleness; silence without a final heartbeat is death."""
    receiver, zeek = Receiver(WireOptions(silent_s=5, join_s=0)), Zeek()
    receiver.get(zeek.header(1))
    assert receiver.node().state == "active"
    receiver.now += 4
    receiver.get(zeek.told())
    receiver.now += 4
    assert receiver.node().state == "idle"
    receiver.now += 2
    assert receiver.node().state == "dead"
    assert receiver.node().seen_s_ago == pytest.approx(6)
    receiver.get(zeek.told(final=True))
    receiver.now += 60
    assert receiver.node().state == "ended"


def test_silence_is_reported_once_and_so_is_its_end() -> None:
    """One line when it begins, one when the node is heard again."""
    receiver, zeek = Receiver(WireOptions(silent_s=5, join_s=0)), Zeek()
    with capture_logs() as logs:
        receiver.get(zeek.header(1))
        receiver.tracker.check(receiver.now + 4)
        assert not logs
        receiver.now += 6
        receiver.tracker.check(receiver.now)
        receiver.tracker.check(receiver.now + 1)
        receiver.get(zeek.told())
    assert [log["event"] for log in logs] == ["zeek_silent", "zeek_heard_again"]
    assert logs[0]["seconds"] == 6


def test_an_ended_zeek_is_not_reported_silent() -> None:
    """Its final heartbeat said so."""
    receiver, zeek = Receiver(WireOptions(silent_s=5, join_s=0)), Zeek()
    receiver.get(zeek.told(final=True))
    with capture_logs() as logs:
        receiver.tracker.check(receiver.now + 60)
    assert not logs


def test_names_made_up_without_end_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boots heard of last are remembered, and a node goes with its last boot."""
    monkeypatch.setattr(sequence, "MAX_BOOTS", 8)
    receiver, real = Receiver(), Zeek(node="real")
    for at in range(200):
        receiver.get(Zeek(node=f"made-up-{at}").header(1))
        receiver.get(Zeek(node="restless", boot=str(at)).header(1))
        assert receiver.get(real.header(1))
    tracker = receiver.tracker
    assert len(tracker._boots) == 8
    assert len(tracker._nodes) <= 8
    assert tracker.forgotten == 201 + 200 - 8
    assert receiver.lost == 0
    assert receiver.node("real").passed == 200


def test_shards_made_up_without_end_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards are bounded over all boots together."""
    monkeypatch.setattr(sequence, "MAX_SHARDS", 50)
    receiver = Receiver()
    for at in range(20):
        zeek = Zeek(node=f"node-{at}")
        for shard in range(20):
            receiver.get(zeek.header(1, shard))
    tracker = receiver.tracker
    assert tracker._remembered == sum(len(boot.shards) for boot in tracker._boots.values()) <= 50
    assert receiver.lost == 0
