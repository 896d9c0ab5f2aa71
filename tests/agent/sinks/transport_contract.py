"""What every transport must keep to: one function, called for each of them."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import pytest
from structlog.testing import capture_logs

from metatap.packs import Severity
from metatap.sinks import Guarantee, Record, Sent, Transport, TransportError

DEADLINE = 60.0
"""s until what must happen has happened."""

_ID = re.compile(r'\{"event":\{"id":"([^"]+)"')


class Receiver(Protocol):
    """The other end."""

    def start(self) -> None:
        """Begin, or begin again in the same place."""

    def kill(self) -> None:
        """End at once; does nothing when it is not running."""

    def hang(self) -> None:
        """Go on without taking anything."""

    def resume(self) -> None:
        """Take again."""

    def ids(self) -> list[str]:
        """Ids of what came, in its order."""


def make_record(number: int, size: int = 0) -> Record:
    """A record.

    Args:
        number: By which it is known.
        size: Bytes of padding.
    """
    name = f"id-{number:06d}"
    body = json.dumps({"event": {"id": name}, "n": "é", "padding": "x" * size}, ensure_ascii=False)
    return Record(
        name,
        1_700_000_000_123_456_789 + number,
        list(Severity)[number % 4],
        body.replace(": ", ":").encode(),
    )


def ids_in(lines: Sequence[str]) -> list[str]:
    """Ids of the records in lines that hold one; others are parts of a message that broke off."""
    return [found[1] for line in lines if (found := _ID.search(line))]


def bring(transport: Transport, records: Sequence[Record]) -> dict[str, str]:
    """Send all, as delivery does: what is not done is sent again.

    Returns:
        Id → why it was refused.
    """
    refused = {}
    at = 0
    while at < len(records):
        batch = records[at : at + transport.batch]
        sent = transport.send(batch)
        check_sent(sent, len(batch))
        refused.update({batch[index].id: why for index, why in sent.refused.items()})
        at += sent.done
    return refused


def check_sent(sent: Sent, count: int) -> None:
    """Something is done, no more than was given, and only what is done is refused."""
    assert 0 < sent.done <= count
    assert all(0 <= index < sent.done for index in sent.refused)
    assert all(re.fullmatch(r"[a-z0-9_]+", why) for why in sent.refused.values())


def bring_at_last(transport: Transport, records: Sequence[Record]) -> None:
    """Send all to a receiver that comes back."""
    until = time.monotonic() + DEADLINE
    while True:
        try:
            bring(transport, records)
        except TransportError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether something comes true."""
    until = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def once(ids: Sequence[str]) -> list[str]:
    """The first of each, in their order."""
    return list(dict.fromkeys(ids))


def check_transport(
    make: Callable[[], Transport],
    receiver: Receiver,
    *,
    notices_hanging: bool = True,
    secret: str = "",
) -> None:
    """Check a transport against a receiver that works, dies, comes back and hangs.

    Args:
        make: Gives a new transport with time-outs of about a second.
        receiver: Not started.
        notices_hanging: Whether it can know that the receiver takes nothing.
        secret: Must not be seen anywhere.
    """
    records = [make_record(number) for number in range(300)]
    names = [record.id for record in records]
    errors: list[str] = []
    with capture_logs() as logs:
        transport = make()
        assert isinstance(transport.guarantee, Guarantee)
        assert transport.batch > 0
        assert transport.name
        _refuses(transport, records[:1], errors)
        receiver.start()
        assert bring(transport, records[:100]) == {}
        assert eventually(lambda: len(receiver.ids()) >= 100)
        assert receiver.ids() == names[:100], "in order, each once"
        transport.reopen()
        assert bring(transport, records[100:110]) == {}
        if transport.guarantee is Guarantee.BEST_EFFORT:
            assert eventually(lambda: len(receiver.ids()) >= 110), "what it has not read is lost"
        receiver.kill()
        _refuses(transport, records[110:150], errors)
        receiver.start()
        bring_at_last(transport, records[110:150])
        assert eventually(lambda: once(receiver.ids()) == names[:150]), "nothing lost, in order"
        if notices_hanging:
            receiver.hang()
            _refuses(transport, records[150:], errors)
            receiver.resume()
        bring_at_last(transport, records[150:])
        assert eventually(lambda: set(receiver.ids()) >= set(names))
        assert once(receiver.ids())[:150] == names[:150]
        transport.close()
        transport.close()
        receiver.kill()
    seen = [repr(transport), transport.name, repr(vars(transport)), repr(logs), *errors]
    assert not secret or not any(secret in text for text in seen)


def _refuses(transport: Transport, records: Sequence[Record], errors: list[str]) -> None:
    """Check that sending fails within a bound, and say how.

    What a receiver's system takes for it has to fill up first, so that large records follow.
    """
    raised: list[TransportError] = []

    def send() -> None:
        try:
            bring(transport, records)
            for _ in range(100):
                bring(transport, [make_record(at, 60_000) for at in range(1000, 1200)])
        except TransportError as error:
            raised.append(error)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive(), "every wait is bounded"
    if not raised:
        pytest.fail("a receiver that takes nothing goes unnoticed")
    assert re.fullmatch(r"[a-z0-9_]+", raised[0].reason)
    errors.append(str(raised[0]))
