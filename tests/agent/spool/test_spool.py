"""metatap.spool.spool: what is appended is there until every sink has it."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from tests.agent.spool.lines import BIG, drain, ids, is_balanced, line, lines, open_spool

from metatap.errors import StateError
from metatap.spool import FILE, MIN_BYTES, Outcome, Spool, WhenFull
from metatap.spool.entry import MAX_BODY
from metatap.state.damage import ASIDE


def test_every_sink_gets_every_alert_in_order_and_they_survive_a_restart(tmp_path: Path) -> None:
    """Closing is not enough to lose what a sink has not acknowledged, nor to send it twice."""
    spool = open_spool(tmp_path, "a", "b")
    spool.append(lines(0, 5))
    spool.append(lines(5, 3))
    first = spool.read("a", 4, BIG)
    assert [entry.body for entry in first] == lines(0, 4)
    assert [entry.seq for entry in first] == [1, 2, 3, 4]
    spool.ack("a", 4)
    spool.close()
    spool = open_spool(tmp_path, "a", "b")
    assert ids(drain(spool, "a")) == ["4", "5", "6", "7"]
    assert ids(drain(spool, "b", limit=3)) == [str(at) for at in range(8)]
    assert spool.depth == 0
    assert is_balanced(spool)
    spool.close()


def test_what_was_read_and_not_acknowledged_comes_again(tmp_path: Path) -> None:
    """A second read begins where the acknowledged ones end."""
    spool = open_spool(tmp_path)
    spool.append(lines(0, 5))
    assert ids(spool.read("a", 10, BIG)) == ["0", "1", "2", "3", "4"]
    spool.ack("a", 2, Outcome(filtered=1))
    assert ids(spool.read("a", 10, BIG)) == ["2", "3", "4"]
    assert spool.claims["a"].waiting == 3
    assert spool.claims["a"].filtered == 1
    spool.ack("a", 1)
    assert spool.claims["a"].waiting == 3
    with pytest.raises(ValueError, match="no such alerts"):
        spool.ack("a", 6)
    with pytest.raises(ValueError, match="no such alerts"):
        spool.ack("a", 3, Outcome(dropped={"refused": 2}))
    assert is_balanced(spool)
    spool.close()


def test_a_read_is_bounded_in_alerts_and_in_bytes(tmp_path: Path) -> None:
    """One alert is read even where it alone is over the bound."""
    spool = open_spool(tmp_path)
    spool.append(lines(0, 10, size=1_000))
    assert len(spool.read("a", 3, BIG)) == 3
    assert len(spool.read("a", 100, 4_500)) == 4
    assert len(spool.read("a", 100, 1)) == 1
    spool.close()


def test_the_folder_is_private_and_for_one_agent(tmp_path: Path) -> None:
    """Folder and files are for this user alone, and a second agent is refused."""
    folder = tmp_path / "state"
    spool = open_spool(folder)
    spool.append(lines(0, 1))
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StateError, match=FILE):
        open_spool(folder)
    spool.close()
    open_spool(folder).close()


def test_what_all_sinks_have_is_deleted_and_the_file_gets_small_again(tmp_path: Path) -> None:
    """After an outage the file shrinks, step by step, as the agent has nothing else to do."""
    spool = open_spool(tmp_path, "a", "b")
    for at in range(20):
        spool.append(lines(at * 100, 100, size=10_000))
    assert spool.size > 20_000_000
    drain(spool, "a", limit=1_000)
    assert spool.size > 20_000_000
    drain(spool, "b", limit=1_000)
    assert spool.size < 200_000
    for _ in range(20):
        spool.retry()
    spool.close()
    assert (tmp_path / FILE).stat().st_size < 5_000_000


def test_a_new_sink_begins_with_the_oldest_kept_and_one_that_goes_is_forgotten(
    tmp_path: Path,
) -> None:
    """A renamed sink loses nothing; what waited for the old name is counted and logged."""
    spool = open_spool(tmp_path, "a", "b")
    spool.append(lines(0, 6))
    spool.read("a", 4, BIG)
    spool.ack("a", 4)
    spool.read("b", 2, BIG)
    spool.ack("b", 2)
    spool.close()
    spool = open_spool(tmp_path, "a", "c")
    assert spool.forgotten == {"b": 4}
    assert ids(drain(spool, "c")) == ["2", "3", "4", "5"]
    assert ids(drain(spool, "a")) == ["4", "5"]
    spool.configure(["a"])
    assert spool.forgotten == {"b": 4, "c": 0}
    spool.append(lines(6, 1))
    assert ids(drain(spool, "a")) == ["6"]
    with pytest.raises(ValueError, match="one name"):
        spool.configure(["a", "a"])
    spool.close()


def test_without_sinks_nothing_is_kept(tmp_path: Path) -> None:
    """There is nobody to keep it for."""
    spool = Spool(tmp_path / FILE, [], max_bytes=BIG, when_full=WhenFull.BLOCK)
    spool.append(lines(0, 10))
    assert (spool.depth, spool.held) == (0, 0)
    spool.configure(["a"])
    assert spool.claims["a"].waiting == 0
    spool.close()


def test_a_full_spool_drops_the_oldest_and_says_whose(tmp_path: Path) -> None:
    """Only a sink that had not had them misses them; the file keeps to its bound."""
    spool = open_spool(tmp_path, "a", "b", max_bytes=MIN_BYTES, when_full=WhenFull.DROP_OLDEST)
    came: list[str] = []
    for at in range(0, 400, 10):
        spool.append(lines(at, 10, size=6_000))
        came += ids(drain(spool, "a"))
        assert spool.size <= MIN_BYTES
        assert spool.held == 0
    assert came == [str(at) for at in range(400)]
    assert spool.claims["a"].alerts.dropped == {}
    left = ids(drain(spool, "b"))
    assert left == [str(at) for at in range(400 - len(left), 400)]
    assert len(left) > 80
    assert spool.claims["b"].alerts.dropped == {"spool_full": 400 - len(left)}
    assert is_balanced(spool)
    spool.close()
    assert (tmp_path / FILE).stat().st_size <= MIN_BYTES


def test_alerts_in_a_sinks_hands_are_not_counted_as_dropped(tmp_path: Path) -> None:
    """A sink may still deliver what it took before it had to give way; else it is counted."""
    spool = open_spool(tmp_path, "a", max_bytes=MIN_BYTES, when_full=WhenFull.DROP_OLDEST)
    spool.append(lines(0, 20, size=6_000))
    spool.read("a", 20, BIG)
    for at in range(20, 420, 20):
        spool.append(lines(at, 20, size=6_000))
    lost = spool.claims["a"].alerts.dropped["spool_full"]
    assert spool.claims["a"].waiting == 420 - lost
    spool.ack("a", 15)
    assert spool.claims["a"].alerts.passed == 15
    rest = drain(spool, "a")
    assert rest[0].seq == lost + 5 + 15 + 1
    assert spool.claims["a"].alerts.dropped == {"spool_full": lost + 5}
    assert is_balanced(spool)
    spool.close()


def test_a_full_spool_that_blocks_waits_for_the_slowest_sink(tmp_path: Path) -> None:
    """Append returns once all is on the disk; the time it waited is counted; nothing is lost."""
    spool = open_spool(tmp_path, "a", "b", max_bytes=MIN_BYTES)
    done = threading.Event()

    def fill() -> None:
        for at in range(0, 400, 20):
            spool.append(lines(at, 20, size=6_000))
        done.set()

    thread = threading.Thread(target=fill)
    thread.start()
    deadline = time.monotonic() + 60
    while not spool.is_blocked and time.monotonic() < deadline:
        time.sleep(0.01)
    assert spool.is_blocked
    fast = ids(drain(spool, "a"))
    assert not done.wait(0.5)
    assert fast
    slow: list[str] = []
    while not done.is_set() and time.monotonic() < deadline:
        slow += ids(drain(spool, "b"))
        fast += ids(drain(spool, "a"))
        assert spool.size <= MIN_BYTES
    thread.join()
    slow += ids(drain(spool, "b"))
    fast += ids(drain(spool, "a"))
    assert slow == fast == [str(at) for at in range(400)]
    assert spool.blocked_s > 0
    assert not spool.is_blocked
    spool.close()


def test_a_blocked_append_ends_with_the_agent(tmp_path: Path) -> None:
    """What is still in memory then may be delivered; what is not is dropped, counted."""
    stop = threading.Event()
    spool = open_spool(tmp_path, "a", max_bytes=MIN_BYTES, stop=stop)
    threading.Timer(0.3, stop.set).start()
    for at in range(0, 400, 20):
        spool.append(lines(at, 20, size=6_000))
    held = spool.held
    assert held > 100
    on_disk = 400 - held
    assert len(spool.read("a", 400, BIG)) == 400
    spool.release("a")
    spool.close()
    assert spool.claims["a"].alerts.dropped == {"spool_full": held}
    assert is_balanced(spool)
    spool = open_spool(tmp_path)
    assert ids(drain(spool, "a")) == [str(at) for at in range(on_disk)]
    spool.close()


def test_a_corrupt_record_is_skipped_and_counted_and_the_others_come(tmp_path: Path) -> None:
    """Each sink counts it; a record that is gone counts as missing."""
    spool = open_spool(tmp_path, "a", "b")
    spool.append(lines(0, 12))
    spool.close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("UPDATE records SET body = ? WHERE seq = 1", (line("evil"),))
        raw.execute("UPDATE records SET body = 7 WHERE seq = 2")
        raw.execute("UPDATE records SET id = 'nine' WHERE seq = 5")
        raw.execute("UPDATE records SET at = at + 1 WHERE seq = 12")
        raw.execute("DELETE FROM records WHERE seq IN (7, 8)")
    raw.close()
    spool = open_spool(tmp_path, "a", "b")
    for sink, limit in (("a", 4), ("b", 1)):
        assert ids(drain(spool, sink, limit=limit)) == ["2", "3", "5", "8", "9", "10"]
        assert spool.claims[sink].alerts.dropped == {"corrupt": 4, "missing": 2}
    assert is_balanced(spool)
    spool.close()


def test_alerts_missing_at_the_end_are_counted_and_their_numbers_not_given_again(
    tmp_path: Path,
) -> None:
    """A sink that waits for them goes on with what comes."""
    spool = open_spool(tmp_path)
    spool.append(lines(0, 6))
    spool.close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("DELETE FROM records WHERE seq > 2")
    raw.close()
    spool = open_spool(tmp_path)
    assert ids(drain(spool, "a")) == ["0", "1"]
    assert spool.claims["a"].alerts.dropped == {"missing": 4}
    spool.append(lines(6, 1))
    assert [entry.seq for entry in drain(spool, "a")] == [7]
    assert is_balanced(spool)
    spool.close()


def test_a_sinks_place_that_is_damaged_sends_again_and_skips_nothing(tmp_path: Path) -> None:
    """The sink begins with the oldest alert that is kept."""
    spool = open_spool(tmp_path, "a", "b")
    spool.append(lines(0, 9))
    spool.read("a", 5, BIG)
    spool.ack("a", 5)
    spool.read("b", 3, BIG)
    spool.ack("b", 3)
    spool.close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("UPDATE sinks SET acked = 8")
    raw.close()
    spool = open_spool(tmp_path, "a", "b")
    assert ids(drain(spool, "a")) == ["3", "4", "5", "6", "7", "8"]
    assert ids(drain(spool, "b")) == ["3", "4", "5", "6", "7", "8"]
    spool.close()


@pytest.mark.parametrize(
    "content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_file_that_is_no_spool_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """It is kept under another name and named; the agent begins anew."""
    (tmp_path / FILE).write_bytes(content)
    spool = open_spool(tmp_path)
    assert len(spool.set_aside) == 1
    assert (tmp_path / (FILE + ASIDE)).read_bytes() == content
    spool.append(lines(0, 2))
    assert ids(drain(spool, "a")) == ["0", "1"]
    spool.close()


def test_a_spool_of_another_schema_is_set_aside(tmp_path: Path) -> None:
    """It is not guessed at."""
    open_spool(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    spool = open_spool(tmp_path)
    assert "schema version 99" in spool.set_aside[0]
    spool.close()


def test_what_has_no_id_or_is_no_json_is_kept_as_it_is(tmp_path: Path) -> None:
    """The spool looks at nothing but the id."""
    odd = [b"", b"{", b'{"event":{"id":7}}', b"\xff\xfe", b'{"event":[]}', "é".encode()]
    spool = open_spool(tmp_path)
    spool.append(odd)
    assert [(entry.id, entry.body) for entry in drain(spool, "a")] == [("", body) for body in odd]
    spool.close()


def test_an_alert_of_any_size_is_refused_and_after_the_end_all_are(tmp_path: Path) -> None:
    """Nothing raises; each is counted under its reason."""
    spool = open_spool(tmp_path)
    spool.append([b"x" * (MAX_BODY + 1), *lines(0, 1), b"x" * MAX_BODY])
    assert len(drain(spool, "a")) == 2
    spool.close()
    spool.close()
    spool.append(lines(1, 3))
    assert spool.claims["a"].alerts.dropped == {"too_big": 1, "closed": 3}
    assert spool.read("a", 1, BIG) == []
    assert is_balanced(spool)


def test_the_age_of_the_oldest_alert_follows_the_wall_clock_and_is_never_negative(
    tmp_path: Path,
) -> None:
    """It is that of what waits, also after a restart; a clock set back makes it 0."""
    now = [10**18]
    spool = open_spool(tmp_path, "a", "b", now=lambda: now[0])
    assert spool.age_s() == 0
    spool.append(lines(0, 1))
    now[0] += 5 * 10**9
    spool.append(lines(1, 1))
    assert spool.age_s() == spool.age_s("a") == 5
    spool.read("a", 1, BIG)
    spool.ack("a", 1)
    assert (spool.age_s("a"), spool.age_s("b"), spool.age_s()) == (0, 5, 5)
    now[0] += 10**9
    assert spool.age_s("a") == 1
    drain(spool, "b")
    spool.close()
    spool = open_spool(tmp_path, "a", "b", now=lambda: now[0])
    assert (spool.age_s("a"), spool.age_s("b")) == (1, 0)
    now[0] -= 10**12
    assert spool.age_s() == 0
    spool.close()


def test_a_bound_that_holds_no_alert_is_refused(tmp_path: Path) -> None:
    """Any alert must find room in an empty spool, the largest one too."""
    with pytest.raises(ValueError, match="at least"):
        open_spool(tmp_path, max_bytes=MIN_BYTES - 1)
    for when_full in WhenFull:
        spool = open_spool(tmp_path / when_full, max_bytes=MIN_BYTES, when_full=when_full)
        spool.append([b"x" * MAX_BODY])
        assert spool.held == 0
        spool.close()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file/spool\.db"):
        open_spool(tmp_path / "file")
