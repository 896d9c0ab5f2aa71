"""metatap.alerts.pivots and .hints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.alerts.scored import flow

from metatap.alerts.hints import ANY, SERVICES, TECHNIQUES, hints
from metatap.alerts.pivots import pivots
from metatap.flow import from_rows
from metatap.offline.query import parse_query


def test_the_filter_picks_the_flow_and_no_other() -> None:
    """By uid, and without one by addresses, ports and transport."""
    rows = [flow("C1"), flow("C2", id__orig_p=1), flow("", id__orig_p=2), flow("C1C1")]
    batch = from_rows(rows)
    for row in range(3):
        query = parse_query(pivots(rows[row])["filter"])
        assert query.rows(batch).tolist() == [at == row for at in range(4)]


def test_a_command_finds_the_line_in_a_log(tmp_path: Path) -> None:
    """The command for TSV logs, up to zeek-cut, prints the head and the line of the uid."""
    (tmp_path / "conn.log").write_text("#fields\tts\tuid\n1\tC1\n2\tC2\n")
    command = pivots(flow("C2"))["zeek_cut"].partition(" | ")[0]
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "#fields\tts\tuid\n2\tC2\n"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not there")
@pytest.mark.parametrize("uid", ["C2", ""])
def test_jq_finds_the_line_in_a_log(tmp_path: Path, uid: str) -> None:
    """By uid or by addresses and ports."""
    mine = '{"uid":"C2","id.orig_h":"10.0.0.1","id.orig_p":40000,'
    mine += '"id.resp_h":"10.0.0.2","id.resp_p":22}'
    (tmp_path / "conn.log").write_text(f'{{"uid":"C1"}}\n{mine}\n')
    command = pivots(flow(uid))["jq"]
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == mine


def test_the_logs_of_its_protocols_are_named() -> None:
    """conn.log, and those its summaries came from."""
    assert pivots(flow("C1"))["jq"].endswith("conn.log")
    row = flow("C1", http__host="a", dns__queries=1)
    assert pivots(row)["jq"].endswith("conn.log dns.log http.log")


@given(st.text(max_size=80))
def test_no_shell_reads_anything_out_of_a_uid(uid: str) -> None:
    """A uid that is no plain word gets into no command."""
    found = pivots({"uid": uid, "proto": "tcp"})
    if found:
        assert uid.isascii()
        assert uid.isalnum()


@pytest.mark.parametrize(
    ("techniques", "service", "first"),
    [
        (["T1110.001"], "ssh", TECHNIQUES["T1110.001"]),
        (["T1110.003"], "", TECHNIQUES["T1110"]),
        (["T0000"], "ssl,-http", SERVICES["ssl"]),
        ([], "", "conn.log"),
    ],
)
def test_the_most_specific_hint_is_first(techniques: Any, service: str, first: str) -> None:
    """The technique's, then the service's; the last one is always there."""
    found = hints(techniques, service)
    assert found[0].startswith(first)
    assert found[-1] == ANY
    assert len(set(found)) == len(found)
