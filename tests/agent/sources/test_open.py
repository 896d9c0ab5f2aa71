"""A source by URL or file name."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from metatap.errors import SourceError
from metatap.sources import RecordingSource, ZeekLogs, ZeekZeroMQ, open_source
from metatap.sources.open import SCHEMES, SUFFIXES
from tests.agent.sources.contract import closing, fails_by_name, read_all
from tests.agent.sources.logs.samples import conn
from tests.agent.sources.samples import Zeek
from tests.agent.sources.test_recording import recorded


def test_a_url_opens_a_zeek_and_a_file_name_a_recording(tmp_path: Path) -> None:
    """By scheme, or by the end of the name."""
    with closing(open_source("zeek+tcp://127.0.0.1:0?bind=1")) as live:
        assert isinstance(live, ZeekZeroMQ)
    with closing(open_source(f"zeek+ipc://{tmp_path / 'z.ipc'}?bind=1")) as local:
        assert isinstance(local, ZeekZeroMQ)
    path = recorded(tmp_path / "a.mtrec", [Zeek().batch()])
    with closing(open_source(str(path))) as recording:
        assert isinstance(recording, RecordingSource)


def test_a_folder_and_a_conn_log_open_logs(tmp_path: Path) -> None:
    """By what the path is; a URL says it for any path, and may set options."""
    path = tmp_path / "conn.00:00:00-01:00:00.log"
    path.write_text(json.dumps(conn(1)) + "\n" + json.dumps(conn(2)) + "\n")
    for text in (str(tmp_path), str(path), f"zeek+logs://{tmp_path}"):
        with closing(open_source(text)) as source:
            assert isinstance(source, ZeekLogs)
            assert [batch.rows for batch in read_all(source)] == [2]
    with closing(open_source(f"zeek+logs://{path}?batch_rows=1&keep=proto,ts")) as source:
        assert isinstance(source, ZeekLogs)
        assert [batch.rows for batch in read_all(source)] == [1, 1]
        assert list(source.kept) == ["proto", "ts"]


@pytest.mark.parametrize("query", ["rows=1", "batch_rows=x", "batch_rows=0", "batch_rows"])
def test_a_wrong_option_of_logs_is_said(tmp_path: Path, query: str) -> None:
    """With the URL in front."""
    (tmp_path / "conn.log").write_text("")
    fails_by_name(lambda: open_source(f"zeek+logs://{tmp_path}?{query}"), query)


def test_options_are_passed_on(tmp_path: Path) -> None:
    """An unknown one is an error, also for a file."""
    path = str(recorded(tmp_path / "a.mtrec", [Zeek().batch(5), Zeek().batch(5)]))
    with closing(open_source(path, max_rows=4)) as source:
        assert source.read(1) is None
        assert source.messages.dropped == {"too_big": 2}
    with pytest.raises(SourceError, match="rows: no such option"):
        open_source(path, rows=4)


@pytest.mark.parametrize("text", ["kafka://host", "dns.log", "", "zeek+tcp:127.0.0.1"])
def test_an_unknown_source_lists_the_known_ones(text: str) -> None:
    """Whoever mistypes sees what there is."""
    with pytest.raises(SourceError) as caught:
        open_source(text)
    assert str(caught.value).startswith(text)
    for name in (*SCHEMES, *SUFFIXES):
        assert name in str(caught.value)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """The file or the URL is in the message."""
    fails_by_name(lambda: open_source(str(tmp_path / "no.mtrec")), "no.mtrec")
    fails_by_name(lambda: open_source("zeek+tcp://127.0.0.1"), "zeek+tcp://127.0.0.1")
    for text in ("conn.log", "zeek+logs://nowhere", f"zeek+logs://{tmp_path}", str(tmp_path)):
        fails_by_name(partial(open_source, text), text)


def test_a_path_is_named_once(tmp_path: Path) -> None:
    """Who opened it by its path reads that path once; by a URL, the URL too."""
    with pytest.raises(SourceError) as caught:
        open_source(str(tmp_path))
    assert str(caught.value).count(str(tmp_path)) == 1
    with pytest.raises(SourceError) as caught:
        open_source(f"zeek+logs://{tmp_path}?batch_rows=0")
    assert str(caught.value).startswith(f"zeek+logs://{tmp_path}?batch_rows=0")
