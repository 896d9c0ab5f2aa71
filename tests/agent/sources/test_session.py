"""From raw messages to batches."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from metatap.sources import WireOptions, flows_message
from metatap.sources.session import WireSession
from tests.agent.context.streams import BACKENDS
from tests.agent.flow.samples import flow, plain, uids
from tests.agent.sources.samples import Parts, Zeek, damaged, stream, uid

EXACT = WireOptions(join_s=0, batch_rows=0)


def session(options: WireOptions = EXACT) -> WireSession:
    """A session that has been there from the start."""
    return WireSession("test", options, joined_at=0.0)


def feed(to: WireSession, messages: Sequence[Parts], now: float = 0.0) -> None:
    """Let the messages in."""
    for message in messages:
        to.accept(message, now)


def test_flows_of_a_bad_message_are_lost_exactly_once() -> None:
    """The next batch's number tells; the message itself is counted under its own reason."""
    messages, expected = stream()
    receiver = session()
    feed(receiver, messages)
    found = []
    while (batch := receiver.take()) is not None:
        found += uids(batch)
    assert found == expected
    assert receiver.flows.dropped == {"lost": 4 + 5}
    assert receiver.messages.dropped == {"too_short": 1}
    assert receiver.flows.balanced
    assert receiver.messages.balanced
    assert receiver.flows.received == 17


def test_after_any_bad_message_the_next_one_is_read() -> None:
    """Each is counted under its reason, and only its flows are missing."""
    receiver, zeek = session(), Zeek()
    bad = 0
    for reason, broken in damaged(zeek.batch()):
        before = receiver.messages.dropped.get(reason, 0)
        receiver.accept(broken, 0.0)
        assert receiver.messages.dropped[reason] == before + 1
        bad += 1
    receiver.accept(zeek.batch(), 0.0)
    batch = receiver.take()
    assert batch is not None
    assert uids(batch) == [uid(at) for at in (3, 4, 5)]
    assert receiver.flows.dropped == {"lost": 3}
    assert receiver.messages.received == bad + 1


def test_a_hundred_megabytes_are_skipped() -> None:
    """Counted by size, without being looked into."""
    receiver, zeek = session(), Zeek()
    good = zeek.batch()
    receiver.accept([*good[:3], bytes(100 << 20)], 0.0)
    receiver.accept(good, 0.0)
    assert receiver.messages.dropped == {"too_big": 1}
    assert receiver.flows.passed == 3


def test_a_skipped_message_is_logged_with_node_batch_and_field() -> None:
    """What an operator needs to find the sender."""
    receiver, zeek = session(), Zeek()
    zeek.batch()
    broken = zeek.batch()
    with capture_logs() as logs:
        receiver.accept([*broken[:3], broken[3].replace(b"\x0e\x16", b"\x0e\x15")], 0.0)
    assert logs == [
        {
            "event": "message_skipped",
            "log_level": "warning",
            "source": "test",
            "reason": "length",
            "node": "worker-1",
            "batch": 1,
            "field": "flows.conn",
            "detail": "flows.conn: 21 elements, not 22",
            "held_back": 0,
        }
    ]


@pytest.mark.parametrize(
    ("topic", "node"),
    [
        (b"metatap.flows.v1.000.worker-1.", "worker-1"),
        (b"metatap.hello.v1.worker.a.", "worker.a"),
        (b"\xff", ""),
        (b"x" * 10_000, ""),
    ],
)
def test_without_a_header_the_topic_tells_the_node(topic: bytes, node: str) -> None:
    """As far as it can be read."""
    with capture_logs() as logs:
        session().accept([topic, b"s", b"broker-bin-v1", b""], 0.0)
    assert logs[0]["node"] == node


def test_a_message_of_no_parts_is_skipped() -> None:
    """Nothing is assumed about what comes in."""
    receiver = session()
    receiver.accept([], 0.0)
    assert receiver.messages.dropped == {"parts": 1}


def test_each_reason_is_logged_once_a_minute() -> None:
    """A flood of bad messages is no flood of logs; the next line says how many were held back."""
    receiver, zeek = session(), Zeek()
    broken = dict(damaged(zeek.batch()))
    with capture_logs() as logs:
        for at in range(200):
            receiver.accept(broken["serializer"], at * 0.5)
            receiver.accept(broken["parts"], at * 0.5)
    assert [(log["reason"], log["held_back"]) for log in logs] == [
        ("serializer", 0),
        ("parts", 0),
        ("serializer", 119),
        ("parts", 119),
    ]
    assert receiver.messages.dropped == {"serializer": 200, "parts": 200}


def test_losses_are_logged_with_their_number() -> None:
    """By a batch or by a heartbeat, whichever tells first."""
    receiver, zeek = session(), Zeek()
    zeek.batch(3)
    with capture_logs() as logs:
        receiver.accept(zeek.batch(3), 0.0)
        zeek.batch(4)
        receiver.accept(zeek.hello(), 100.0)
    assert [(log["event"], log["node"], log["flows"]) for log in logs] == [
        ("flows_lost", "worker-1", 3),
        ("flows_lost", "worker-1", 4),
    ]


def test_a_duplicate_is_dropped_and_counted_as_message_and_flows() -> None:
    """The same message twice is read once."""
    receiver = session()
    message = Zeek().batch()
    feed(receiver, [message, message])
    assert receiver.messages.dropped == {"duplicate": 1}
    assert receiver.flows.dropped == {"duplicate": 3}
    assert receiver.take() is not None
    assert receiver.take() is None


def test_values_outside_a_vocabulary_are_counted_and_logged() -> None:
    """The flows are passed on."""
    receiver, zeek = session(), Zeek()
    parts = flows_message(plain(1), zeek.header(1))
    payload = parts[3].replace(b"\x05\x02SF", b"\x05\x02S9")
    with capture_logs() as logs:
        receiver.accept([*parts[:3], payload], 0.0)
    assert receiver.status(0.0).unknown_values == {"conn_state": 1}
    assert receiver.flows.passed == 1
    assert [(log["event"], log["column"]) for log in logs] == [("value_unknown", "conn_state")]
    assert flow()["conn_state"] == "SF"


def test_without_batch_rows_one_message_is_one_batch() -> None:
    """Batches stay as Zeek made them, with their own origin."""
    receiver, zeek = session(), Zeek()
    feed(receiver, [zeek.batch(3), zeek.batch(5)])
    assert receiver.full()
    batches = [receiver.take(), receiver.take(), receiver.take()]
    assert [batch and batch.rows for batch in batches] == [3, 5, None]
    assert [batch.origin.batch for batch in batches if batch] == [0, 1]


def test_small_batches_are_joined_up_to_batch_rows() -> None:
    """Never beyond it, unless one message alone is larger."""
    receiver, zeek = session(WireOptions(join_s=0, batch_rows=10)), Zeek()
    feed(receiver, [zeek.batch(4), zeek.batch(4)])
    assert not receiver.full()
    feed(receiver, [zeek.batch(4), zeek.batch(30), zeek.batch(1)])
    assert receiver.full()
    found = []
    while receiver.waiting:
        batch = receiver.take()
        assert batch is not None
        found.append(batch)
    assert [batch.rows for batch in found] == [8, 4, 30, 1]
    assert [name for batch in found for name in uids(batch)] == [uid(at) for at in range(43)]


BETWEEN = ("too_short", "too_long", "duplicate")


@pytest.mark.parametrize("compiled", BACKENDS)
@pytest.mark.parametrize("between", BETWEEN)
def test_what_is_dropped_does_not_part_a_batch(between: str, compiled: bool) -> None:
    """Even where its flows would not have fitted in: those before and after it are joined."""
    receiver = WireSession(
        "test", WireOptions(join_s=0, batch_rows=10), joined_at=0.0, compiled=compiled
    )
    zeek = Zeek()
    first = zeek.batch(8)
    bad = first if between == "duplicate" else dict(damaged(zeek.batch(5)))[between]
    feed(receiver, [first, bad, zeek.batch(2), zeek.batch(3)])
    assert receiver.messages.dropped == {between: 1}
    batches = [receiver.take(), receiver.take(), receiver.take()]
    assert [batch and batch.rows for batch in batches] == [10, 3, None]
    assert [batch.origin.batch for batch in batches if batch] == [0, 3 - (between == "duplicate")]


@pytest.mark.parametrize("compiled", BACKENDS)
@settings(max_examples=60)
@given(
    st.integers(0, 12),
    st.lists(
        st.tuples(st.sampled_from(["batch", "take", *BETWEEN]), st.integers(1, 9), st.booleans()),
        max_size=40,
    ),
)
def test_which_messages_are_joined(
    compiled: bool, batch_rows: int, events: list[tuple[str, int, bool]]
) -> None:
    """From the oldest on, of whatever node, as many as fit into `batch_rows`; one at least."""
    options = WireOptions(join_s=0, batch_rows=batch_rows)
    receiver = WireSession("test", options, joined_at=0.0, compiled=compiled)
    zeeks, waiting = (Zeek(), Zeek(node="other")), list[tuple[str, int, list[bytes | None]]]()

    def check_take() -> None:
        batch = receiver.take()
        if not waiting:
            assert batch is None
            return
        node, number, expected = waiting.pop(0)
        while waiting and len(expected) + len(waiting[0][2]) <= batch_rows:
            expected += waiting.pop(0)[2]
        assert batch is not None
        assert (batch.origin.node, batch.origin.batch) == (node, number)
        assert uids(batch) == expected

    for event, rows, other in events:
        zeek = zeeks[other]
        if event == "take":
            check_take()
            continue
        number, start = zeek.batches.get(0, 0), zeek.flows.get(0, 0)
        message = zeek.batch(rows)
        if event in {"too_short", "too_long"}:
            message = dict(damaged(message))[event]
        else:
            waiting.append((zeek.node, number, [uid(start + at) for at in range(rows)]))
        feed(receiver, [message, message] if event == "duplicate" else [message])
        assert receiver.waiting is bool(waiting)
        total = sum(len(names) for *_, names in waiting)
        assert receiver.full() is (total >= max(1, batch_rows))
    while waiting:
        check_take()
    assert receiver.take() is None
    assert receiver.flows.balanced


@pytest.mark.parametrize("compiled", BACKENDS)
def test_what_waits_can_be_discarded(compiled: bool) -> None:
    """What is complete and what is not; afterwards the session reads on."""
    options = WireOptions(join_s=0, batch_rows=4)
    receiver, zeek = WireSession("test", options, joined_at=0.0, compiled=compiled), Zeek()
    feed(receiver, [zeek.batch(3), zeek.batch(3)])
    assert receiver.discard("stopped") == 6
    assert receiver.take() is None
    feed(receiver, [zeek.batch(2)])
    batch = receiver.take()
    assert batch is not None
    assert uids(batch) == [uid(6), uid(7)]
    assert receiver.flows.dropped == {"stopped": 6}


def test_a_batch_without_flows_is_read_and_not_passed_on() -> None:
    """It counts as a message."""
    receiver = session()
    receiver.accept(Zeek().batch(0), 0.0)
    assert receiver.messages.passed == 1
    assert receiver.take() is None


def test_status_sums_up() -> None:
    """Nodes by name, losses of all of them together."""
    receiver = session()
    for name in ("b", "a"):
        zeek = Zeek(node=name)
        zeek.batch(2)
        feed(receiver, [zeek.batch(1)])
    status = receiver.status(1.0)
    assert [node.node for node in status.nodes] == ["a", "b"]
    assert (status.lost, status.before_join, status.forgotten) == (4, 0, 0)
