"""`zeek -r`: what is sent is what is logged, in the contract's form."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from metatap.flow.schema import CONTRACT_VERSION, STRING_MAX_BYTES, Group
from tests.zeek import pcaps, traffic
from tests.zeek.logs import comparable, expected
from tests.zeek.pcaps import Trace
from tests.zeek.receiver import GROUPS, HEADER, HELLO, fields
from tests.zeek.run import Zeek, log

pytestmark = pytest.mark.zeek


def test_every_column_equals_the_logs(zeek: Zeek, folder: Path) -> None:
    """Each connection comes once, and each of its columns is what conn.log and the rest say.

    Among the lines are some that Zeek writes only when it removes the connection: the DNS query
    and the HTTP request without an answer, and the SSH banner.
    """
    got = zeek.replay(folder, traffic.all_kinds())
    want = expected(folder)
    flows = {flow["uid"].decode(): comparable(flow) for flow in got.flows}
    assert len(got.flows) == len(flows) == len(want) == 11
    for uid, flow in want.items():
        assert flows[uid] == flow
    seen = {name.partition(".")[0] for flow in flows.values() for name in flow}
    assert {"dns", "http", "ssl", "ssh"} <= seen
    assert {flow["conn_state"] for flow in flows.values()} >= {"SF", "S0", "REJ", "RSTR", "S1"}
    assert any("duration" not in flow for flow in flows.values())


def test_fields_are_those_of_the_schema(zeek: Zeek, folder: Path) -> None:
    """Number, order and type of all fields on the wire are derived from the schema table."""
    got = zeek.replay(folder, traffic.all_kinds())
    event = next(event for event in got.events if event.name == "Metatap::flows")
    header, *groups = event.args
    assert [value.kind for value in header.data] == ["count", "string", "string"] + ["count"] * 4
    assert len(header.data) == len(HEADER)
    assert len(groups) == len(GROUPS)
    for group, record in zip(GROUPS, groups, strict=True):
        names = fields(group)
        assert len(record.data) == len(names), group
        for (name, kind), column in zip(names, record.data, strict=True):
            if kind == "string":
                assert column.kind == "string", f"{group}.{name}"
            else:
                assert column.kind == "vector", f"{group}.{name}"
                assert {element.kind for element in column.data} == {kind}, f"{group}.{name}"
    hello = next(event for event in got.events if event.name == "Metatap::hello")
    kinds = ["count", "string", "string", "bool"] + ["vector"] * 3 + ["count"] * 3
    assert [value.kind for value in hello.args] == kinds
    assert len(hello.args) == len(HELLO)


def test_batches_are_counted_without_gaps(zeek: Zeek, folder: Path) -> None:
    """Batch numbers and running counts go on from batch to batch, and no batch is too large."""
    got = zeek.replay(folder, traffic.many(1000), batch_size=64)
    assert len(got.flows) == len(log(folder, "conn")) == 1000
    assert got.headers[0]["batch"] == got.headers[0]["flows_before"] == 0
    for one, other in pairwise(got.headers):
        assert other["batch"] == one["batch"] + 1
        assert other["flows_before"] == one["flows_before"] + one["rows"]
        assert other["boot"] == one["boot"]
    assert max(header["rows"] for header in got.headers) == 64
    assert {header["version"] for header in got.headers} == {CONTRACT_VERSION}


def test_final_heartbeat_ends_the_stream(zeek: Zeek, folder: Path) -> None:
    """The last message is the final heartbeat, and its counts are those of what came."""
    got = zeek.replay(folder, traffic.many(300), batch_size=50, shards=3)
    assert got.topics[-1] == "metatap.hello.v1.zeek."
    (final,) = got.finals
    assert final == got.hellos[-1]
    assert final["seen"] == sum(final["flows"]) == 300
    assert final["partials"] == final["filtered"] == 0
    assert final["shards"] == [0, 1, 2]
    sent = Counter(flow["header"]["shard"] for flow in got.flows)
    batches = Counter(header["shard"] for header in got.headers)
    assert final["flows"] == [sent[shard] for shard in final["shards"]]
    assert final["batches"] == [batches[shard] for shard in final["shards"]]


def test_boot_id_is_new_at_each_start(zeek: Zeek, folder: Path) -> None:
    """Two runs have different boot ids even under the same seeds for random numbers."""
    boots = set()
    for _ in range(2):
        got = zeek.replay(folder, traffic.many(1), "-D")
        boots |= {header["boot"] for header in got.headers}
    assert len(boots) == 2


def test_an_originator_has_one_shard(zeek: Zeek, folder: Path) -> None:
    """The shard is FNV-1a of the originator's address as text, so that all nodes agree on it."""
    trace = traffic.many(500)
    trace.tcp(traffic.START, ("2001:db8::1", 40003), ("2001:db8::2", 9999))
    got = zeek.replay(folder, trace, shards=5)
    for flow in got.flows:
        value = 2166136261
        for byte in flow["id.orig_h"].encode():
            value = (value ^ byte) * 16777619 % 2**32
        assert flow["header"]["shard"] == value % 5
    assert {flow["header"]["shard"] for flow in got.flows} == set(range(5))
    topics = {topic for topic in got.topics if ".flows." in topic}
    assert topics == {f"metatap.flows.v1.00{shard}.zeek." for shard in range(5)}


def test_filter_hook_vetoes_and_is_counted(zeek: Zeek, folder: Path) -> None:
    """What the hook breaks for is not sent, but it is in the counts."""
    got = zeek.replay(
        folder,
        traffic.all_kinds(),
        script="hook Metatap::filter(rec: Conn::Info) { if ( rec$proto == udp ) break; }",
    )
    lines = log(folder, "conn")
    vetoed = [line["uid"] for line in lines if line["proto"] == "udp"]
    assert len(vetoed) == 2
    assert {flow["uid"].decode() for flow in got.flows} == {
        line["uid"] for line in lines if line["uid"] not in vetoed
    }
    (final,) = got.finals
    assert final["filtered"] == 2
    assert final["seen"] - final["filtered"] == sum(final["flows"]) == len(got.flows)


def test_texts_are_bytes_and_are_cut(zeek: Zeek, folder: Path) -> None:
    """Names that are no UTF-8 come as they were on the wire, long ones are cut to 256 bytes."""
    uri = "/" + "\xff\x80" * 400
    trace = Trace()
    request = pcaps.http_request("GET", "h\xe9.example", uri, agent="nul\x00byte")
    turns = [(True, request), (False, pcaps.http_response(200))]
    trace.tcp(traffic.START, ("10.0.0.1", 40000), ("198.51.100.9", 80), turns)
    (flow,) = zeek.replay(folder, trace).flows
    assert flow["http.uri"] == uri.encode("latin-1")[:STRING_MAX_BYTES]
    assert flow["http.uri_bytes"] == len(uri)
    assert flow["http.host"] == b"h\xe9.example"
    assert flow["http.user_agent"].startswith(b"nul")


@pytest.mark.parametrize("batch_size", [1, 3, 512])
def test_a_failed_ssh_login_is_in_the_summary(zeek: Zeek, folder: Path, batch_size: int) -> None:
    """Zeek logs a failed login two events after the connection's own; the batch waits for it.

    With batches of one there is no later connection that would wait anyhow; with the largest ones
    the last connections are taken in at the end of the file.
    """
    trace = Trace()
    banners = [(False, b"SSH-2.0-OpenSSH_9.2\r\n"), (True, b"SSH-2.0-client\r\n")]
    for i in range(5):
        trace.tcp(traffic.START + i, ("10.0.0.3", 40001 + i), ("10.0.0.22", 22), banners)
    script = """
        event ssh_client_version(c: connection, version: string)
            { event ssh_auth_attempted(c, F); event ssh_auth_attempted(c, F); }
    """
    got = zeek.replay(folder, trace, script=script, batch_size=batch_size)
    assert len(log(folder, "ssh")) == len(got.flows) == 5
    assert max(header["rows"] for header in got.headers) <= batch_size
    for flow in got.flows:
        assert flow["ssh.auth_success"] is False
        assert flow["ssh.auth_attempts"] == 2


def test_batches_are_cut_where_they_are_full(zeek: Zeek, folder: Path) -> None:
    """Connections are taken in 64 at a time; all batches of a shard but its last are full.

    A flush by the wall clock would cut one short, so it is put off.
    """
    got = zeek.replay(folder, traffic.mixed(600), shards=2, batch_size=50, flush_interval="1hr")
    assert len(got.flows) == len({flow["uid"] for flow in got.flows}) == 600
    for shard in (0, 1):
        rows = [header["rows"] for header in got.headers if header["shard"] == shard]
        assert set(rows[:-1]) == {50}
        assert 1 <= rows[-1] <= 50
    want = expected(folder)
    for flow in got.flows:
        assert comparable(flow) == want[flow["uid"].decode()]


def test_logs_are_not_sent_without_a_cluster(zeek: Zeek, folder: Path) -> None:
    """The backend would serialize each line of each log for a node that is not there."""
    script = """
        event zeek_done()
            { print fmt("remote %s", Log::get_filter(Conn::LOG, "default")$log_remote); }
    """
    zeek.replay(folder, traffic.many(1), script=script)
    assert "remote F" in (folder / "stderr.log").read_text()


def test_node_name_cannot_break_the_topic(zeek: Zeek, folder: Path) -> None:
    """The node is named as it is set; in the topic only letters, digits, `_` and `-` are left."""
    got = zeek.replay(folder, traffic.many(3), node_name="tap.1 b")
    assert {header["node"] for header in got.headers} == {"tap.1 b"}
    assert set(got.topics) == {"metatap.flows.v1.000.tap_1_b.", "metatap.hello.v1.tap_1_b."}


def test_groups_are_sparse(zeek: Zeek, folder: Path) -> None:
    """A protocol's record has one element for each flow that has it, and none without."""
    got = zeek.replay(folder, traffic.many(10))
    event = next(event for event in got.events if event.name == "Metatap::flows")
    for group, record in list(zip(GROUPS, event.args[1:], strict=True))[1:]:
        assert group is not Group.CONN
        assert all(not column.data for column in record.data)
