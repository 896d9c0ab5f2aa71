"""What every sink must keep to: one function, called by each sink's own test."""

from __future__ import annotations

from collections.abc import Callable

from metatap.sinks import Sink


def check_sink(make: Callable[[], Sink], read: Callable[[], bytes]) -> None:
    """Check a sink on a place that works.

    Args:
        make: Gives a new sink on an empty place.
        read: Gives all that lies in the place.
    """
    sink = make()
    assert isinstance(sink, Sink)
    assert sink.name
    sink.write([])
    assert sink.alerts.received == 0, "nothing is not an alert"
    sink.write([b'{"a":1}', b'{"b":"\xc3\xa9"}'])
    sink.flush()
    sink.write([b'{"c":3}'])
    sink.flush()
    sink.retry()
    want = b'{"a":1}\n{"b":"\xc3\xa9"}\n{"c":3}\n'
    assert read() == want, "one line an alert, in order, whole after a flush"
    assert (sink.alerts.received, sink.alerts.passed, sink.alerts.dropped) == (3, 3, {})
    sink.reopen()
    sink.write([b"{}"])
    sink.close()
    assert read().endswith(b"{}\n"), "close brings everything to its place"
    assert sink.alerts.balanced
    sink.close()
    sink.write([b"{}"])
    sink.flush()
    sink.retry()
    assert sink.alerts.dropped == {"closed": 1}, "an alert after close is counted, not lost"
    assert sink.alerts.balanced
