"""The delivery with a transport of the agent's: a file that can't be written, then can."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.agent.spool.lines import lines, open_spool

from metatap.sinks import FileTransport
from metatap.spool import Delivery


def test_a_file_gets_all_once_its_folder_can_be_made(tmp_path: Path) -> None:
    """Whole lines, in their order, none twice."""
    (tmp_path / "out").write_text("in the way")
    place = tmp_path / "out" / "alerts.jsonl"
    spool = open_spool(tmp_path / "state")
    delivery = Delivery(spool, "a", FileTransport(place))
    delivery.start()
    spool.append(lines(0, 300))
    end = time.monotonic() + 60
    while not delivery.errors and time.monotonic() < end:
        time.sleep(0.01)
    assert delivery.errors
    (tmp_path / "out").unlink()
    delivery.reopen()
    spool.append(lines(300, 300))
    while spool.depth and time.monotonic() < end:
        time.sleep(0.01)
    assert delivery.stop(10) == 0
    found = [json.loads(text)["event"]["id"] for text in place.read_text().splitlines()]
    assert found == [str(at) for at in range(600)]
    assert spool.claims["a"].alerts.balanced
    spool.close()
