"""What `metatap status` prints of documents that lack something."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.metrics.documents import agent_document, spooled

from metatap.cli.status import _adaptation, _packs, _sinks, _spool, lines, shard_lines
from metatap.packs import PackState, PackStatus, load_folder
from metatap.runtime.shipped import shipped_packs


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, []),
        ({"fault": "ValueError()"}, ["adaptation: ended: ValueError()"]),
        ({"fault": ""}, ["adaptation: ended: by a fault, see the log"]),
    ],
)
def test_adaptation_that_ended_is_told(known: dict[str, str] | None, said: list[str]) -> None:
    """Also where it failed while it was asked for what it knows: the document has no figures."""
    assert [*_adaptation(known)] == said


def test_what_a_pack_is_made_of_is_told() -> None:
    """How many flows and counter-examples, and the digest of the file; nothing of no pack."""
    packs = {pack.id: pack for pack in load_folder(shipped_packs())[0]}
    brute, bad = packs["ssh-bruteforce"], shipped_packs() / "bad.yaml"
    states = [
        PackStatus.of(brute, PackState.ACTIVE),
        PackStatus("bad", bad, "", PackState.QUARANTINED, "broken"),
    ]
    document = {"packs": [state.as_json() for state in states], "thresholds": "reference"}
    assert [*_packs(document)] == [
        "packs: 1 active, 1 quarantined (thresholds: reference)",
        f"  ssh-bruteforce: active, 8 flows, 2 counter-examples, sha256 {brute.sha256[:8]}",
        "  bad: quarantined: broken",
    ]


@pytest.mark.parametrize("heads", ["reference", "local"])
def test_what_heads_are_made_on_is_told(heads: str) -> None:
    """The model's background, or this network."""
    known = {
        "fault": "",
        "heads": heads,
        "background": {"flows": 510, "hosts": 5},
        "alerts_a_day": {"expected": None, "realised": 168.0},
        "drift": "learning",
    }
    (line,) = _adaptation(known)
    assert line == (
        f"adaptation: 510 flows of 5 hosts, heads: {heads}, drift: learning, alerts a day: 168.0 "
        "(no budget)"
    )


def test_spool_and_sinks_are_told(tmp_path: Path) -> None:
    """How far each sink is, what it dropped and why it failed; also summed up for a shard."""
    found = spooled(tmp_path / "spool")
    (said,) = _spool(found["spool"])
    assert said.startswith("spool: 4 alerts wait, the oldest for 0.")
    siem, file = _sinks(found["sinks"])
    assert siem == (
        "siem: 4 received, 3 delivered, 0 waiting, 0 filtered, dropped: 1 bad, "
        "failed tries: 1 timeout, 4 sent again"
    )
    assert file.startswith("file: 4 received, 0 delivered, 4 waiting, the oldest for 0.")
    document = agent_document(tmp_path) | found
    text = [*lines(document)]
    assert {said, siem, file} <= set(text)
    parts = [{"shard": "0/2", **document}, {"shard": "1/2", "error": "no agent runs there"}]
    shards = "\n".join(shard_lines({**document, "shards": parts, "restarts": 0}))
    assert "alert events, dropped: 1 bad\n" in shards
    assert "1 of 2 shards running" in shards


def test_a_spool_in_trouble_is_told() -> None:
    """Nothing of it without a state folder; else what fails, and what was given up."""
    assert [*_spool(None)] == []
    spool = {
        "bytes": 3 * 2**20,
        "depth": 12_345,
        "oldest_s": 61.25,
        "in_memory": 7,
        "failing": "disk_full",
        "blocked": True,
        "forgotten": {"old": 3},
        "set_aside": ["spool.db.aside: malformed"],
    }
    assert [*_spool(spool)] == [
        (
            "spool: 12,345 alerts wait, 7 of them in memory alone, the oldest for 61.2 s, 3.0 MiB, "
            "can't be written: disk_full, the pipeline waits for room"
        ),
        "  old: no longer configured, 3 alerts that waited for it given up",
        "  set aside: spool.db.aside: malformed",
    ]
