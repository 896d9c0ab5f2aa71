"""The spool: alerts on the disk until every sink has them.

In: encoded alerts, ECS JSON lines. Out: to each sink, in their order, by a thread of its own
(`Delivery`), at least once: what was sent and not acknowledged before an end of the process is sent
again, under the same `event.id`. For each sink at any time
received = passed + Σ dropped + filtered + waiting.

The queue is one SQLite file (`spool.db`) with a write-ahead log (https://sqlite.org/wal.html):
`append` is one transaction with `synchronous = FULL`, on the disk when it returns, and whole or
absent after an end at any instant, a loss of power included (https://sqlite.org/atomiccommit.html).
SQLite finds a torn end of its log by itself, gives room back in the middle of the file, and is
tested for that as a queue of files of our own would never be. A checksum beside each alert finds
what a disk changed since.

Dropped: see `REASONS`, and what a receiver refuses under the transport's reason.
"""

from metatap.spool.claim import Claim, Outcome
from metatap.spool.delivery import Delivery
from metatap.spool.entry import Entry
from metatap.spool.reasons import REASONS
from metatap.spool.room import MIN_BYTES, WhenFull
from metatap.spool.spool import FILE, Spool

__all__ = [
    "FILE",
    "MIN_BYTES",
    "REASONS",
    "Claim",
    "Delivery",
    "Entry",
    "Outcome",
    "Spool",
    "WhenFull",
]
