"""What `metatap status` prints of documents that lack something."""

from __future__ import annotations

import pytest

from metatap.cli.status import _adaptation, _packs
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
