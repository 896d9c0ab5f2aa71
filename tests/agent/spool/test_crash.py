"""The spool after an end at any instant: all that was appended is there, in its order."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from tests.agent.spool import kill
from tests.agent.spool.lines import drain, ids, is_balanced, lines, open_spool

from metatap.spool import FILE, Entry, WhenFull
from metatap.state.damage import ASIDE

WAL = FILE + "-wal"


def test_killed_at_any_instant(tmp_path: Path) -> None:
    """After kill −9 every alert whose append had returned is there, and nothing is damaged."""
    said, found = kill.run(tmp_path, 25, seed=1)
    assert 0 < said <= found


def test_a_torn_end_of_the_log_loses_nothing_that_lies_before(tmp_path: Path) -> None:
    """Each transaction is whole or absent, and one that ends before the tear is there."""
    rng = Random(3)
    live = tmp_path / "live"
    spool = open_spool(live, "a", "b")
    ends = [(0, (live / WAL).stat().st_size)]
    total = 0
    while ends[-1][1] < 2_000_000:
        count = rng.randint(1, 9)
        spool.append(lines(total, count, size=rng.choice((200, 9_000))))
        total += count
        ends.append((total, (live / WAL).stat().st_size))
    appended = {count for count, _ in ends}
    for at in range(60):
        cut = rng.randint(0, ends[-1][1])
        folder = tmp_path / f"cut{at}"
        folder.mkdir()
        shutil.copy(live / FILE, folder / FILE)
        (folder / WAL).write_bytes((live / WAL).read_bytes()[:cut])
        torn = open_spool(folder, "a", "b")
        there = ids(drain(torn, "a", limit=1_000))
        torn.close()
        assert there == [str(number) for number in range(len(there))]
        assert len(there) in appended
        assert len(there) >= max(count for count, end in ends if end <= max(cut, ends[0][1]))
        shutil.rmtree(folder)
    spool.close()


@pytest.mark.parametrize("seed", range(40))
def test_bytes_that_a_disk_changed_give_the_alerts_or_say_which_are_lost(
    tmp_path: Path, seed: int
) -> None:
    """No changed alert is delivered; each is there, counted, or the file is set aside."""
    rng = Random(seed)
    total = 60
    spool = open_spool(tmp_path)
    for at in range(0, total, 10):
        spool.append(lines(at, 10, size=rng.choice((100, 2_000, 9_000))))
    spool.close()
    whole = {entry.id: entry.body for entry in _all_of(tmp_path)}
    raw = bytearray((tmp_path / FILE).read_bytes())
    if rng.random() < 0.2:
        del raw[rng.randrange(len(raw)) :]
    for _ in range(rng.randint(1, 20)):
        if raw:
            raw[rng.randrange(len(raw))] ^= rng.randint(1, 255)
    (tmp_path / FILE).write_bytes(raw)
    spool = open_spool(tmp_path, "a", when_full=WhenFull.DROP_OLDEST)
    there = drain(spool, "a", limit=7)
    assert all(whole[entry.id] == entry.body for entry in there)
    numbers = [int(name) for name in ids(there)]
    assert numbers == sorted(set(numbers))
    assert is_balanced(spool)
    if spool.set_aside:
        assert (tmp_path / (FILE + ASIDE)).exists()
    elif len(there) < total and raw:
        assert len(there) + sum(spool.claims["a"].alerts.dropped.values()) == total
    spool.append(lines(total, 5))
    assert ids(drain(spool, "a")) == [str(at) for at in range(total, total + 5)]
    spool.close()


def _all_of(folder: Path) -> list[Entry]:
    spool = open_spool(folder)
    entries = spool.read("a", 1_000, 2**30)
    spool.close()
    return entries
