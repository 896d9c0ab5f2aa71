"""metatap.spool.delivery: every alert arrives, in order, whatever the receiver does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.spool.lines import (
    NoPause,
    Place,
    down,
    drain,
    ids,
    is_balanced,
    line,
    lines,
    open_spool,
)

from metatap.packs import Severity
from metatap.sinks.transport import Record, Sent, TransportError
from metatap.spool import Delivery, Spool
from metatap.spool.backoff import CAP_S, MAX_RETRY_AFTER_S, Backoff
from metatap.spool.prepare import Document

DEADLINE = 60.0


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = open_spool(tmp_path, "a", "b")
    yield spool
    spool.close()


def test_alerts_arrive_in_order_as_they_come(spool: Spool) -> None:
    """Those that waited, and those appended later; each in batches the transport takes."""
    place = Place(batch=7)
    spool.append(lines(0, 20))
    delivery = Delivery(spool, "a", place)
    delivery.start()
    for at in range(20, 60, 5):
        spool.append(lines(at, 5))
    wait_for(lambda: spool.claims["a"].waiting == 0)
    assert delivery.stop(5) == 0
    assert place.came == [str(at) for at in range(60)]
    assert place.bodies == lines(0, 60)
    assert place.is_closed
    assert (delivery.resent, delivery.errors) == (0, {})
    assert spool.claims["a"].alerts.passed == 60
    assert spool.claims["b"].waiting == 60


def test_an_alert_that_comes_while_nothing_waits_is_sent_without_a_pause(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause is for a receiver that fails, and for a spool that can't be read."""
    pauses: list[float] = []
    place = Place()
    delivery = Delivery(spool, "a", place)
    monkeypatch.setattr(delivery, "_pause", pauses.append)
    delivery.start()
    for at in range(5):
        spool.append(lines(at, 1))
        wait_for(lambda: spool.claims["a"].waiting == 0)
    assert delivery.stop(5) == 0
    assert place.came == [str(at) for at in range(5)]
    assert pauses == []


def test_a_record_carries_time_and_severity_of_the_alert(spool: Spool) -> None:
    """From the document; where it has none, the time it was appended and the lowest severity."""
    spool.append([line("low", severity=21), line("odd", severity=98), b"{}", b'{"event":3}'])
    place = Place()
    delivery = Delivery(spool, "a", place)
    delivery.start()
    wait_for(lambda: spool.claims["a"].waiting == 0)
    delivery.stop(5)
    time_ns = 1_709_287_200_250_000_000
    assert [(record.severity, record.time) for record in place.records[:2]] == [
        (Severity.LOW, time_ns),
        (Severity.HIGH, time_ns),
    ]
    assert [record.severity for record in place.records[2:]] == [Severity.LOW] * 2
    assert all(record.time > time_ns for record in place.records[2:])


def test_filter_and_format_are_the_sinks_own(spool: Spool) -> None:
    """What the filter refuses is counted apart; what can't be encoded stops no other alert."""

    def accepts(document: Document) -> bool:
        return int(document["event"]["id"]) % 2 == 0

    def encode(document: Document) -> bytes:
        if document["event"]["id"] == "4":
            raise KeyError("field")
        return json.dumps({"n": document["event"]["id"]}).encode()

    spool.append([*lines(0, 9), b"no json"])
    place = Place(batch=4)
    delivery = Delivery(spool, "a", place, accepts=accepts, encode=encode)
    delivery.start()
    wait_for(lambda: spool.claims["a"].waiting == 0)
    delivery.stop(5)
    assert place.bodies == [b'{"n": "0"}', b'{"n": "2"}', b'{"n": "6"}', b'{"n": "8"}']
    claim = spool.claims["a"]
    assert (claim.filtered, claim.alerts.dropped) == (4, {"unencodable": 2})
    assert is_balanced(spool)


def test_a_receiver_that_is_down_gets_all_once_it_is_back(spool: Spool) -> None:
    """Nothing is dropped meanwhile; the other sink does not wait; `reopen` tries at once."""
    place, other = Place(batch=5), Place()
    place.answer = down
    spool.append(lines(0, 12))
    delivery = Delivery(spool, "a", place)
    beside = Delivery(spool, "b", other)
    delivery.start()
    beside.start()
    wait_for(lambda: spool.claims["b"].waiting == 0)
    wait_for(lambda: delivery.errors["refused"] >= 2)
    assert spool.claims["a"].waiting == 12
    place.answer = lambda records: Sent(len(records))
    delivery.reopen()
    wait_for(lambda: spool.claims["a"].waiting == 0)
    assert delivery.stop(5) == beside.stop(5) == 0
    assert place.came == other.came == [str(at) for at in range(12)]
    assert place.reopened == 1
    assert delivery.resent >= 5
    assert spool.claims["a"].alerts.dropped == {}


def test_what_is_refused_is_counted_and_what_is_not_done_is_sent_again(spool: Spool) -> None:
    """Only the settled prefix is acknowledged."""
    tries: list[list[str]] = []

    def answer(records: Sequence[Record]) -> Sent:
        tries.append([record.id for record in records])
        refused = {at: "mapping" for at, record in enumerate(records[:3]) if record.id == "1"}
        return Sent(min(3, len(records)), refused)

    place = Place(batch=5)
    place.answer = answer
    spool.append(lines(0, 7))
    delivery = Delivery(spool, "a", place, random=NoPause())
    delivery.start()
    wait_for(lambda: spool.claims["a"].waiting == 0)
    delivery.stop(5)
    assert tries == [["0", "1", "2", "3", "4"], ["3", "4"], ["5", "6"]]
    assert place.came == ["0", "2", "3", "4", "5", "6"]
    assert spool.claims["a"].alerts.dropped == {"mapping": 1}
    assert (delivery.resent, delivery.errors) == (2, {"partial": 1})
    assert is_balanced(spool)


def test_the_end_delivers_what_it_can_and_leaves_the_rest(tmp_path: Path) -> None:
    """What is left is in the spool, and the next agent sends it."""
    spool = open_spool(tmp_path)
    place = Place(batch=1)
    gate = threading.Event()

    def answer(records: Sequence[Record]) -> Sent:
        gate.wait(DEADLINE)
        if len(place.came) >= 3:
            raise TransportError("throttled", "later", retry_after=3_000.0)
        return Sent(len(records))

    place.answer = answer
    spool.append(lines(0, 8))
    delivery = Delivery(spool, "a", place)
    delivery.start()
    gate.set()
    wait_for(lambda: delivery.errors["throttled"])
    assert delivery.stop(0.3) == 5
    assert place.is_closed
    spool.close()
    spool = open_spool(tmp_path)
    assert ids(drain(spool, "a")) == ["3", "4", "5", "6", "7"]
    spool.close()


def test_the_end_drains_what_still_comes_through(spool: Spool) -> None:
    """A stop does not cut off what waits behind a slow receiver."""
    place = Place(batch=3)

    def answer(records: Sequence[Record]) -> Sent:
        time.sleep(0.01)
        return Sent(len(records))

    place.answer = answer
    delivery = Delivery(spool, "a", place)
    delivery.start()
    spool.append(lines(0, 60))
    assert delivery.stop(DEADLINE) == 0
    assert len(place.came) == 60


def test_a_delivery_that_was_never_begun_ends(spool: Spool) -> None:
    """As after a start that failed half-way."""
    spool.append(lines(0, 2))
    place = Place()
    assert Delivery(spool, "a", place).stop(1) == 2
    assert place.is_closed


def test_a_spool_that_fails_in_the_middle_does_not_end_the_thread(spool: Spool) -> None:
    """A sink taken away under its delivery is an error that is counted; put back, it goes on."""
    place = Place()
    delivery = Delivery(spool, "a", place, random=NoPause())
    spool.configure(["b"])
    delivery.start()
    wait_for(lambda: delivery.errors["internal"])
    spool.configure(["a", "b"])
    spool.append(lines(0, 3))
    wait_for(lambda: len(place.came) == 3)
    assert delivery.stop(5) == 0


def test_a_receiver_that_hangs_does_not_hold_up_the_end(spool: Spool) -> None:
    """The thread is left behind; its alerts stay in the spool."""
    place = Place(batch=3)
    hung = threading.Event()

    def answer(_: Sequence[Record]) -> Sent:
        hung.wait(DEADLINE)
        return Sent(0)

    place.answer = answer
    spool.append(lines(0, 5))
    delivery = Delivery(spool, "a", place)
    delivery.start()
    begin = time.monotonic()
    assert delivery.stop(0.1) == 5
    assert time.monotonic() - begin < DEADLINE / 2
    spool.close()
    hung.set()
    wait_for(lambda: place.is_closed)


FAULTS = st.lists(
    st.one_of(
        st.just("down"),
        st.just("bug"),
        st.tuples(st.integers(0, 6), st.sets(st.integers(0, 6), max_size=2)),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(faults=FAULTS, counts=st.lists(st.integers(0, 9), max_size=8), batch=st.integers(1, 6))
def test_whatever_a_receiver_does_each_alert_has_one_fate(
    tmp_path_factory: pytest.TempPathFactory,
    faults: list[str | tuple[int, set[int]]],
    counts: list[int],
    batch: int,
) -> None:
    """Delivered or refused, in order, and appended = passed + dropped."""
    script = list(faults)
    refused: list[str] = []
    place = Place(batch=batch)

    def answer(records: Sequence[Record]) -> Sent:
        fault = script.pop(0) if script else None
        if fault == "down":
            return down(records)
        if fault == "bug":
            raise ZeroDivisionError
        if not isinstance(fault, tuple):
            return Sent(len(records))
        done = min(fault[0], len(records))
        refused.extend(records[at].id for at in sorted(fault[1]) if at < done)
        return Sent(done, dict.fromkeys((at for at in fault[1] if at < done), "no"))

    place.answer = answer
    spool = open_spool(tmp_path_factory.mktemp("spool"))
    delivery = Delivery(spool, "a", place, random=NoPause())
    delivery.start()
    total = 0
    for count in counts:
        spool.append(lines(total, count))
        total += count
    assert delivery.stop(DEADLINE) == 0
    claim = spool.claims["a"].alerts
    assert sorted([*place.came, *refused], key=int) == [str(at) for at in range(total)]
    assert place.came == sorted(place.came, key=int)
    assert claim.passed == len(place.came)
    assert sum(claim.dropped.values()) == len(refused)
    assert claim.balanced
    spool.close()


def test_pauses_grow_to_a_bound_with_full_jitter_and_honour_the_receiver() -> None:
    """Exponential from 0.5 s to 60 s; what a receiver asks for is kept to, up to an hour."""

    class Longest(NoPause):
        def uniform(self, a: float, b: float) -> float:
            return max(a, b)

    backoff = Backoff(Longest())
    pauses = [backoff.failed() for _ in range(2_000)]
    assert pauses[:8] == [0.5, 1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[8:]) == {CAP_S}
    backoff.succeeded()
    assert backoff.failed() == 0.5
    assert backoff.failed(7.0) == 7.0
    assert backoff.failed(1e9) == MAX_RETRY_AFTER_S
    assert backoff.failed(float("nan")) == 4.0
    assert backoff.failed(-1.0) == 8.0
    least = Backoff(NoPause())
    assert [least.failed() for _ in range(5)] == [0.0] * 5
