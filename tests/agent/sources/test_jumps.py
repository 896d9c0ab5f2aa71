"""Numbers that can't be: one wrong header or heartbeat does no harm to what follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metatap.errors import WireError
from metatap.sources import Header, Hello, WireOptions, flows_message, hello_message
from metatap.sources.sequence import MAX_BATCH_ROWS
from tests.agent.flow.samples import plain
from tests.agent.sources.samples import Zeek
from tests.agent.sources.test_sequence import Receiver
from tests.agent.sources.test_session import session


@pytest.mark.parametrize(
    ("batch", "flows_before"),
    [(1, 2**62), (1, 11), (2**62, 10), (2, 10), (0, 10), (2, 11 + MAX_BATCH_ROWS)],
)
def test_a_wrong_header_is_refused_and_the_next_batches_are_read(
    batch: int, flows_before: int
) -> None:
    """It should be batch 1 after 10 flows; its own flows are lost, no more and no fewer."""
    receiver, zeek = Receiver(), Zeek()
    receiver.get(zeek.header(10))
    wrong = replace(zeek.header(3), batch=batch, flows_before=flows_before)
    with pytest.raises(WireError, match=r"flows\.header\.flows_before") as caught:
        receiver.get(wrong)
    assert caught.value.reason == "range"
    assert receiver.lost == 0
    assert receiver.get(zeek.header(5))
    assert receiver.get(zeek.header(5))
    assert receiver.flows.dropped == {"lost": 3}


@pytest.mark.parametrize("joined_at", [None, 0.0])
def test_a_wrong_first_header_is_refused(joined_at: float | None) -> None:
    """Whether its Zeek may have been running before or not."""
    receiver = Receiver(WireOptions(), joined_at=joined_at)
    with pytest.raises(WireError):
        receiver.get(Header("worker-1", "boot-1", batch=7, flows_before=2**62, rows=1))
    assert receiver.get(Zeek().header(5))
    assert (receiver.lost, receiver.tracker.before_join) == (0, 0)


@pytest.mark.parametrize(("flows", "batches"), [(2**62, 1), (4, 2**62), (5, 1), (4, 2)])
@pytest.mark.parametrize("joining", [True, False])
def test_a_wrong_heartbeat_moves_nothing(flows: int, batches: int, joining: bool) -> None:
    """Not even the shards whose totals are right, since it is skipped as a whole."""
    receiver, zeek = Receiver(WireOptions(), None if joining else 0.0), Zeek()
    for shard in (0, 1):
        receiver.get(zeek.header(4, shard))
    zeek.header(9, 0)
    wrong = replace(zeek.told(), flows=(13, flows), batches=(2, batches))
    with pytest.raises(WireError, match=r"hello\.flows: "):
        receiver.get(wrong)
    assert receiver.lost == 0
    for shard in (0, 1):
        receiver.get(zeek.header(4, shard))
    assert (receiver.lost, receiver.tracker.before_join) == (9, 0)


def test_a_wrong_first_heartbeat_is_refused() -> None:
    """One that joins takes no totals that can't be."""
    receiver = Receiver(WireOptions(), joined_at=None)
    with pytest.raises(WireError):
        receiver.get(Hello("worker-1", "boot-1", shards=(0,), batches=(1,), flows=(2**62,)))
    assert receiver.get(Zeek().header(5))
    assert (receiver.lost, receiver.tracker.before_join) == (0, 0)


def test_a_loss_as_large_as_it_may_be_is_counted() -> None:
    """A million flows a batch are believed."""
    receiver, zeek = Receiver(), Zeek()
    for _ in range(3):
        zeek.header(MAX_BATCH_ROWS)
    receiver.get(zeek.header(1))
    assert receiver.lost == 3 * MAX_BATCH_ROWS


def test_messages_with_wrong_numbers_are_skipped_as_out_of_range() -> None:
    """Counted and logged as any other bad message; the flows of a batch are lost with the next."""
    receiver, zeek = session(), Zeek()
    receiver.accept(zeek.batch(2), 0.0)
    bad = replace(zeek.header(3), flows_before=2**62)
    receiver.accept(flows_message(plain(3), bad), 0.0)
    receiver.accept(hello_message(replace(zeek.told(), flows=(2**62,))), 0.0)
    receiver.accept(zeek.batch(4), 0.0)
    assert receiver.messages.dropped == {"range": 2}
    assert receiver.flows.dropped == {"lost": 3}
    assert receiver.flows.passed == 6
    assert receiver.flows.balanced
    assert receiver.messages.balanced
