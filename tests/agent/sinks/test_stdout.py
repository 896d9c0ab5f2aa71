"""metatap.sinks.stdout."""

from __future__ import annotations

import io
import os

import pytest
from tests.agent.sinks.contract import check_sink

from metatap.sinks import StdoutSink


def test_it_keeps_the_contract() -> None:
    """Lines come out in order and are counted."""
    stream = io.BytesIO()
    check_sink(lambda: StdoutSink(stream), stream.getvalue)


def test_standard_output_is_the_default(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a stream alerts go to the process's standard output."""
    sink = StdoutSink()
    sink.write([b"{}"])
    assert capfdbinary.readouterr().out == b"{}\n"


def test_a_reader_that_went_away_is_no_end() -> None:
    """Alerts after a broken pipe are counted as dropped; `reopen` tries again."""
    inner, outer = os.pipe()
    os.close(inner)
    with os.fdopen(outer, "wb", buffering=0) as stream:
        sink = StdoutSink(stream)
        sink.write([b"a", b"b"])
        sink.write([b"c"])
        assert sink.alerts.dropped == {"broken_pipe": 3}
        sink.reopen()
        sink.write([b"d"])
        assert sink.alerts.dropped == {"broken_pipe": 4}
        assert sink.alerts.balanced
