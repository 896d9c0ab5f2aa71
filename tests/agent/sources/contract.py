"""What every source must do: `check_source`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from metatap.errors import SourceError
from metatap.flow import FlowBatch
from metatap.sources import Source
from tests.agent.flow.samples import uids

STATUS_MAX_BYTES = 4096
"""Bytes of the status of a source with one node at most."""


@dataclass
class Supply:
    """A source with something to read.

    Attributes:
        source: The source.
        expected: uids of the flows it must give, in order.
        ends: Whether it is done by itself after the last one.
        dropped: Reasons for which flows are dropped on the way, at least one.
    """

    source: Source
    expected: list[bytes | None]
    ends: bool
    dropped: tuple[str, ...] = ("lost",)


def read_all(source: Source, flows: int | None = None, seconds: float = 10.0) -> list[FlowBatch]:
    """Batches until the source is done, or until there are so many flows."""
    found: list[FlowBatch] = []
    deadline = time.monotonic() + seconds
    while not source.done and time.monotonic() < deadline:
        batch = source.read(0.05)
        if batch is not None:
            found.append(batch)
        if flows is not None and sum(batch.rows for batch in found) >= flows:
            break
    return found


AnySource = TypeVar("AnySource", bound=Source)


@contextmanager
def closing(source: AnySource) -> Iterator[AnySource]:
    """Close the source at the end."""
    try:
        yield source
    finally:
        source.close()


def check_source(make: Callable[[], Supply]) -> None:
    """Checks of the `Source` protocol, whatever the source.

    Args:
        make: Makes a source with a few batches to read, at least one lost or bad flow and at least
            one bad message among them.
    """
    supply = make()
    source = supply.source
    with closing(source):
        assert isinstance(source, Source)
        assert source.name
        assert not source.done
        batches = read_all(source, None if supply.ends else len(supply.expected))
        assert [uid for batch in batches for uid in uids(batch)] == supply.expected
        assert all(batch.rows for batch in batches), "a batch that is passed on has flows"
        assert {batch.origin.source for batch in batches} == {source.name}
        assert source.done is supply.ends
        start = time.monotonic()
        assert source.read(0.1) is None
        assert time.monotonic() - start < 5
        assert source.flows.balanced
        assert source.flows.passed == len(supply.expected)
        assert all(source.flows.dropped[reason] > 0 for reason in supply.dropped)
        assert source.messages.balanced
        assert sum(source.messages.dropped.values()) > 0
        status = source.status()
        if "lost" in supply.dropped:
            assert status["lost"] == source.flows.dropped["lost"]
        assert len(json.dumps(status)) < STATUS_MAX_BYTES
    source.close()  # once more: idempotent
    assert source.done
    try:
        assert source.read(0) is None
    except SourceError as error:
        assert str(error), "an error of a source names the file or endpoint"  # noqa: PT017
    _check_discard(make())


def _check_discard(supply: Supply) -> None:
    source = supply.source
    with closing(source):
        first = read_all(source, 1)
        read = sum(batch.rows for batch in first)
        assert 0 < read < len(supply.expected)
        dropped = source.discard("given_up")
        assert dropped == source.flows.dropped.get("given_up", 0)
        assert source.flows.passed == read
        assert source.flows.balanced
        assert source.messages.balanced
        assert source.done
        assert source.read(0) is None
        assert source.discard("given_up") == 0
        json.dumps(source.status())
    assert source.done
    assert source.read(0) is None


def fails_by_name(make: Callable[[], object], name: str) -> None:
    """Making the source fails, and the message names what it was made from."""
    with pytest.raises(SourceError) as caught:
        make()
    assert name in str(caught.value)
