"""The spool against a list: whatever happens, each sink gets what is next or a count says why."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.agent.spool.lines import BIG, is_balanced, line

from metatap.spool import FILE, MIN_BYTES, Outcome, Spool, WhenFull

SINKS = st.sampled_from(("a", "b"))


class SpoolModel(RuleBasedStateMachine):
    """`kept` is the truth: the alert with number n is `kept[n - 1]`.

    `place` is the number up to which a sink has settled all, apart from `lost`: what the spool has
    counted as dropped for it since.
    """

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.folder = self.top / "0"
        self.now = 10**18
        self.kept: list[str] = []
        self.corrupt: set[int] = set()
        self.place: dict[str, int] = {}
        self.acked: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.filtered: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.taken: dict[str, list[int]] = {}
        self.lives = 0
        self.was_touched = False
        self.spool: Spool

    @initialize(when_full=st.sampled_from(WhenFull))
    def begin(self, when_full: WhenFull) -> None:
        self.when_full = when_full
        self.open(["a", "b"])

    def open(self, sinks: list[str]) -> None:
        stop = threading.Event()
        stop.set()
        self.spool = Spool(
            self.folder / FILE,
            sinks,
            max_bytes=MIN_BYTES,
            when_full=self.when_full,
            stop=stop,
            now=lambda: self.now,
        )
        self.taken.clear()
        assert not self.spool.set_aside
        for counter in (self.passed, self.filtered, self.refused, self.known, self.received):
            counter.clear()
        for name, claim in self.spool.claims.items():
            lost = sum(claim.alerts.dropped.values())
            self.place.setdefault(name, claim.cursor)
            self.received[name] = claim.alerts.received
            assert claim.waiting + lost == len(self.kept) - claim.cursor

    def lost(self, sink: str) -> int:
        """Alerts dropped by the spool since the sink's place was last known."""
        dropped = sum(self.spool.claims[sink].alerts.dropped.values())
        return dropped - self.refused[sink] - self.known[sink]

    @rule(count=st.integers(1, 12), size=st.sampled_from((0, 3_000, 40_000, 100_000)))
    def append(self, count: int, size: int) -> None:
        names = [str(len(self.kept) + row) for row in range(count)]
        self.kept += names
        for sink in self.spool.claims:
            self.received[sink] += count
        self.spool.append([line(name, size) for name in names])
        if self.when_full is WhenFull.DROP_OLDEST:
            assert self.spool.held == 0

    @rule(sink=SINKS, limit=st.integers(1, 40), max_bytes=st.sampled_from((1, 200_000, BIG)))
    def read(self, sink: str, limit: int, max_bytes: int) -> None:
        if sink not in self.spool.claims:
            return
        entries = self.spool.read(sink, limit, max_bytes)
        lost = self.lost(sink)
        begin = self.place[sink] + lost
        assert [entry.seq for entry in entries] == list(range(begin + 1, begin + 1 + len(entries)))
        assert [entry.id for entry in entries] == self.kept[begin : begin + len(entries)]
        assert not self.corrupt & {entry.seq for entry in entries}
        assert len(entries) <= limit
        self.known[sink] += lost
        self.place[sink] = begin
        self.taken[sink] = [entry.seq for entry in entries]

    @rule(sink=SINKS, data=st.data())
    def ack(self, sink: str, data: st.DataObject) -> None:
        if not self.taken.get(sink):
            return
        count = data.draw(st.integers(1, len(self.taken[sink])))
        filtered = data.draw(st.integers(0, count))
        refused = data.draw(st.integers(0, count - filtered))
        through = self.taken[sink][count - 1]
        self.spool.ack(sink, through, Outcome(filtered, {"refused": refused} if refused else {}))
        del self.taken[sink][:count]
        self.place[sink] = self.acked[sink] = through
        self.passed[sink] += count - filtered - refused
        self.filtered[sink] += filtered
        self.refused[sink] += refused

    @rule(sink=SINKS)
    def release(self, sink: str) -> None:
        self.spool.release(sink)
        self.taken.pop(sink, None)

    @rule()
    def kill(self) -> None:
        """The files as they are, under another process's eyes: nothing was closed."""
        sinks = list(self.spool.claims)
        held = self.spool.held
        self.lives += 1
        copy = self.top / str(self.lives)
        shutil.copytree(self.folder, copy)
        self.spool._queue.disk.close()
        self.folder = copy
        self._survive(sinks, held)

    @rule()
    def restart(self) -> None:
        """A proper end."""
        sinks = list(self.spool.claims)
        self.spool.close()
        held = self.spool.held
        assert is_balanced(self.spool)
        self._survive(sinks, held)

    @rule(data=st.data())
    def corrupt_some(self, data: st.DataObject) -> None:
        """A disk changes a record."""
        sinks = list(self.spool.claims)
        self.spool.close()
        held = self.spool.held
        raw = sqlite3.connect(self.folder / FILE)
        there = [seq for (seq,) in raw.execute("SELECT seq FROM records")]
        if there:
            chosen = data.draw(st.sets(st.sampled_from(there), min_size=1, max_size=3))
            for seq in chosen:
                raw.execute("UPDATE records SET body = body || x'20' WHERE seq = ?", (seq,))
            raw.commit()
            self.corrupt |= chosen
            self.was_touched = True
        raw.close()
        self._survive(sinks, held)

    def _survive(self, sinks: list[str], held: int) -> None:
        """A new process: what was in memory alone is gone, unless a sink has it."""
        before = {sink: (self.place[sink], self.lost(sink)) for sink in sinks}
        self.place.clear()
        reached = len(self.kept) - held
        # A sink that had taken alerts from memory keeps its place behind the end of the file.
        reached = max(reached, *(place for place, _ in before.values()))
        del self.kept[reached:]
        self.corrupt = {seq for seq in self.corrupt if seq <= reached}
        self.open(sinks)
        for sink, (place, lost) in before.items():
            assert self.acked[sink] <= self.place[sink] <= place + lost

    @rule(sink=SINKS)
    def remove(self, sink: str) -> None:
        if set(self.spool.claims) != {"a", "b"}:
            return
        waiting = self.spool.claims[sink].waiting
        before = self.spool.forgotten.get(sink, 0)
        self.spool.configure([name for name in self.spool.claims if name != sink])
        assert self.spool.forgotten[sink] == before + waiting
        for known in (self.place, self.taken, self.acked):
            known.pop(sink, None)
        for counter in (self.passed, self.filtered, self.refused, self.known, self.received):
            counter.pop(sink, None)

    @precondition(lambda self: len(self.spool.claims) == 1)
    @rule()
    def add(self) -> None:
        """The new sink begins with the oldest that is kept: it lacks nothing that is there."""
        (other,) = self.spool.claims
        (new,) = {"a", "b"} - {other}
        self.spool.configure([other, new])
        claim = self.spool.claims[new]
        oldest, _ = self.spool._queue.disk.read(lambda disk: disk.ends(), (0, 0))
        assert claim.cursor < oldest
        self.place[new] = claim.cursor
        self.received[new] = claim.alerts.received

    @rule(seconds=st.integers(-(10**6), 10**6))
    def jump(self, seconds: int) -> None:
        self.now += seconds * 10**9

    @rule()
    def retry(self) -> None:
        self.spool.retry()

    @invariant()
    def nothing_is_lost_silently(self) -> None:
        assert is_balanced(self.spool)
        for name, claim in self.spool.claims.items():
            assert claim.alerts.received == self.received[name]
            assert claim.alerts.passed == self.passed[name]
            assert claim.filtered == self.filtered[name]
            assert claim.alerts.dropped.get("refused", 0) == self.refused[name]
            assert claim.waiting == len(self.kept) - self.place[name] - self.lost(name)

    @invariant()
    def figures_are_sane(self) -> None:
        assert self.spool.age_s() >= 0
        assert (self.spool.age_s() == 0) >= (self.spool.depth == 0)
        assert self.was_touched or 0 <= self.spool.size <= MIN_BYTES
        if not self.was_touched:  # else another hand has written to the file
            assert (self.folder / FILE).stat().st_size <= MIN_BYTES
        assert not self.spool.failing

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
        shutil.rmtree(self.top)


TestSpoolModel = SpoolModel.TestCase
TestSpoolModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
