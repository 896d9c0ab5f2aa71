"""The short form of the run: a few kills of each phase."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from tests.chaos.run import Chaos

KILLS = 9
WINDOWS = {"file": 1024, "elasticsearch": 500, "relp": 128}
"""Alerts of one `send`, at most: what a kill can have delivered and not acknowledged."""


@pytest.mark.slow
@pytest.mark.untraced
def test_nothing_accepted_is_lost() -> None:
    """Kills at random instants while receivers fail and the disk fills; all counters add up."""
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,  # short: a socket lies there
        Chaos(Path(folder), seed=8) as chaos,
    ):
        outcome = chaos.run(KILLS)
    assert outcome.kills >= KILLS - 1, outcome
    assert outcome.broken() == [], outcome
    assert json.loads(json.dumps(outcome.document()))["kills"] == outcome.kills
    alone = outcome.phases[0]
    for name, place in alone.places.items():
        assert place.duplicates <= alone.kills * WINDOWS[name], outcome
