"""Zeek's JSON logs of one recording → flow rows: conn records joined with their summaries."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from metatap.flow import Row
from metatap.flow.schema import CONN_STATES, PROTOS, Group, group_columns
from metatap_training.datasets.summaries import SUMMARISE, Record

Key = tuple[str, str]
"""(capture, uid): what joins the logs; a uid alone is unique within one run of Zeek only."""

_CONN = tuple(spec.name for spec in group_columns(Group.CONN) if spec.name != "partial")


def key_of(record: Record) -> Key:
    """The key a log line is joined by."""
    return str(record.get("capture", "")), str(record.get("uid", ""))


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a `.jsonl.gz` log, in order."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def conn_row(record: Record) -> Row:
    """The conn columns of a flow row; values outside a vocabulary are absent or unknown."""
    row: Row = {name: record.get(name) for name in _CONN}
    if row["proto"] not in PROTOS:
        row["proto"] = PROTOS[0]
    if row["conn_state"] not in CONN_STATES:
        row["conn_state"] = None
    row["partial"] = False
    return row


def join(conn: Iterable[Record], logs: Mapping[str, Iterable[Record]]) -> list[Row]:
    """Flow rows of conn records, each with the summaries of its other logs.

    Args:
        conn: n records of conn.log.
        logs: Log name (`dns`, `http`, `ssl`, `ssh`) → its records.

    Returns:
        n rows under schema names, as `metatap.flow.from_rows` takes them, in the order of `conn`.
    """
    lines: dict[str, dict[Key, list[Record]]] = {}
    for log, records in logs.items():
        by_key: dict[Key, list[Record]] = defaultdict(list)
        for record in records:
            by_key[key_of(record)].append(record)
        lines[log] = by_key
    rows = []
    for record in conn:
        row, key = conn_row(record), key_of(record)
        for log, by_key in lines.items():
            if key in by_key:
                row |= SUMMARISE[log](by_key[key])
        rows.append(row)
    return rows
