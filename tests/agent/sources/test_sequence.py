"""Counting what never arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from metatap.counters import Counters
from metatap.sources import Header, Hello, WireOptions
from metatap.sources.nodes import NodeStatus
from metatap.sources.sequence import SequenceTracker
from tests.agent.sources.samples import Zeek

EXACT = WireOptions(join_s=0)


@dataclass
class Receiver:
    """A tracker and what it counts, with a clock of its own."""

    options: WireOptions = EXACT
    joined_at: float | None = 0.0
    now: float = 100.0
    flows: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.tracker = SequenceTracker(self.flows, self.options, joined_at=self.joined_at)

    def get(self, message: Header | Hello) -> bool:
        """Take a message in; whether its flows are passed on."""
        if isinstance(message, Hello):
            self.tracker.hello(message, self.now)
            return False
        return self.tracker.batch(message, self.now)

    @property
    def lost(self) -> int:
        """Flows counted as lost."""
        return self.flows.dropped.get("lost", 0)

    def node(self, name: str = "worker-1") -> NodeStatus:
        """What is told of one node."""
        return next(node for node in self.tracker.status(self.now) if node.node == name)


@dataclass(frozen=True)
class Sent:
    """A message and whether it arrives."""

    message: Header | Hello
    arrives: bool


@st.composite
def node_streams(draw: st.DrawFn, node: str) -> list[Sent]:
    """What one node sends over some boots and shards, heartbeats in between; any of it may drop.

    Each boot ends with a final heartbeat that arrives or not.
    """
    sent: list[Sent] = []
    for boot in range(draw(st.integers(1, 3))):
        zeek = Zeek(node, f"boot-{boot}")
        for _ in range(draw(st.integers(0, 12))):
            message: Header | Hello = zeek.told()
            if draw(st.integers(0, 4)):
                message = zeek.header(draw(st.integers(1, 50)), draw(st.integers(0, 2)))
            sent.append(Sent(message, draw(st.booleans())))
        sent.append(Sent(zeek.told(final=True), draw(st.booleans())))
    return sent


@st.composite
def streams(draw: st.DrawFn) -> list[Sent]:
    """The streams of up to three nodes, mixed; each keeps its own order."""
    queues = [draw(node_streams(f"node-{at}")) for at in range(draw(st.integers(1, 3)))]
    mixed: list[Sent] = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        mixed.append(queue.pop(0))
    return mixed


def truth(sent: list[Sent]) -> Mapping[str, int]:
    """Flows lost by node, as far as anything that arrives later can tell."""
    lost: dict[str, int] = {}
    pending: dict[tuple[str, str, int], int] = {}
    for each in sent:
        message = each.message
        if isinstance(message, Header):
            key = (message.node, message.boot, message.shard)
            told = [key] if each.arrives else []
            if not each.arrives:
                pending[key] = pending.get(key, 0) + message.rows
        else:
            told = [(message.node, message.boot, shard) for shard in message.shards]
        for key in told if each.arrives else []:
            lost[key[0]] = lost.get(key[0], 0) + pending.pop(key, 0)
    return lost


@given(streams())
def test_whatever_is_dropped_is_counted_exactly(sent: list[Sent]) -> None:
    """Any subset of a mixed stream may vanish: lost is what vanished, node by node, once."""
    receiver = Receiver()
    arrived = [each.message for each in sent if each.arrives]
    for message in arrived:
        assert receiver.get(message) is isinstance(message, Header)
    expected = truth(sent)
    assert receiver.lost == sum(expected.values())
    for node in receiver.tracker.status(receiver.now):
        assert node.lost == sum(node.lost_by_shard.values()) == expected.get(node.node, 0)
    assert receiver.flows.passed == sum(m.rows for m in arrived if isinstance(m, Header))
    assert receiver.flows.balanced
    assert receiver.tracker.before_join == 0


@given(streams())
def test_with_the_final_heartbeat_nothing_is_left_unknown(sent: list[Sent]) -> None:
    """If the last heartbeat of each boot arrives, received is what was sent."""
    sent = [
        replace(each, arrives=True)
        if isinstance(each.message, Hello) and each.message.final
        else each
        for each in sent
    ]
    receiver = Receiver()
    for each in sent:
        if each.arrives:
            receiver.get(each.message)
    assert receiver.flows.received == sum(
        each.message.rows for each in sent if isinstance(each.message, Header)
    )


def test_a_loss_is_seen_by_the_next_batch_and_not_again_by_the_heartbeat() -> None:
    """Both tell of the same gap; it is counted once."""
    receiver, zeek = Receiver(), Zeek()
    receiver.get(zeek.header(10))
    zeek.header(7)
    receiver.get(zeek.header(5))
    assert receiver.lost == 7
    receiver.get(zeek.told())
    assert receiver.lost == 7


def test_a_loss_at_the_tail_is_seen_by_the_heartbeat_and_not_again_by_the_next_batch() -> None:
    """The heartbeat moves the due number on."""
    receiver, zeek = Receiver(), Zeek()
    receiver.get(zeek.header(10))
    zeek.header(7)
    receiver.get(zeek.told())
    assert receiver.lost == 7
    assert receiver.get(zeek.header(5))
    assert receiver.lost == 7


def test_a_batch_that_comes_again_is_a_duplicate() -> None:
    """It is not passed on, and what is due stays."""
    receiver, zeek = Receiver(), Zeek()
    first, second = zeek.header(10), zeek.header(5)
    assert receiver.get(first)
    assert receiver.get(second)
    assert not receiver.get(first)
    assert receiver.flows.dropped == {"duplicate": 10}
    assert receiver.node().duplicates == 10
    assert receiver.get(zeek.header(1))
    assert receiver.flows.balanced


def test_a_batch_that_was_counted_as_lost_and_comes_late_is_a_duplicate() -> None:
    """On one connection nothing overtakes; if it happens, no flow is passed on twice."""
    receiver, zeek = Receiver(), Zeek()
    late, next_one = zeek.header(4), zeek.header(5)
    receiver.get(next_one)
    assert not receiver.get(late)
    assert receiver.flows.dropped == {"lost": 4, "duplicate": 4}


def test_a_restart_starts_at_zero_and_its_first_gap_is_a_loss() -> None:
    """A new boot id, long after joining, was not joined half-way."""
    receiver = Receiver(WireOptions(), joined_at=None)
    receiver.get(Zeek().header(10))
    receiver.now += 3.5
    again = Zeek(boot="boot-2")
    again.header(6)
    receiver.get(again.header(1))
    assert receiver.lost == 6
    assert receiver.tracker.before_join == 0
    assert receiver.node().restarts == 1


def test_two_zeeks_under_one_name_are_counted_apart() -> None:
    """Their messages alternate; each boot has its own numbers."""
    receiver, one, two = Receiver(), Zeek(boot="one"), Zeek(boot="two")
    for _ in range(5):
        receiver.get(one.header(3))
        receiver.get(two.header(4))
    one.header(3)
    receiver.get(one.told())
    assert receiver.lost == 3
    assert receiver.node().restarts == 1


def test_two_zeeks_under_one_name_can_both_have_been_running_before() -> None:
    """Every standalone Zeek is called `zeek`: neither's earlier flows are lost."""
    receiver = Receiver(WireOptions(), joined_at=None)
    for boot, before in (("one", 700), ("two", 5000)):
        zeek = Zeek("zeek", boot)
        zeek.header(before)
        receiver.get(zeek.header(10))
        zeek.header(5)
        receiver.get(zeek.told())
    assert receiver.tracker.before_join == 5700
    assert receiver.lost == 10


def test_what_was_sent_before_joining_is_not_lost() -> None:
    """A receiver that starts beside a running Zeek takes its numbers as they are."""
    receiver, zeek = Receiver(WireOptions(), joined_at=None), Zeek()
    zeek.header(1000)
    receiver.get(zeek.header(10))
    assert (receiver.lost, receiver.tracker.before_join) == (0, 1000)
    assert receiver.node().before_join == 1000
    zeek.header(5)
    receiver.get(zeek.told())
    assert receiver.lost == 5
    assert receiver.flows.received == 15


def test_joining_by_a_heartbeat_covers_all_its_shards() -> None:
    """Shards it lists were sent before; one it doesn't list starts at zero."""
    receiver, zeek = Receiver(WireOptions(), joined_at=None), Zeek()
    zeek.header(100, 0)
    zeek.header(200, 1)
    receiver.get(zeek.told())
    assert receiver.tracker.before_join == 300
    zeek.header(7, 2)
    receiver.get(zeek.header(1, 2))
    assert receiver.lost == 7
    receiver.get(zeek.header(1, 1))
    assert receiver.lost == 7


def test_a_heartbeat_of_zeroes_makes_the_start_exact() -> None:
    """Zeek sends one first when it starts: a first batch that is missing then is lost."""
    receiver, zeek = Receiver(WireOptions(), joined_at=None), Zeek()
    receiver.get(Hello("worker-1", "boot-1", shards=(0,), batches=(0,), flows=(0,)))
    zeek.header(20)
    receiver.get(zeek.header(1))
    assert (receiver.lost, receiver.tracker.before_join) == (20, 0)


def test_a_node_that_appears_later_started_later() -> None:
    """Long after joining, a first gap of a new node is a loss."""
    receiver = Receiver(WireOptions(join_s=3), joined_at=None)
    receiver.get(Zeek().header(1))
    receiver.now += 3.5
    other = Zeek(node="worker-2")
    other.header(9)
    receiver.get(other.header(1))
    assert receiver.lost == 9


def test_shards_that_were_not_asked_for_are_not_missed() -> None:
    """Heartbeats tell of all shards, batches come from those subscribed to."""
    receiver, zeek = Receiver(WireOptions(shards=(1,), join_s=0)), Zeek()
    zeek.header(100, 0)
    receiver.get(zeek.header(5, 1))
    zeek.header(3, 1)
    receiver.get(zeek.told(final=True))
    assert receiver.lost == 3


def test_final_totals_that_do_not_add_up_are_told() -> None:
    """After the final heartbeat Σ flows = seen − filtered + partials."""
    receiver, zeek = Receiver(), Zeek()
    receiver.get(zeek.header(10))
    with capture_logs() as logs:
        receiver.get(replace(zeek.told(final=True), seen=15, partials=1, filtered=2))
    assert [(log["event"], log.get("unsent")) for log in logs] == [
        ("zeek_ended", None),
        ("zeek_totals_differ", 4),
    ]
