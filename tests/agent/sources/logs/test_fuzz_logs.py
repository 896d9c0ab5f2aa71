"""A hundred thousand mutated lines: nothing raises, and every one is counted."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from metatap.sources.logs import REASONS, LogOptions, ZeekLogs
from tests.agent.sources.logs.mutate import json_line, tsv_line
from tests.agent.sources.logs.samples import Line, as_tsv, conn, dns, http, read, ssh, ssl

MAKERS: dict[str, Callable[[int], Line]] = {
    "conn": conn, "dns": dns, "http": http, "ssl": ssl, "ssh": ssh,
}  # fmt: skip

EACH = 15_000
"""Lines of each log and form."""

LONGEST = 5000


def lines_in(data: bytes) -> int:
    """Lines that must be accounted for: all but empty ones and those that start with `#`."""
    found = 0
    for line in data.split(b"\n"):
        try:
            comment = line.decode().startswith("#")
        except UnicodeDecodeError:
            comment = False
        found += bool(line.strip()) and (len(line) > LONGEST or not comment)
    return found


def mutated(form: str, log: str, chance: random.Random) -> bytes:
    """A log of `EACH` lines."""
    make = MAKERS[log]
    if form == "json":
        return b"\n".join(json_line(make(at), chance) for at in range(EACH)) + b"\n"
    lines = as_tsv([make(at) for at in range(EACH)]).split(b"\n")
    head = [line for line in lines if line.startswith(b"#") and not line.startswith(b"#close")]
    body = lines[len(head) : len(head) + EACH]
    return b"\n".join([*head, *(tsv_line(line, head, chance) for line in body)]) + b"\n"


@pytest.mark.untraced
@pytest.mark.parametrize("form", ["json", "tsv"])
def test_mutated_lines_are_read_or_counted(tmp_path: Path, form: str) -> None:
    """75,000 lines of each form; whole ones among them are still read and joined."""
    chance = random.Random(f"logs {form}")
    expected = {}
    for log in MAKERS:
        data = mutated(form, log, chance)
        expected[log] = lines_in(data)
        (tmp_path / f"{log}.log").write_bytes(data)
    source = ZeekLogs(tmp_path, LogOptions(max_line_bytes=LONGEST, max_pending=5000))
    with structlog.testing.capture_logs() as events:
        batches = read(source)
    assert source.flows.received == expected["conn"]
    assert source.messages.received == sum(expected.values()) > 70_000
    assert set(source.messages.dropped) <= set(REASONS)
    assert len(source.messages.dropped) >= 8, "the mutations reach most reasons"
    assert {event["reason"] for event in events} == set(source.messages.dropped)
    assert EACH / 8 < source.flows.passed < EACH
    names = {name for batch in batches for name in batch.columns}
    assert {"dns.queries", "http.requests", "ssl.certs", "ssh.version"} <= names
