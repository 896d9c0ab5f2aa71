"""metatap.context: what it says of a stream, whichever backend does the work."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from metatap.context import CONTEXT_NAMES, CONTEXT_WIDTH, Context
from metatap.context.layout import HALF_LIVES, RATIO
from metatap.context.slots import ENTRIES_MAX, ENTRIES_MIN, bounded_entries
from metatap.errors import FlowError
from metatap.flow import FlowBatch, concat, from_rows
from tests.agent.context.model import Brute
from tests.agent.context.streams import (
    BACKENDS,
    column,
    in_order,
    recorded,
    rows_of,
    run,
    stream_of,
    streams,
)
from tests.agent.flow.samples import arbitrary

backends = pytest.mark.parametrize("compiled", BACKENDS)
T0 = 1_700_000_000.0


@backends
@settings(max_examples=40)
@given(batch=streams())
def test_is_what_brute_force_gives(compiled: bool, batch: FlowBatch) -> None:
    """Decayed counts, different things and means are those of a model that keeps every flow."""
    expected = Brute().update(batch)
    for rows in (5, 100):
        got = run(Context(compiled=compiled), batch, rows)
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-4)


@backends
def test_recorded_flows_are_what_brute_force_gives(compiled: bool) -> None:
    """Also for flows of a real Zeek, in the order of their starts."""
    batch = in_order(concat(recorded())).take(np.arange(700))
    got = run(Context(compiled=compiled), batch, 256)
    np.testing.assert_allclose(got, Brute().update(batch), rtol=1e-3, atol=1e-4)


@backends
def test_does_not_depend_on_how_the_stream_is_cut(compiled: bool) -> None:
    """Batches of 1, 7, 512 or all flows give the same context as long as nothing is evicted."""
    batch = concat(recorded()).take(np.arange(1500))
    whole = run(Context(compiled=compiled), batch, batch.rows)
    for rows in (1, 7, 512):
        context = Context(compiled=compiled)
        got = run(context, batch, rows)
        np.testing.assert_allclose(got, whole, rtol=1e-4, atol=1e-5)
        assert context.evictions.replaced == context.evictions.unplaced == 0


@backends
def test_bounds(compiled: bool) -> None:
    """Of any stream: at least the flow itself, shares in [0, 1], no more things than flows."""
    got = run(Context(compiled=compiled), concat(recorded()), 512)
    assert np.isfinite(column(got, "host.flows.s")).all()
    assert not np.isinf(got).any()
    for key, things in (("host", ("peers", "services")), ("pair", ("services",))):
        for scale in "smh":
            flows = column(got, f"{key}.flows.{scale}")
            assert (flows >= 1).all()
            share = column(got, f"{key}.failed.{scale}")
            assert ((share >= 0) & (share <= 1)).all()
            for what in things:
                number = column(got, f"{key}.{what}.{scale}")
                assert ((number >= 0) & (number <= flows * (1 + 1e-6))).all()
    for at, name in enumerate(CONTEXT_NAMES):
        if name.endswith("_spread"):
            known = got[:, at][~np.isnan(got[:, at])]
            assert len(known)
            assert ((known >= 0) & (known <= 4)).all()


@backends
@pytest.mark.parametrize("seed", range(8))
def test_any_batch_gives_finite_context(compiled: bool, seed: int) -> None:
    """Times and counters at the end of their range give no infinity, and nothing fails."""
    context = Context(1024, compiled=compiled)
    for part in range(4):
        batch = arbitrary(np.random.default_rng([seed, part]), 50)
        got = context.update(batch)
        assert got.shape == (50, CONTEXT_WIDTH)
        assert not np.isinf(got).any()


@backends
@pytest.mark.parametrize(("jitter", "low", "high"), [(0.1, 0.0, 0.15), (None, 0.6, 1.4)])
def test_regularity(compiled: bool, jitter: float | None, low: float, high: float) -> None:
    """A beacon with 10 % of jitter has a low spread of gaps, random arrivals a high one."""
    rng = np.random.default_rng(3)
    gaps = rng.exponential(60, 200) if jitter is None else 60 * rng.uniform(0.9, 1.1, 200)
    got = Context(compiled=compiled).update(stream_of(T0 + np.cumsum(gaps)))
    assert low <= np.median(column(got, "pair.gap_spread")[20:]) <= high
    assert column(got, "pair.gap")[-1] == pytest.approx(60_000, rel=0.1 if jitter else 0.9)


@backends
def test_scans(compiled: bool) -> None:
    """A sweep has many peers on one service, a port scan one peer with many services."""
    times = T0 + np.arange(100) * 0.01
    sweep = stream_of(times, id__resp_h=[f"10.1.0.{at}" for at in range(100)], conn_state="S0")
    ports = stream_of(times, id__orig_h="10.0.0.2", id__resp_p=[1000 + at for at in range(100)])
    last = Context(compiled=compiled).update(sweep)[-1:]
    assert column(last, "host.peers.m")[0] == pytest.approx(100, rel=0.01)
    assert column(last, "service.peers.m")[0] == pytest.approx(100, rel=0.01)
    assert column(last, "host.services.m")[0] == pytest.approx(1, rel=0.01)
    assert column(last, "host.failed.s")[0] == pytest.approx(1)
    last = Context(compiled=compiled).update(ports)[-1:]
    assert column(last, "pair.services.m")[0] == pytest.approx(100, rel=0.01)
    assert column(last, "host.peers.m")[0] == pytest.approx(1, rel=0.01)


@backends
def test_a_long_silence_is_still_a_gap(compiled: bool) -> None:
    """A key that was seen once, however long ago, has a gap; its counts have faded."""
    for days in (7, 30, 3000):
        got = Context(compiled=compiled).update(stream_of([T0, T0 + days * 86400]))
        assert column(got, "host.gap")[1] == pytest.approx(days * 86400e3, rel=1e-5)
        assert column(got, "host.flows.h")[1] == pytest.approx(1)
        assert np.isnan(column(got, "host.gap_spread")[1])


def flood(first: int, rows: int, time: float) -> FlowBatch:
    """Flows of hosts that are seen once."""
    hosts = [f"11.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}" for at in range(first, first + rows)]
    return stream_of(np.full(rows, time), id__orig_h=hosts)


@backends
def test_a_host_of_long_standing_survives_a_flood(compiled: bool) -> None:
    """Ten times as many one-time keys as there are slots do not push out a busy host.

    They come a few a batch: as many new keys of one set as it has ways do take all its slots.
    """
    context = Context(1024, compiled=compiled)
    context.update(stream_of(T0 + np.arange(1000) * 0.5))
    memory = context.nbytes
    for at in range(216):
        context.update(flood(at * 16, 16, T0 + 600 + at))
    assert context.evictions.replaced > 8 * 1024
    got = context.update(stream_of([T0 + 900]))
    assert column(got, "host.flows.h")[0] > 900
    assert context.nbytes == memory


@backends
def test_a_clock_that_is_set_back_by_hours_starts_the_key_anew(compiled: bool) -> None:
    """A flow that ended over an hour before the key's latest forgets it, one that is late not."""
    late, anew = Context(compiled=compiled), Context(compiled=compiled)
    for context in (late, anew):
        context.update(stream_of(T0 + np.arange(50.0)))
    assert column(late.update(stream_of([T0 - 3000])), "host.flows.h")[0] > 50
    got = anew.update(stream_of([T0 - 4000]))
    assert column(got, "host.flows.h")[0] == 1
    assert np.isnan(column(got, "host.gap")[0])


@backends
def test_absent(compiled: bool) -> None:
    """Partial records and flows without `ts` have no context, and leave none."""
    rows = rows_of([T0, T0 + 1, T0 + 2, T0 + 3])
    rows[1]["partial"] = True
    del rows[2]["ts"]
    got = Context(compiled=compiled).update(from_rows(rows))
    assert np.isnan(got[1:3]).all()
    assert column(got, "host.flows.h")[[0, 3]].tolist() == pytest.approx([1, 2], rel=1e-3)
    assert Context(compiled=compiled).update(from_rows([])).shape == (0, CONTEXT_WIDTH)


@backends
def test_a_batch_without_addresses_is_refused(compiled: bool) -> None:
    """A column that every flow has must be there; the error names it."""
    batch = stream_of([T0])
    lacking = {name: col for name, col in batch.columns.items() if name != "id.resp_p"}
    with pytest.raises(FlowError, match=r"id\.resp_p"):
        Context(compiled=compiled).update(FlowBatch(1, lacking))


@backends
def test_reset_forgets(compiled: bool) -> None:
    """After a reset a stream gives what it gave at first."""
    context, batch = Context(compiled=compiled), recorded()[0]
    first = context.update(batch)
    assert not np.array_equal(context.update(batch), first, equal_nan=True)
    context.reset()
    np.testing.assert_array_equal(context.update(batch), first)


@backends
def test_the_seed_changes_only_who_collides(compiled: bool) -> None:
    """Without evictions two sensors with different seeds say the same."""
    batch = recorded()[0]
    one, other = (Context(seed=seed, compiled=compiled).update(batch) for seed in (1, 2**63 + 5))
    np.testing.assert_allclose(one, other, rtol=1e-5)


@backends
def test_a_set_without_room_counts_each_flow_alone(compiled: bool) -> None:
    """More keys in one batch than there are slots: those unplaced have a first flow's context."""
    context = Context(1024, compiled=compiled)
    got = context.update(flood(0, 4000, T0))
    assert context.evictions.unplaced > 8000
    assert (column(got, "host.flows.h") == 1).all()


def test_entries_are_bounded() -> None:
    """A power of two at or above what is asked for, within the bounds."""
    asked = (0, 1025, 1 << 18, 1 << 40)
    assert [bounded_entries(at) for at in asked] == [ENTRIES_MIN, 2048, 1 << 18, ENTRIES_MAX]


def test_half_lives_are_powers_of_each_other() -> None:
    """One exponential gives all scales: each half-life is RATIO times the one before."""
    assert [b / a for a, b in pairwise(HALF_LIVES)] == [RATIO] * 2
    assert RATIO & (RATIO - 1) == 0
