"""Drawn traffic: like what was recorded, and never the same twice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from benchmarks.pool import recorded
from benchmarks.traffic import BEGIN, EPHEMERAL, NS, PORTS, Profile, Traffic

from metatap.flow import FlowBatch, Numeric, Strings, to_row
from metatap.flow.schema import COLUMNS, CONN_STATES, Kind
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header
from metatap.sources.zeek_wire import Flows, decode

ROWS = 20_000
MAGNITUDES = (
    "duration",
    *(f"{side}_{what}" for side in ("orig", "resp") for what in ("bytes", "pkts", "ip_bytes")),
)


@pytest.fixture(scope="module")
def drawn() -> tuple[FlowBatch, npt.NDArray[np.bool_]]:
    return Traffic(Profile(hostile=0.02), seed=3).flows(ROWS)


@pytest.fixture(scope="module")
def flows(drawn: tuple[FlowBatch, npt.NDArray[np.bool_]]) -> FlowBatch:
    return drawn[0]


@pytest.fixture(scope="module")
def benign() -> FlowBatch:
    pool = recorded()
    return pool.flows.take(np.arange(pool.benign))


def values(batch: FlowBatch, name: str) -> npt.NDArray[np.float64]:
    column = batch.numeric(name)
    assert column is not None
    return np.asarray(column.values[column.mask()], np.float64)


def test_the_same_seed_gives_the_same_flows() -> None:
    profile = Profile(hostile=0.1)
    streams = [Traffic(profile, seed) for seed in (1, 1, 2)]
    first, again, other = ([s.flows(300)[0] for _ in range(2)] for s in streams)
    rows = [[to_row(b, at) for b in parts for at in range(300)] for parts in (first, again, other)]
    assert rows[0] == rows[1]
    assert sum(x == y for x, y in zip(rows[0], rows[2], strict=True)) == 0
    assert rows[0][:300] != rows[0][300:]


@pytest.mark.parametrize("name", MAGNITUDES)
def test_magnitudes_are_spread_as_recorded(name: str, flows: FlowBatch, benign: FlowBatch) -> None:
    """The distance of the two distributions (Wasserstein) of the logarithm is small.

    Drawing and a factor of e^0.2 move a value by some 0.16 at most, and cancel in part.
    """
    levels = np.linspace(0.005, 0.995, 200)
    ours, theirs = (np.log1p(np.quantile(values(b, name), levels)) for b in (flows, benign))
    assert np.abs(ours - theirs).mean() < 0.1


@pytest.mark.parametrize("name", ["service", "history", "http.method", "ssl.version", "dns.query"])
def test_texts_are_as_frequent_as_recorded(name: str, flows: FlowBatch, benign: FlowBatch) -> None:
    def shares(batch: FlowBatch) -> dict[bytes | None, float]:
        column = batch.strings(name)
        assert column is not None
        items = [column.item(row) for row in range(batch.rows)]
        return {item: items.count(item) / batch.rows for item in set(items)}

    ours, theirs = shares(flows), shares(benign)
    assert max(abs(ours.get(item, 0.0) - theirs.get(item, 0.0)) for item in ours | theirs) < 0.03


def test_states_are_as_frequent_as_recorded(flows: FlowBatch, benign: FlowBatch) -> None:
    def shares(batch: FlowBatch) -> npt.NDArray[np.float64]:
        codes = values(batch, "conn_state").astype(int)
        return np.bincount(codes, minlength=len(CONN_STATES)) / len(codes)

    assert np.abs(shares(flows) - shares(benign)).max() < 0.03


def test_no_column_is_constant_that_is_not_so_in_what_was_recorded(
    flows: FlowBatch, benign: FlowBatch
) -> None:
    def kinds(batch: FlowBatch, name: str) -> int:
        column = batch.columns.get(name)
        if isinstance(column, Numeric):
            return len(np.unique(column.values[column.mask()], axis=0))
        if isinstance(column, Strings):
            return len({column.item(row) for row in range(batch.rows)} - {None})
        return 0

    for spec in COLUMNS:
        if kinds(benign, spec.name) > 1:
            assert kinds(flows, spec.name) > 1, spec.name


def test_flows_are_valid_and_survive_the_wire(flows: FlowBatch) -> None:
    part = flows.take(np.arange(2000))
    decoded = decode(flows_message(part, Header("n", "b")))
    assert isinstance(decoded, Flows)
    assert [to_row(decoded.batch, at) for at in range(2000)] == [
        to_row(part, at) for at in range(2000)
    ]
    assert not decoded.unknown


def test_a_packet_has_a_header_and_what_was_nothing_stays_nothing(flows: FlowBatch) -> None:
    for side in ("orig", "resp"):
        packets, total = values(flows, f"{side}_pkts"), values(flows, f"{side}_ip_bytes")
        assert (total >= 20 * packets).all()
        assert ((packets == 0) == (total == 0)).all()
        assert (total < 2**40).all()
    assert (values(flows, "duration") >= 0).all()


def test_a_body_is_within_its_payload(flows: FlowBatch, benign: FlowBatch) -> None:
    def beyond(batch: FlowBatch) -> float:
        body, size = batch.numeric("http.response_body_len"), batch.numeric("resp_bytes")
        assert body is not None
        assert size is not None
        both = body.mask() & size.mask()
        found = np.asarray(body.values[both], np.int64), np.asarray(size.values[both], np.int64)
        return float((found[0] > found[1]).mean())

    assert beyond(flows) <= beyond(benign) + 0.01


def test_times_and_uids_tell_the_place_in_the_stream() -> None:
    traffic = Traffic(Profile(rate=1000.0), seed=0)
    first, second = traffic.flows(1000)[0], traffic.flows(1000)[0]
    for at, batch in enumerate((first, second)):
        ends = values(batch, "ts").astype(np.int64)
        duration = batch.numeric("duration")
        assert duration is not None
        ends += np.where(duration.mask(), duration.values, 0).astype(np.int64)
        due = BEGIN + (1000 * at + np.arange(1000)) * NS // 1000
        assert np.abs(ends - due).max() < 1000
    uids = second.strings("uid")
    assert uids is not None
    assert uids.item(7) == b"C00000000000001007"


def test_hosts_are_many_and_not_equal(flows: FlowBatch) -> None:
    few = Traffic(Profile(hosts=1000, busy=0.9, hostile=0.0), seed=1).flows(ROWS)[0]
    column = few.numeric("id.orig_h")
    assert column is not None
    _, counts = np.unique(column.values, axis=0, return_counts=True)
    assert len(counts) <= 2 * 1000  # in the network and outside
    assert counts.max() > 20 * np.median(counts)
    many = flows.numeric("id.orig_h")
    assert many is not None
    assert len(np.unique(many.values, axis=0)) > ROWS / 4


def test_services_have_servers_that_are_asked_often(flows: FlowBatch) -> None:
    port, address = flows.numeric("id.resp_p"), flows.numeric("id.resp_h")
    assert port is not None
    assert address is not None
    names = np.unique(address.values[port.values == 53], axis=0)
    assert len(names) < 40
    web = np.unique(address.values[port.values == 443], axis=0)
    assert len(web) > len(names)


def test_a_client_s_port_is_drawn_and_a_service_s_is_kept(
    flows: FlowBatch, benign: FlowBatch
) -> None:
    ours = values(flows, "id.orig_p")
    fresh = (ours >= EPHEMERAL) & (ours < EPHEMERAL + PORTS)
    assert len(np.unique(ours[fresh])) > 5000
    assert set(values(flows, "id.resp_p")) - set(values(benign, "id.resp_p")) <= set(
        values(recorded().flows, "id.resp_p")
    )


def test_hostile_flows_are_the_wished_share_and_have_hosts_of_their_own(
    drawn: tuple[FlowBatch, npt.NDArray[np.bool_]],
) -> None:
    batch, hostile = drawn
    assert 0.015 < hostile.mean() < 0.025
    address = batch.numeric("id.orig_h")
    assert address is not None
    own = {tuple(row) for row in address.values[hostile]}
    assert len(own) == hostile.sum()
    assert not own & {tuple(row) for row in address.values[~hostile]}
    assert not Traffic(Profile(hostile=0.0)).flows(1000)[1].any()


def test_a_service_keeps_to_its_summary(flows: FlowBatch) -> None:
    service, queries = flows.strings("service"), flows.columns["dns.queries"]
    assert service is not None
    is_dns = np.array([b"dns" in (service.item(row) or b"") for row in range(flows.rows)])
    assert (is_dns[queries.mask()]).all()


@pytest.mark.parametrize(
    "bad", [{"hostile": 2.0}, {"hosts": 0}, {"servers": 2**17}, {"rate": 0.0}, {"jitter": -1.0}]
)
def test_a_network_that_can_not_be_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Profile"):
        Profile(**bad)  # type: ignore[arg-type]


def test_every_kind_of_column_is_drawn(flows: FlowBatch) -> None:
    there = {spec.kind for spec in COLUMNS if spec.name in flows.columns}
    assert there == set(Kind)
