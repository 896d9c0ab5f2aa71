"""The labelled flows, read once for all tests and kept in `build/training`."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from metatap_training.datasets import Flows, find_flows, load_sources
from metatap_training.datasets.sources import DataError, read_sources

CACHE = Path(__file__).parents[2] / "build" / "training"


def published() -> Flows:
    """All of them; a test without them is skipped. Of tests side by side one reads the logs."""
    try:
        folder = find_flows()
    except DataError as error:
        pytest.skip(f"the labelled flows are not here: {error}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return load_sources(folder, read_sources(folder), CACHE)
