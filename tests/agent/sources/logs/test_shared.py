"""The labelled flows, as they lie."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from metatap.sources.logs import LogOptions, ZeekLogs
from metatap.sources.logs.summaries import ADD
from metatap_training.datasets import find_flows
from metatap_training.datasets.sources import DataError
from tests.agent.sources.logs.samples import Line, read, row, same


@pytest.fixture
def flows() -> Path:
    """The folder of labelled flows."""
    try:
        return find_flows()
    except DataError as error:
        pytest.skip(str(error))


def lines(path: Path) -> Iterator[Line]:
    """Lines of a log, as the standard library reads them; none if it is not there."""
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["corelight-malware-detectors", "ndpi-tests", "iot-tjoconnor"])
def test_a_source_reads_as_a_plain_join_does(flows: Path, name: str) -> None:
    """Every batch is what `from_rows` makes of all lines of the logs, held in memory."""
    folder = flows / name
    of: dict[tuple[str, str], dict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
    count = 0
    for log in ADD:
        for line in lines(folder / f"{log}.jsonl.gz"):
            of[line["capture"], line["uid"]][log].append(line)
            count += 1
    rows = [row(c, of[c["capture"], c["uid"]]) for c in lines(folder / "conn.jsonl.gz")]
    source = ZeekLogs(folder, LogOptions(keep=("capture",)))
    at = 0
    for batch in read(source):
        same(batch, rows[at : at + batch.rows])
        assert {line["capture"] for line in rows[at : at + batch.rows]} == {batch.origin.capture}
        at += batch.rows
    assert at == len(rows)
    assert source.messages.dropped == {}
    assert source.messages.passed == len(rows) + count
