"""Lines of Zeek's logs, JSON and TSV by turns: all must be read or counted."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import structlog.testing

from metatap.sources.logs import REASONS, LogOptions, ZeekLogs
from tests.agent.sources.logs.samples import read
from tests.agent.sources.logs.test_fuzz_logs import EACH, LONGEST, MAKERS, lines_in, mutated
from tests.fuzz.tally import Tally

FORMS = ("json", "tsv")


def run(tally: Tally, count: int, seed: int) -> None:
    """Read at least so many lines, `EACH` of each of five logs a round."""
    for turn in range(-(-count // (EACH * len(MAKERS)))):
        with tempfile.TemporaryDirectory() as folder:
            _round(tally, Path(folder), FORMS[turn % 2], random.Random(f"{seed} {turn}"))


def _round(tally: Tally, folder: Path, form: str, chance: random.Random) -> None:
    expected = 0
    for log in MAKERS:
        data = mutated(form, log, chance)
        expected += lines_in(data)
        (folder / f"{log}.log").write_bytes(data)
    source = ZeekLogs(folder, LogOptions(max_line_bytes=LONGEST, max_pending=5000))
    with structlog.testing.capture_logs():
        rows = sum(batch.rows for batch in read(source))
    assert source.messages.received == expected
    assert source.messages.balanced
    assert source.flows.balanced
    assert source.flows.passed == rows
    assert set(source.messages.dropped) <= set(REASONS)
    tally.add(source.messages.passed, source.messages.dropped)
