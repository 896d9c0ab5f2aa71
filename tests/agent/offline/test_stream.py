"""metatap.offline.stream: stored sources as one stream."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.agent.sources.logs.samples import conn

from metatap.context import CONTEXT_NAMES, Context
from metatap.errors import SourceError
from metatap.offline.stream import flows, open_sources, read

LAB = Path(__file__).parents[2] / "data" / "lab" / "office.mtrec"
HOST_FLOWS = CONTEXT_NAMES.index("context.host.flows.h")


def logs(folder: Path, *captures: str) -> Path:
    """A folder with a conn.log of three flows of one host a capture, ten seconds apart."""
    folder.mkdir()
    lines = [
        conn(at, uid=f"C{at}", capture=capture, **{"id.orig_h": "10.0.0.1"})
        for at, capture in enumerate(name for name in captures for _ in range(3))
    ]
    (folder / "conn.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.mark.parametrize("text", ["zeek+tcp://127.0.0.1:1", "zeek+ipc:///tmp/none.ipc"])
def test_a_live_source_is_refused(text: str) -> None:
    """What has no end can't be read to its end; the error says what to do instead."""
    with pytest.raises(SourceError, match="metatap record"):
        open_sources([str(LAB), text])


def test_nothing_stays_open_when_one_can_not_be_opened(tmp_path: Path) -> None:
    """The error names the source that is at fault, and no file is left open (a warning fails)."""
    with pytest.raises(SourceError, match=r"none\.mtrec"):
        open_sources([str(LAB), str(tmp_path / "none.mtrec")])


def test_a_source_is_read_to_its_end() -> None:
    """Every flow the source passed on comes out, and the source is done."""
    (source,) = open_sources([str(LAB)])
    assert sum(batch.rows for batch in read(source)) == source.flows.passed > 3000
    assert source.done


def test_context_starts_anew_with_each_source(tmp_path: Path) -> None:
    """Two sources with the same host: the second's first flow knows nothing of the first's."""
    one, two = logs(tmp_path / "one", "a"), logs(tmp_path / "two", "a")
    stream = flows(open_sources([str(one), str(two)]), Context())
    known = np.concatenate([context[:, HOST_FLOWS] for _, context in stream])
    np.testing.assert_array_equal(known[:3], known[3:])
    assert known[0] == 1.0
    assert known[2] > 2.9


def test_context_starts_anew_with_each_capture(tmp_path: Path) -> None:
    """The same within one source that holds two captures."""
    stream = flows(open_sources([str(logs(tmp_path / "both", "a", "b"))]), Context())
    known = np.concatenate([context[:, HOST_FLOWS] for _, context in stream])
    assert known[0] == known[3] == 1.0


def test_a_used_context_is_forgotten() -> None:
    """Reading the same source twice with one context gives the same contexts twice."""
    context = Context()
    first, second = (
        np.concatenate([known for _, known in flows(open_sources([str(LAB)]), context)])
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
