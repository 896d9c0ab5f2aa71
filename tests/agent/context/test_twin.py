"""metatap.context.kernel and compiled: the compiled twin does what the reference does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from metatap.context import CONTEXT_NAMES, Context, sketch
from metatap.context.given import Given
from metatap.context.given import given as reference_given
from metatap.context.reference import update
from metatap.context.sketch import SET_BACK_NS
from metatap.context.slots import Evictions, Slots, locate
from metatap.flow import FlowBatch, Numeric, concat
from tests.agent.context.streams import needs_numba, recorded, streams
from tests.agent.flow.samples import arbitrary

pytestmark = needs_numba


def kernel() -> Any:
    from metatap.context import kernel  # noqa: PLC0415 - an optional dependency

    return kernel


def assert_same_given(left: Given, right: Given) -> None:
    for name in ("rows", "keys", "time", "ended", "failed", "size"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)


def assert_twins(batches: list[FlowBatch], entries: int = 1024) -> tuple[Context, Context]:
    twin, reference = Context(entries, compiled=True), Context(entries, compiled=False)
    for batch in batches:
        np.testing.assert_allclose(
            twin.update(batch), reference.update(batch), rtol=1e-3, atol=1e-3
        )
        assert twin.evictions == reference.evictions
        np.testing.assert_array_equal(twin._slots.tags, reference._slots.tags)
        np.testing.assert_array_equal(twin._slots.time, reference._slots.time)
        np.testing.assert_array_equal(twin._times.tags, reference._times.tags)
        np.testing.assert_array_equal(twin._times.time, reference._times.time)
    return twin, reference


def test_recording() -> None:
    """The wire's columns are views of the message, often read-only; both read the same."""
    for batch in recorded():
        assert_same_given(kernel().given(batch, 7), reference_given(batch, 7))
    assert_twins(list(recorded()), 1 << 16)


@settings(max_examples=30)
@given(batch=streams(), rows=st.integers(1, 40))
def test_streams(batch: FlowBatch, rows: int) -> None:
    """Any stream, in batches of any size, also with flows that have no context."""
    assert_twins(list(batch.chunks(rows)))


@pytest.mark.parametrize("seed", range(6))
def test_anything_the_schema_allows(seed: int) -> None:
    """Extreme times and counters, absent columns, masks of all kinds."""
    for part in range(5):
        batch = arbitrary(np.random.default_rng([seed, part]), 40)
        assert_same_given(kernel().given(batch, seed), reference_given(batch, seed))


def test_evictions() -> None:
    """A table that is far too small: the same keys are replaced and left out, in the same order."""
    twin, _ = assert_twins(list(concat(recorded()).chunks(512)))
    assert twin.evictions.replaced > 0
    assert twin.evictions.unplaced > 0


def test_clocks_that_are_set_back() -> None:
    """Batches that come out of order by hours clear the same slots."""
    flows = next(iter(recorded()[0].chunks(512)))
    start = flows.numeric("ts")
    assert start is not None
    batches = []
    for hours in (0, 3, -5, 2, 2, -9):
        moved = Numeric(start.values.astype(np.int64) + hours * 3_600_000_000_000, start.valid)
        batches.append(FlowBatch(flows.rows, {**flows.columns, "ts": moved}))
    assert_twins(batches, 1 << 14)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 400), stats=st.booleans())
def test_locate_and_update(seed: int, count: int, stats: bool) -> None:
    """Each step alone: the same slots, whatever was in them, and the same statistics."""
    rng = np.random.default_rng(seed)
    slots = [Slots.empty(1024, with_stats=True) for _ in range(2)]
    times = [Slots.empty(1024, with_stats=False) for _ in range(2)]
    twin, evictions = kernel(), [Evictions(), Evictions()]
    for _ in range(3):
        keys = rng.integers(0, 2 ** (12 if stats else 9), (4, count)).astype(np.uint64)
        keys += np.arange(4, dtype=np.uint64)[:, None] << np.uint64(12)
        keys = (keys * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1 << 32)
        time = rng.integers(0, 20_000, count) * 1_310_000_123
        found = Given(
            np.arange(count), keys, time, time + 5, rng.random(count) < 0.5, rng.random(count) * 900
        )
        flat, ended = keys[:3].reshape(-1), found.ended
        at = locate(slots[0], flat, ended, SET_BACK_NS, evictions[0])
        at_times = locate(times[0], keys[3], found.ended, SET_BACK_NS, evictions[0])
        got = twin.locate(slots[1], flat, ended, SET_BACK_NS, evictions[1])
        got_times = twin.locate(times[1], keys[3], found.ended, SET_BACK_NS, evictions[1])
        np.testing.assert_array_equal(got, at)
        np.testing.assert_array_equal(got_times, at_times)
        assert evictions[0] == evictions[1]
        expected = update(slots[0], times[0], at, at_times, found)
        actual = twin.update(slots[1], times[1], at, at_times, found)
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(slots[1].stats, slots[0].stats, rtol=1e-3, atol=1e-3)


def test_layouts_cause_no_compilation() -> None:
    """Strided, unaligned and read-only columns are read right by the one compiled form."""
    from metatap.context import compiled as module  # noqa: PLC0415 - an optional dependency

    flows = recorded()[0]
    odd: dict[str, Any] = {}
    for name, column in flows.columns.items():
        if not isinstance(column, Numeric):
            continue
        values = column.values
        wide = np.zeros((len(values), values[0].nbytes + 1), np.uint8)
        wide[:, 1:] = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
        view = wide[:, 1:] if values.ndim == 2 else wide[:, 1:].view(values.dtype)[:, 0]
        view.flags.writeable = False
        mask = None if column.valid is None else np.repeat(column.valid, 2)[::2]
        odd[name] = Numeric(view, mask)
    assert_same_given(kernel().given(FlowBatch(flows.rows, odd), 1), reference_given(flows, 1))
    for entry in (module.given_rows, module.locate_rows, module.update_rows):
        assert len(entry.signatures) == 1


def test_columns_of_the_matrix() -> None:
    """Where the kernel writes each key's magnitudes and shares is where the layout names them."""
    from metatap.context.compiled import statistics as module  # noqa: PLC0415 - optional

    for at, key in enumerate(("host", "pair", "service")):
        assert CONTEXT_NAMES[module.MAGNITUDES_AT[at]] == f"context.{key}.flows.s"
        assert CONTEXT_NAMES[module.SHARES_AT[at]] == f"context.{key}.failed.s"


def test_a_twin_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cached from other tables is compiled anew; if that doesn't help, the reference."""
    anew: list[bool] = []
    monkeypatch.setattr(sketch, "_sound", lambda _: len(anew) > 0)
    monkeypatch.setattr("metatap.context.kernel.recompile", lambda: anew.append(True))
    assert Context().compiled
    assert anew == [True]
    monkeypatch.setattr(sketch, "_sound", lambda _: False)
    with capture_logs() as events:
        assert not Context().compiled
    assert [event["event"] for event in events] == ["twin_not_used"]
    with pytest.raises(ImportError, match="differs"):
        Context(compiled=True)


def test_numba_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken numba costs speed, not flows: the reference does the work, an event says why."""
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled = [name for name in sys.modules if name.startswith("metatap.context.compiled")]
    for name in ("metatap.context.kernel", *compiled):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("metatap.compiling.find_spec", lambda _: object())
    with capture_logs() as events:
        assert not Context().compiled
    assert events[0]["event"] == "twin_not_used"
    assert events[0]["log_level"] == "warning"


def test_numbers_of_batches_that_end() -> None:
    """When they start anew, no slot is taken for one of a batch long ago that had the number."""
    flows = concat(recorded()).take(np.arange(256))
    twin, reference = Context(1024, compiled=True), Context(1024, compiled=False)
    for slots in (twin._slots, twin._times):
        slots.batch[0] = np.iinfo(np.uint16).max - 1
        slots.marks.fill(1)
    for batch in flows.chunks(32):
        np.testing.assert_allclose(
            twin.update(batch), reference.update(batch), rtol=1e-3, atol=1e-3
        )
    assert twin._slots.batch[0] == 7
    assert twin.evictions == reference.evictions


@pytest.mark.slow
def test_without_a_place_to_cache() -> None:
    """Where nothing can be written the twin is compiled for this process, says so, and runs."""
    script = (
        "from numba.core.caching import CompileResultCacheImpl as impl\n"
        "impl._locator_classes = []\n"
        "from metatap.context import Context\n"
        "print(Context(compiled=True).compiled)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("twin_uncached") == 3
    assert done.stdout.strip().endswith("True")
