"""Set-up of the whole suite."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import settings

# Machines that run the suite are shared: a slow example is no failure.
settings.register_profile("metatap", deadline=None)
settings.load_profile("metatap")

_OF_CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""By this variable coverage begins in the processes that a test starts."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Coverage doubles what a test of Python costs: a test marked `untraced` goes without.

    pytest-cov's own marker `no_cover` does nothing in the workers of xdist, where several instances
    of coverage are stacked and the next one takes over.
    """
    if item.get_closest_marker("untraced") is None:
        return (yield)
    with _untraced():
        return (yield)


@contextmanager
def _untraced() -> Iterator[None]:
    trace, of_threads = sys.gettrace(), threading.gettrace()
    with patch.dict(os.environ):
        os.environ.pop(_OF_CHILDREN, None)
        sys.settrace(None)
        threading.settrace(None)
        try:
            yield
        finally:
            sys.settrace(trace)
            threading.settrace(of_threads)
