"""Wire messages: sound ones, mutated, through a session that checks what it passes on."""

from __future__ import annotations

from tests.agent.sources.mutate import Traffic
from tests.agent.sources.test_fuzz_wire import DOCUMENTED, Receiver, still_reads
from tests.fuzz.tally import Tally

ROUND = 5_000
"""Messages of one session."""


def run(tally: Tally, count: int, seed: int) -> None:
    """Feed so many messages; afterwards each session must still read a sound one."""
    for start in range(0, count, ROUND):
        receiver = Receiver()
        receiver.feed(Traffic(seed + start // ROUND).messages(min(ROUND, count - start)))
        messages = receiver.session.messages
        assert set(messages.dropped) <= DOCUMENTED
        tally.add(messages.passed, messages.dropped)
        still_reads(receiver.session)
