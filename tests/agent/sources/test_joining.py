"""metatap.sources.joining: the reference, and who joins messages."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from structlog.testing import capture_logs

from metatap.errors import WireError
from metatap.flow import FlowBatch
from metatap.sources import flows_message
from metatap.sources.joining import BatchJoiner, Joiner, joiner
from metatap.sources.messages import Header
from metatap.sources.zeek_wire import FlowsMessage, open_message
from tests.agent.context.streams import BACKENDS, needs_numba
from tests.agent.flow.samples import plain, uids


def opened(rows: int, start: int = 0, cut: int = 0) -> FlowsMessage:
    """A message of plain flows whose header is read, with its end cut off."""
    parts = flows_message(plain(rows, start), Header("node", "boot", batch=start))
    made = open_message([*parts[:3], parts[3][: len(parts[3]) - cut]])
    assert isinstance(made, FlowsMessage)
    return made


@pytest.fixture(name="into", params=BACKENDS)
def _into(request: pytest.FixtureRequest) -> Joiner:
    return joiner(compiled=request.param)("test", 100)


def test_what_is_kept_is_joined_in_order(into: Joiner) -> None:
    """What was only read is not in the batch; the origin is the first message's."""
    for start, keep in ((0, False), (3, True), (6, False), (9, True), (12, False)):
        into.read(opened(3, start))
        if keep:
            into.keep()
    assert into.rows == 6
    batch = into.take()
    assert (batch.origin.source, batch.origin.node, batch.origin.batch) == ("test", "node", 3)
    assert uids(batch) == uids(plain(3, 3)) + uids(plain(3, 9))


def test_a_bad_message_leaves_what_was_kept(into: Joiner) -> None:
    """Reading goes on behind it."""
    into.read(opened(3))
    into.keep()
    into.read(opened(7, 3))
    with pytest.raises(WireError):
        into.read(opened(40, 3, cut=1))
    into.keep()
    assert into.rows == 3
    into.read(opened(2, 3))
    into.keep()
    assert uids(into.take()) == uids(plain(5))


def test_after_taking_a_new_batch_begins(into: Joiner) -> None:
    """Nothing of the one before is in it."""
    for rows in (4, 3):
        into.read(opened(rows, rows))
        into.keep()
        assert uids(into.take()) == uids(plain(rows, rows))
        assert into.rows == 0


def test_a_message_is_read_once(into: Joiner) -> None:
    """Its cursor has moved on."""
    message = opened(2)
    into.read(message)
    with pytest.raises(RuntimeError, match="once"):
        into.read(message)


@needs_numba
def test_a_twin_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that loses a column is compiled anew; if that doesn't help, the reference reads."""
    from metatap.sources import kernel  # noqa: PLC0415 - an optional dependency

    anew: list[bool] = []
    right = kernel.ColumnJoiner.take

    def wrong(self: Any) -> Any:
        batch = right(self)
        columns = {name: found for name, found in batch.columns.items() if name != "duration"}
        return FlowBatch(batch.rows, columns, batch.origin)

    monkeypatch.setattr(kernel, "recompile", lambda: anew.append(True))
    monkeypatch.setattr(kernel.ColumnJoiner, "take", wrong)
    with capture_logs() as events:
        assert joiner.__wrapped__() is BatchJoiner
    assert anew == [True]
    assert [event["event"] for event in events] == ["twin_not_used"]


def test_numba_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken numba costs speed, not flows: the reference reads, an event says why."""
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("kernel", "compiled"):
        monkeypatch.delitem(sys.modules, f"metatap.sources.{name}", raising=False)
    monkeypatch.setattr("metatap.compiling.find_spec", lambda _: object())
    with capture_logs() as events:
        assert joiner.__wrapped__() is BatchJoiner
    assert [event["event"] for event in events] == ["twin_not_used"]
