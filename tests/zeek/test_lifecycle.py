"""Starting, ending, and what happens when nobody listens."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.zeek import pcaps, traffic
from tests.zeek.pcaps import Trace
from tests.zeek.receiver import Receiver
from tests.zeek.run import Ends, Zeek, log, settings, stop

pytestmark = pytest.mark.zeek


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _line(ends: Ends, *args: str) -> list[str]:
    return ["-r", "trace.pcap", "metatap", *ends.args(), *args]


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
def test_an_agent_may_bind_either_kind_of_endpoint(zeek: Zeek, folder: Path, kind: str) -> None:
    """Unix-domain sockets and TCP ports, with the agent listening: nothing is lost."""
    got = zeek.replay(folder, traffic.many(700), kind=kind)
    assert len(got.flows) == len(log(folder, "conn")) == 700


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
def test_zeek_may_run_the_proxy(zeek: Zeek, folder: Path, kind: str) -> None:
    """With Zeek listening the agent connects; one that keeps up loses nothing either.

    One that does not would lose the end, since Zeek does not wait for its proxy: it says so.
    """
    traffic.many(700).write(folder / "trace.pcap")
    ends = Ends.of(kind, folder)
    line = ["-r", "trace.pcap", "metatap", *ends.args(proxy=True)]
    with (
        Receiver(ends.back, "", bind=False) as receiver,
        zeek.start(folder, *line) as process,
    ):
        assert process.wait(60) == 0
        got = receiver.wait_final(timeout=5)
    assert len(got.flows) == len(log(folder, "conn")) == 700
    assert "let the agent bind" in (folder / "stderr.log").read_text()


def test_a_file_is_not_read_before_the_agent_is_there(zeek: Zeek, folder: Path) -> None:
    """Zeek waits with the first packet, says for what, and uses little CPU time for that."""
    traffic.many(200).write(folder / "trace.pcap")
    ends = Ends.of("ipc", folder)
    line = _line(ends, *settings(wait_report_interval="0.5sec"))
    with zeek.start(folder, *line) as process:
        time.sleep(4)
        assert process.poll() is None
        assert not log(folder, "conn")
        said = (folder / "stderr.log").read_text()
        assert "waiting for an agent that subscribes to metatap.flows.v1.000.zeek." in said
        assert ends.flows in said
        assert _cpu_seconds(process.pid) < 2.0
        with Receiver(ends.flows, ends.back) as receiver:
            assert process.wait(30) == 0
            assert len(receiver.wait_final(timeout=5).flows) == 200


def test_a_waiting_zeek_can_be_stopped(zeek: Zeek, folder: Path) -> None:
    """TERM ends it at once, as it ends any Zeek."""
    traffic.many(1).write(folder / "trace.pcap")
    with zeek.start(folder, *_line(Ends.of("ipc", folder))) as process:
        time.sleep(1.5)
        assert process.poll() is None
        stop(process, timeout=5)
        assert process.returncode == 0


def test_waiting_can_have_an_end(zeek: Zeek, folder: Path) -> None:
    """After the time set for it, Zeek gives up with an error that says what was missing."""
    traffic.many(1).write(folder / "trace.pcap")
    ends = Ends.of("ipc", folder)
    with zeek.start(folder, *_line(ends, *settings(wait_timeout="1sec"))) as process:
        assert process.wait(30) != 0
    assert "gave up after 1.0 sec waiting for an agent" in (folder / "stderr.log").read_text()


def test_a_file_is_read_once_all_shards_have_an_agent(zeek: Zeek, folder: Path) -> None:
    """One of two agents is not enough; together they get each flow once."""
    traffic.many(300).write(folder / "trace.pcap")
    ends = Ends.of("ipc", folder)
    line = ["-r", "trace.pcap", "metatap", *ends.args(proxy=True), *settings(shards=2)]
    topics = [(f"metatap.flows.v1.00{shard}.", "metatap.hello.") for shard in (0, 1)]
    with (
        Receiver(ends.back, "", bind=False, topics=topics[0]) as one,
        zeek.start(folder, *line) as process,
    ):
        time.sleep(3)
        assert process.poll() is None
        assert not log(folder, "conn")
        with Receiver(ends.back, "", bind=False, topics=topics[1]) as other:
            assert process.wait(30) == 0
            got = [one.wait_final(timeout=5), other.wait_final(timeout=5)]
    uids = [{flow["uid"] for flow in part.flows} for part in got]
    assert len(uids[0]) + len(uids[1]) == len(uids[0] | uids[1]) == 300
    assert all(uids)


def test_a_file_can_be_read_without_an_agent(zeek: Zeek, folder: Path) -> None:
    """With waiting turned off Zeek ends on its own although nobody ever listens."""
    traffic.many(100).write(folder / "trace.pcap")
    line = _line(Ends.of("ipc", folder), *settings(wait_for_agent="F"))
    with zeek.start(folder, *line) as process:
        assert process.wait(30) == 0
    assert len(log(folder, "conn")) == 100


def test_a_slow_agent_loses_nothing(zeek: Zeek, folder: Path) -> None:
    """Zeek keeps in memory what a slow agent has not read yet, and waits for it at the end.

    There are more messages than ZeroMQ's default limit of 1000, and the agent still reads when
    Zeek is done with the file.
    """
    traffic.many(3000).write(folder / "trace.pcap")
    ends = Ends.of("ipc", folder)
    line = _line(ends, *settings(batch_size=1))
    with (
        Receiver(ends.flows, ends.back, slow=0.002) as receiver,
        zeek.start(folder, *line) as process,
    ):
        assert process.wait(60) == 0
        got = receiver.wait_final(timeout=30)
    assert len(got.headers) == len(got.flows) == len(log(folder, "conn")) == 3000


def test_summaries_without_a_connection_are_forgotten(zeek: Zeek, folder: Path) -> None:
    """A log line of a connection that is never logged itself is dropped after a while, counted.

    A living connection's summary is kept as long as it lives, even if the site sets a short time.
    """
    trace = traffic.many(100, rate=0.2)
    turns = [
        (True, pcaps.http_request("GET", "www.example", "/stream")),
        (False, pcaps.http_response(200, b"x")),
        *[(False, b"more")] * 40,
    ]
    trace.tcp(traffic.START, ("10.0.0.1", 40000), ("198.51.100.9", 80), turns, pause=10.0)
    script = """
        global done = F;
        event new_connection(c: connection)
            {
            if ( done )
                return;
            done = T;
            local id = conn_id($orig_h=1.2.3.4, $orig_p=1/udp, $resp_h=1.2.3.4, $resp_p=2/udp,
                               $proto=17);
            for ( i in vector(1, 2, 3, 4, 5) )
                event DNS::log_dns(DNS::Info($ts=network_time(), $uid=fmt("gone%s", i),
                                             $id=id, $proto=udp));
            }
        event zeek_done()
            { print fmt("orphans %d left %d", Metatap::counters$orphans, |Metatap::summaries|); }
    """
    got = zeek.replay(
        folder,
        trace,
        script="module Metatap;\n" + script,
        summary_timeout="20sec",
        partial_interval="0sec",
    )
    assert "orphans 5 left" in (folder / "stderr.log").read_text()
    (web,) = [flow for flow in got.flows if flow["id.orig_h"] == "10.0.0.1"]
    assert web["duration"] > 300e9
    assert web["http.uri"] == b"/stream"


def test_zeek_says_when_its_backend_cannot_reach_an_agent(zeek: Zeek, folder: Path) -> None:
    """In a cluster with another backend the package says so, at the start and in one line."""
    Trace().write(folder / "trace.pcap")
    (folder / "cluster-layout.zeek").write_text(
        'redef Cluster::nodes = { ["manager"] = Cluster::Node($node_type=Cluster::MANAGER, '
        '$ip=127.0.0.1, $p=0/unknown), ["worker-1"] = Cluster::Node($node_type=Cluster::WORKER, '
        '$ip=127.0.0.1, $p=0/unknown, $manager="manager") };\n'
    )
    env = {"CLUSTER_NODE": "worker-1", "ZEEKPATH": f"{folder}:{zeek.path}"}
    line = ["-e", "redef Broker::default_port=0/unknown; event zeek_init() { terminate(); }"]
    with zeek.start(folder, *line, "metatap", env=env) as process:
        process.wait(30)
    assert "needs the ZeroMQ cluster backend" in (folder / "stderr.log").read_text()
