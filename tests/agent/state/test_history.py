"""metatap.state.history: what is kept of alerts, and that it survives."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.agent.alerts.page import example_alert
from tests.agent.alerts.scored import Clocks, detections, explain, flow

from metatap.alerts import Aggregator, Alert, encode_ecs
from metatap.alerts.ecs import ecs_document
from metatap.errors import StateError
from metatap.features.table import WIDTH
from metatap.state import history as module
from metatap.state.history import AlertHistory
from metatap.state.history_read import Judged, Wanted
from metatap.state.stored import Judgement, Verdict

FEATURES = np.linspace(-1, 1, WIDTH).astype(np.float32)
FEATURES[3] = np.nan


Open = Callable[..., AlertHistory]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the history of the test's folder; all are closed at its end."""
    with ExitStack() as stack:

        def open_(**options: int) -> AlertHistory:
            history = AlertHistory.open(tmp_path, **options)
            stack.callback(history.close)
            return history

        yield open_


def alerts(number: int) -> list[Alert]:
    """So many `opened` alerts of different pairs of hosts."""
    clocks = Clocks()
    aggregator = Aggregator(
        "tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic, max_pairs=10_000
    )
    rows = [flow(f"C{at}", id__resp_h=f"10.1.{at >> 8}.{at & 255}") for at in range(number)]
    return aggregator.add(detections(rows))


def keep(history: AlertHistory, made: list[Alert]) -> None:
    history.add(made, [encode_ecs(alert) for alert in made])


def test_an_alert_is_found_as_it_was(opened: Open) -> None:
    """By its id, its event's id or the first digits: event, flow, features, digests."""
    alert = replace(example_alert(), features=FEATURES)
    history = opened()
    history.add([alert], [encode_ecs(alert)])
    for text in (alert.id, alert.id[:4], alert.event_id, alert.event_id[:6]):
        found = history.find(text)
        assert (found.id, found.event, found.created) == (alert.id, alert.event_id, alert.created)
        assert (found.pack, found.pack_sha256) == (alert.rule.id, alert.rule.sha256)
        assert (found.model_sha256, found.score) == (alert.model.sha256, alert.score)
        assert found.threshold == alert.threshold
        assert found.flow == alert.flow
        assert found.document == ecs_document(alert)
        assert found.features is not None
        np.testing.assert_array_equal(found.features, FEATURES)
        assert found.has_context
        assert found.judgement is None
    history.close()
    assert history.alerts.received == history.alerts.passed == 1


def test_only_opened_events_are_kept(opened: Open) -> None:
    """A summary repeats the flow; lines stay beside their alerts."""
    clocks = Clocks()
    aggregator = Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic)
    first = aggregator.add(detections([flow("C1")]))
    both = [*aggregator.flush(), *first]
    history = opened()
    history.add(both, [encode_ecs(alert) for alert in both])
    assert history.alerts.received == 1
    assert history.find(first[0].id).document["event"]["action"] == "alert_opened"


def test_the_same_event_is_kept_once(tmp_path: Path, opened: Open) -> None:
    """Flows that are read again give the same events."""
    history = opened()
    for _ in range(3):
        keep(history, alerts(5))
    history.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as database:
        assert database.execute("SELECT count(*) FROM alerts").fetchone() == (5,)


def test_the_newest_alerts_are_kept(opened: Open) -> None:
    """Beyond the limit the oldest give way, whatever the batches."""
    history = opened(limit=50)
    made = alerts(130)
    for begin in range(0, 130, 13):
        keep(history, made[begin : begin + 13])
    for alert in made[80:]:
        assert history.find(alert.id).id == alert.id
    with pytest.raises(StateError, match="no such alert"):
        history.find(made[79].id)


@pytest.mark.parametrize("text", ["", "abc", "xyz1", "ABCD", "a" * 33, "' OR 1=1 --", "abcd%"])
def test_what_is_no_id_is_refused(opened: Open, text: str) -> None:
    """Four to 32 hexadecimal digits."""
    with pytest.raises(StateError, match="4 to 32 hexadecimal digits"):
        opened().find(text)


def test_a_beginning_that_several_alerts_have_is_refused(opened: Open) -> None:
    """They are named, so that one can be picked."""
    history = opened()
    made = [replace(alert, id=f"abcd{at}" + "0" * 27) for at, alert in enumerate(alerts(7))]
    keep(history, made)
    with pytest.raises(StateError, match=r"several alerts: abcd00+, .* …$"):
        history.find("abcd")
    assert history.find("abcd3").id == made[3].id


def test_verdicts_are_kept_beside_a_running_agent(tmp_path: Path, opened: Open) -> None:
    """A command stores one while the agent has the file open; the last one counts."""
    agent = opened()
    (alert,) = alerts(1)
    keep(agent, [alert])
    for verdict in Verdict:
        command = AlertHistory.look(tmp_path)
        command.judge(alert.id, Judgement(verdict, 7, "a remark"))
        command.close()
    keep(agent, alerts(3))
    assert agent.find(alert.id).judgement == Judgement(Verdict.FALSE, 7, "a remark")
    with pytest.raises(StateError, match="at most 1000"):
        agent.judge(alert.id, Judgement(Verdict.TRUE, 7, "x" * 1001))


def test_the_newest_of_some_kind(opened: Open) -> None:
    """Newest first, by pack, time, verdict and flow; nothing is read that is not asked for."""
    history = opened()
    made = [
        replace(alert, created=1_000 + at, rule=replace(alert.rule, id=f"pack-{at % 2}"))
        for at, alert in enumerate(alerts(6))
    ]
    keep(history, made)
    for at, verdict in ((1, Verdict.TRUE), (2, Verdict.FALSE)):
        history.judge(made[at].id, Judgement(verdict, 7, ""))
    ids = [alert.id for alert in made]

    def places(wanted: Wanted) -> list[int]:
        return [ids.index(stored.id) for stored in history.newest(wanted)]

    assert places(Wanted()) == [5, 4, 3, 2, 1, 0]
    assert places(Wanted(pack="pack-1")) == [5, 3, 1]
    assert places(Wanted(since=1_004)) == [5, 4]
    assert places(Wanted(judged=Judged.TRUE)) == [1]
    assert places(Wanted(judged=Judged.FALSE)) == [2]
    assert places(Wanted(pack="pack-1", judged=Judged.NONE)) == [5, 3]
    assert places(Wanted(flow=lambda flow: flow["uid"] == "C4")) == [4]
    (first, *_) = history.newest(Wanted(judged=Judged.TRUE))
    assert first.judgement == Judgement(Verdict.TRUE, 7, "")
    assert first.document == ecs_document(made[1])


def test_an_alert_that_was_opened_again_is_listed_once(opened: Open) -> None:
    """By its newest event."""
    history = opened()
    first, other = alerts(2)
    again = replace(first, revision=1, score=9.0)
    keep(history, [first, other, again])
    assert [(one.id, one.score) for one in history.newest(Wanted())] == [
        (first.id, 9.0),
        (other.id, other.score),
    ]


@pytest.mark.parametrize("column", ["flow", "document", "features"])
def test_a_damaged_row_hides_no_other(tmp_path: Path, opened: Open, column: str) -> None:
    """It is passed over and counted."""
    history = opened()
    made = [replace(alert, features=FEATURES) for alert in alerts(3)]
    keep(history, made)
    with closing(sqlite3.connect(tmp_path / "history.db")) as database:
        database.execute(f"UPDATE alerts SET {column} = x'00' WHERE id = ?", (made[1].id,))
        database.commit()
    found = history.newest(Wanted())
    assert [one.id for one in found] == [made[2].id, made[0].id]
    assert found.unreadable == 1


def test_a_locked_file_loses_nothing(tmp_path: Path, opened: Open) -> None:
    """What can't be written now is written with the next alerts."""
    history = opened()
    made = alerts(4)
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    keep(history, made[:2])
    assert history.alerts.received == 0
    other.execute("COMMIT")
    keep(history, made[2:])
    assert history.alerts.passed == 4
    assert history.find(made[0].id).id == made[0].id


def test_what_waits_too_long_is_dropped_and_counted(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest first; at the end what is left is counted too."""
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    history = opened()
    made = alerts(6)
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    keep(history, made[:5])
    assert history.alerts.dropped == {"not_written": 2}
    history.close()
    assert history.alerts.dropped == {"not_written": 5}
    assert history.alerts.balanced
    other.close()


def test_what_is_no_history_is_set_aside(tmp_path: Path, opened: Open) -> None:
    """The agent begins anew and says so; a command refuses and leaves the file alone."""
    path = tmp_path / "history.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StateError, match=r"history\.db: can't be read"):
        AlertHistory.look(tmp_path)
    history = opened()
    assert history.dropped
    assert "set aside as history.db.aside" in history.dropped[0]
    assert (tmp_path / "history.db.aside").read_bytes().startswith(b"no database")
    keep(history, alerts(1))
    assert history.alerts.passed == 1


def test_another_schema_is_set_aside_not_guessed_at(tmp_path: Path, opened: Open) -> None:
    """Of a later version, and of tables that are not ours."""
    opened().close()
    for change in ("PRAGMA user_version = 2", "ALTER TABLE alerts RENAME COLUMN flow TO row"):
        with closing(sqlite3.connect(tmp_path / "history.db")) as database:
            database.execute(change)
            database.commit()
        history = opened()
        assert len(history.dropped) == 1
        history.close()
        assert opened().dropped == []


@pytest.mark.parametrize(("at", "change"), [(44, (9).to_bytes(4, "big")), (18, b"\3")])
def test_a_header_of_an_unknown_format_is_set_aside(
    tmp_path: Path, opened: Open, at: int, change: bytes
) -> None:
    """SQLite calls that a plain error, as it would a wrong statement, or only reads the file."""
    opened().close()
    path = tmp_path / "history.db"
    content = bytearray(path.read_bytes())
    content[at : at + len(change)] = change
    path.write_bytes(content)
    history = opened()
    assert len(history.dropped) == 1
    assert "set aside" in history.dropped[0]
    keep(history, alerts(1))
    assert history.alerts.passed == 1


def test_a_file_that_breaks_while_it_is_open_is_set_aside(tmp_path: Path, opened: Open) -> None:
    """The alerts at hand are in the new one."""
    history = opened()
    keep(history, alerts(200))
    history.close()
    path = tmp_path / "history.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    again = opened()
    (alert,) = alerts(1)
    keep(again, [alert])
    assert again.dropped
    assert again.find(alert.id).flow == alert.flow


def test_a_command_says_where_no_history_is(tmp_path: Path) -> None:
    """It makes none."""
    with pytest.raises(StateError, match="no agent has kept alerts there"):
        AlertHistory.look(tmp_path)
    assert list(tmp_path.iterdir()) == []


_ENDLESS = """
import sys
from pathlib import Path
from tests.agent.state.test_history import alerts, keep
from metatap.state.history import AlertHistory
history = AlertHistory.open(Path(sys.argv[1]))
made = alerts(600)
for begin in range(0, 600, 10):
    keep(history, made[begin:begin + 10])
    print(begin + 10, flush=True)
"""


@pytest.mark.parametrize("after", [0, 3, 20])
def test_a_kill_at_any_instant_leaves_whole_batches(
    tmp_path: Path, opened: Open, after: int
) -> None:
    """SIGKILL: the next start reads it, all that was said to be written is there."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as writer:
        assert writer.stdout is not None
        lines = [int(writer.stdout.readline()) for _ in range(after + 1)]
        time.sleep(0.001 * after)
        writer.send_signal(signal.SIGKILL)
        lines += [int(line) for line in writer.stdout.read().splitlines() if line]
    history = opened()
    assert history.dropped == []
    history.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (kept,) = database.execute("SELECT count(*) FROM alerts").fetchone()
    assert kept >= lines[-1]
    assert kept % 10 == 0
