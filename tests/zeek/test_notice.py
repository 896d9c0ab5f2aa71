"""Alerts of an agent become notices of a real Zeek: alone, with a proxy, in a cluster."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from metatap.flow.schema import CONTRACT_VERSION
from metatap.packs import Severity
from metatap.sinks import zeek_values as values
from metatap.sinks.transport import Record, TransportError
from metatap.sinks.zeek import PREFIX, ZeekTransport
from metatap.sinks.zeek_event import FIELDS, MAX_ATTACK, TEXT_BYTES, TOPIC, alert_event
from metatap.sinks.zeek_publisher import ZeekPublisher
from metatap.sources.encode import encode_event
from tests.agent.formats.cases import DOCUMENTS
from tests.zeek import traffic
from tests.zeek.receiver import Receiver
from tests.zeek.run import Ends, Zeek, free_port, log, settings, stop

pytestmark = pytest.mark.zeek

DEADLINE = 60.0
"""Seconds for what must come."""


def _document(number: int, kind: str = "opened", **alert: Any) -> dict[str, Any]:
    """An alert of its own id."""
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENTS["opened"]))
    document["metatap"]["alert"] |= {"id": f"alert-{number}", "kind": kind, **alert}
    document["event"]["id"] = f"event-{number}-{kind}"
    return document


def _records(*documents: dict[str, Any]) -> list[Record]:
    return [
        Record(document["event"]["id"], 0, Severity.HIGH, json.dumps(document).encode())
        for document in documents
    ]


def _send(transport: ZeekTransport, *documents: dict[str, Any]) -> None:
    """Send all to a Zeek that is just coming."""
    until = time.monotonic() + DEADLINE
    records = _records(*documents)
    while records:
        try:
            sent = transport.send(records)
        except TransportError as error:
            if error.reason != "no_subscriber" or time.monotonic() > until:
                raise
        else:
            assert not sent.refused
            records = records[sent.done :]


def _wait(folder: Path, true: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < until, (folder / "stderr.log").read_text()[-5000:]
        time.sleep(0.05)


def _wait_said(folder: Path, words: str) -> None:
    _wait(folder, lambda: words in (folder / "stderr.log").read_text())


def _notices(folder: Path) -> list[dict[str, Any]]:
    """The lines of notice.log that are whole."""
    path = folder / "notice.log"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


LAST = {
    "metatap": {"alert": {"id": "last", "kind": "opened"}, "pack": {"id": "last"}},
    "message": "the last one",
}


@contextmanager
def _standalone(
    zeek: Zeek, folder: Path, *args: str, script: str = "", proxy: bool = False
) -> Iterator[tuple[ZeekTransport, subprocess.Popen[bytes]]]:
    """A Zeek that sniffs nothing, and a transport to it."""
    ends = Ends.of("tcp" if proxy else "ipc", folder)
    (folder / "site.zeek").write_text(script)
    line = ["metatap", "./site", *ends.args(proxy=proxy), *args]
    address = ends.flows if proxy else ends.back
    with (
        closing(ZeekTransport(address, bind=not proxy, wait=1.0)) as transport,
        zeek.start(folder, *line) as process,
    ):
        yield transport, process


def _last(transport: ZeekTransport, folder: Path) -> list[dict[str, Any]]:
    """All notices, once a last alert has followed them, without its own."""
    _send(transport, LAST | {"event": {"id": "last"}})
    _wait(folder, lambda: any(line["msg"] == LAST["message"] for line in _notices(folder)))
    return _notices(folder)[:-1]


@pytest.mark.parametrize("proxy", [False, True], ids=["agent-binds", "zeek-runs-the-proxy"])
def test_an_alert_is_a_notice(zeek: Zeek, folder: Path, *, proxy: bool) -> None:
    """One line with the flow's uid and endpoints; the same alert again is suppressed.

    After the end of Zeek nothing is sent any more.
    """
    script = """
        hook Notice::notice(n: Notice::Info)
            { Reporter::info(fmt("identifier %s of %s", n$identifier, n$metatap$pack)); }
        event Notice::suppressed(n: Notice::Info)
            { Reporter::info(fmt("suppressed %s", n$identifier)); }
    """
    with _standalone(zeek, folder, script=script, proxy=proxy) as (transport, process):
        one = _document(1)
        _send(transport, one, _document(1), _document(1, "summary"), _document(2))
        lines = _last(transport, folder)
        said = (folder / "stderr.log").read_text()
        stop(process)
        with pytest.raises(TransportError) as caught:
            transport.send(_records(_document(3)))
        assert caught.value.reason in ("no_subscriber", "closed")
    assert len(lines) == 2
    line = lines[0]
    assert line["uid"] == one["zeek"]["session_id"]
    assert (line["id.orig_h"], line["id.orig_p"]) == ("10.0.0.1", 40000)
    assert (line["id.resp_h"], line["id.resp_p"]) == ("10.0.0.2", 22)
    assert (line["src"], line["dst"], line["p"]) == ("10.0.0.1", "10.0.0.2", 22)
    assert line["proto"] == "tcp"
    assert line["msg"] == one["message"]
    assert line["sub"] == one["event"]["reason"]
    assert line["n"] == 1
    assert line["suppress_for"] == 300.0
    assert line["peer_descr"] == "tap-1"
    assert line["actions"] == ["Notice::ACTION_LOG"]
    assert "metatap.id" not in line
    assert "identifier alert-1 of ssh-bruteforce" in said
    assert "suppressed alert-1" in said
    assert "error" not in said


def test_every_kind_of_alert_fits(zeek: Zeek, folder: Path) -> None:
    """IPv6, without ports, with long texts and control characters, with next to nothing."""
    script = 'redef Metatap::notice_kinds += { "summary" };'
    with _standalone(zeek, folder, script=script) as (transport, _):
        documents = []
        for number, given in enumerate(DOCUMENTS.values()):
            document = json.loads(json.dumps(given))
            document["metatap"]["alert"]["id"] = f"alert-{number}"
            documents.append(document)
        _send(transport, *documents)
        lines = _last(transport, folder)
        assert "error" not in (folder / "stderr.log").read_text()
    assert len(lines) == len(documents)
    for line, document in zip(lines, documents, strict=True):
        assert line.get("id.orig_h") == document.get("source", {}).get("ip")
        said = re.sub(r"[\x00-\x1f\x7f]", " ", document["message"])
        assert line["msg"].encode() == said.encode()[:TEXT_BYTES]


def test_a_site_can_have_the_alert_in_its_log(zeek: Zeek, folder: Path) -> None:
    """Its fields are no columns of notice.log unless they are asked for."""
    script = "redef record Notice::Info$metatap += { &log };"
    with _standalone(zeek, folder, script=script) as (transport, _):
        _send(transport, _document(1))
        (line,) = _last(transport, folder)
    assert line["metatap.id"] == "alert-1"
    assert line["metatap.pack"] == "ssh-bruteforce"
    assert line["metatap.attack"] == ["T1110.001"]
    assert line["metatap.score"] > line["metatap.threshold"]
    assert line["metatap.community_id"].startswith("1:")


def test_a_site_chooses(zeek: Zeek, folder: Path) -> None:
    """Kinds, what becomes of a notice, and how many there are in a minute."""
    script = """
        redef Metatap::notice_kinds = { "summary" };
        redef Metatap::notices_a_minute = 3;
        hook Notice::policy(n: Notice::Info)
            { if ( n?$metatap && n$metatap$n == 3 ) add n$actions[Notice::ACTION_ALARM]; }
        event zeek_done()
            {
            local c = Metatap::counters;
            print fmt("alerts %d unwanted %d many %d",
                      c$alerts, c$alerts_unwanted, c$alerts_too_many);
            }
    """
    with _standalone(zeek, folder, script=script) as (transport, process):
        _send(transport, _document(1), *(_document(at, "summary", count=at) for at in range(2, 9)))
        _wait(folder, lambda: len(_notices(folder)) >= 3)
        _wait_said(folder, "more than 3 alerts")
        stop(process)
    assert [line["n"] for line in _notices(folder)] == [2, 3, 4]
    assert [line["n"] for line in log(folder, "notice_alarm")] == [3]
    said = (folder / "stderr.log").read_text()
    assert said.count("more than 3 alerts within a minute") == 1
    assert "alerts 8 unwanted 1 many 4" in said


def test_a_site_that_wants_none_does_not_subscribe(zeek: Zeek, folder: Path) -> None:
    """So that the agent keeps them."""
    with (
        _standalone(zeek, folder, "Metatap::notices=F") as (transport, _),
        Receiver(f"ipc://{folder}/f", f"ipc://{folder}/unused") as receiver,
    ):
        _wait(folder, lambda: len(receiver.messages) > 2)
        with pytest.raises(TransportError) as caught:
            transport.send(_records(_document(1)))
        assert caught.value.reason == "no_subscriber"


def _hostile() -> Iterator[Sequence[bytes]]:
    """Messages that are none of ours: the parts after the topic."""
    sender, serializer = b"someone", b"broker-bin-v1"
    good = alert_event(_document(0), "event")
    version = values.count(CONTRACT_VERSION)
    for payload in (b"", b"\xff" * 100, good[:-1], good + b"\0", good[: len(good) // 2]):
        yield sender, serializer, payload
    yield sender, b"broker-json-v1", good
    yield sender, b"", good
    yield sender, serializer
    yield sender, serializer, good, b"more"
    unset = [values.UNSET] * len(FIELDS)
    records = [
        [],
        unset,
        unset[:-1],
        [values.string("id", 9), *unset[1:]],
        [values.count(1)] * len(FIELDS),
        [values.vector([])] * len(FIELDS),
        [values.string("x", 9)] * len(FIELDS),
        [values.port(0, 255) if name.endswith("_p") else values.UNSET for name in FIELDS],
    ]
    for record in records:
        yield sender, serializer, encode_event("Metatap::alert", [version, values.vector(record)])
    for args in ([], [version], [values.UNSET, values.UNSET], [version, version], [version] * 3):
        yield sender, serializer, encode_event("Metatap::alert", args)
    foreign = [values.count(99), values.vector(unset)]
    yield sender, serializer, encode_event("Metatap::alert", foreign)
    yield sender, serializer, encode_event("Metatap::no_such_event", foreign)
    yield sender, serializer, encode_event("Metatap::flows", foreign)
    deep = values.UNSET
    for _ in range(10_000):
        deep = values.vector([deep])
    yield sender, serializer, encode_event("Metatap::alert", [version, deep])
    huge = bytes([14]) + b"\xff" * 9 + b"\x01"
    yield sender, serializer, encode_event("Metatap::alert", [version, huge])


def _rough(number: int, **fields: bytes) -> bytes:
    """An alert of which some fields are encoded as given."""
    record = dict.fromkeys(FIELDS, values.UNSET)
    record |= {"id": values.string(f"rough-{number}", 99), "kind": values.string("opened", 99)}
    assert record.keys() >= fields.keys()
    alert = values.vector(list((record | fields).values()))
    return encode_event("Metatap::alert", [values.count(CONTRACT_VERSION), alert])


def test_nothing_that_is_sent_breaks_zeek(zeek: Zeek, folder: Path) -> None:
    """What is malformed is said and skipped; what is out of bounds is cut; the next one counts."""
    long = b"\x05" + b"\x80\x80\x40" + b"a\nb\x00c\x7f\xff".ljust(2**20, b"z")
    many = values.vector([values.string("T1", 9)] * 5000)
    rough = [
        _rough(1, msg=long, sub=long, uid=long, name=long, severity=long),
        _rough(2, suppress_for=values.interval(2**63 - 1), attack=many),
        _rough(3, suppress_for=values.interval(-(2**63)), ts=values.time(-(2**63))),
        _rough(4, score=values.double(float("nan")), threshold=values.double(float("-inf"))),
        _rough(5, orig_h=values.addr("10.0.0.1"), resp_p=values.port(8, 3)),
        _rough(6, n=values.count(2**64 - 1), id=long),
    ]
    ends = Ends.of("ipc", folder)
    (folder / "site.zeek").write_text("redef record Notice::Info$metatap += { &log };")
    with (
        closing(ZeekPublisher(ends.back, TOPIC.encode(), PREFIX.encode(), bind=True)) as publisher,
        zeek.start(folder, "metatap", "./site", *ends.args()) as process,
    ):
        assert publisher.is_heard(DEADLINE)
        for parts in _hostile():
            assert publisher.publish(parts, DEADLINE)
        good = alert_event(_document(1), "event")
        for payload in (*rough, good):
            assert publisher.publish((b"metatap", b"broker-bin-v1", payload), DEADLINE)
        _wait(folder, lambda: len(_notices(folder)) == len(rough) + 1)
        lines = _notices(folder)
        process.terminate()
        assert process.wait(DEADLINE) == 0
    said = (folder / "stderr.log").read_text()
    assert "expression error" not in said
    assert said.count("sends alerts of version 99") == 1
    cut = lines[0]
    assert cut["msg"].startswith("a b c ")
    assert len(cut["msg"]) <= TEXT_BYTES + len(r"\xff")
    assert len(cut["uid"]) < 200
    assert lines[1]["suppress_for"] == 86400.0
    assert len(lines[1]["metatap.attack"]) == MAX_ATTACK
    assert lines[2]["suppress_for"] == 0.0
    assert lines[4]["src"] == "10.0.0.1"
    assert (lines[4]["p"], lines[4]["proto"]) == (8, "icmp")
    assert len(lines[5]["metatap.id"]) < 200
    assert lines[6]["metatap.id"] == "alert-1"


def test_while_a_file_is_read(zeek: Zeek, folder: Path) -> None:
    """An alert that comes before the end is noticed at the packets' time."""
    traffic.many(20_000).write(folder / "trace.pcap")
    ends = Ends.of("ipc", folder)
    (folder / "site.zeek").write_text("""
        hook Notice::notice(n: Notice::Info) { Reporter::info(fmt("noticed %s", n$identifier)); }
        """)
    line = ["-r", "trace.pcap", "metatap", "./site", *ends.args()]
    with (
        closing(ZeekTransport(ends.back, bind=True, wait=1.0)) as transport,
        zeek.start(folder, *line) as process,
    ):
        # Zeek waits for somebody who takes the flows, its time has not begun.
        _send(transport, _document(1))
        _wait_said(folder, "noticed alert-1")
        with Receiver(ends.flows, f"ipc://{folder}/unused", keep=False) as receiver:
            _wait(folder, lambda: any(b".flows." in parts[0] for parts in receiver.messages))
            _send(transport, _document(2))
            assert process.wait(DEADLINE) == 0
    early, late = _notices(folder)
    assert early["ts"] == 1_700_000_102.5
    assert traffic.START < late["ts"] < traffic.START + 30


def _layout(folder: Path) -> None:
    """A manager that takes the logs, a proxy and a worker."""
    ports = itertools.repeat(f"{free_port()}/tcp")
    kinds = {"manager": "MANAGER", "proxy-1": "PROXY", "worker-1": "WORKER"}
    nodes = [
        f'["{name}"] = [$node_type=Cluster::{kind}, $ip=127.0.0.1, $p={port}'
        + ("]" if name == "manager" else ', $manager="manager"]')
        for (name, kind), port in zip(kinds.items(), ports, strict=False)
    ]
    text = "redef Cluster::nodes = {\n" + ",\n".join(nodes) + "\n};\n"
    (folder / "cluster-layout.zeek").write_text(text)


def test_cluster(zeek: Zeek, folder: Path) -> None:
    """The manager alone makes a notice of it, and the others know that it is suppressed."""
    ends = Ends.of("tcp", folder)
    _layout(folder)
    listen = {"listen_xsub_endpoint": ends.flows, "listen_xpub_endpoint": ends.back}
    backend = [f"Cluster::Backend::ZeroMQ::{name}={value}" for name, value in listen.items()]
    (folder / "site.zeek").write_text("""
        event Cluster::node_up(name: string, id: string)
            { Reporter::info(fmt("up %s", name)); }
        event Notice::begin_suppression(ts: time, suppress_for: interval, note: Notice::Type,
                                        identifier: string)
            { Reporter::info(fmt("suppresses %s for %s", identifier, suppress_for)); }
        """)
    line = ["frameworks/cluster/backend/zeromq/connect", "metatap", "../site", *ends.args()]
    line += [*backend, *settings(start_hold="0sec"), "Log::default_rotation_interval=0sec"]
    names = ["manager", "proxy-1", "worker-1"]
    running: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        transport = stack.enter_context(closing(ZeekTransport(ends.flows, wait=1.0)))
        for name in names:
            (folder / name).mkdir()
            env = {"CLUSTER_NODE": name, "ZEEKPATH": f"{folder}:{zeek.path}"}
            running[name] = stack.enter_context(zeek.start(folder / name, *line, env=env))
        manager = folder / "manager"
        for name in names[1:]:
            _wait_said(manager, f"up {name}")
        _send(transport, _document(1), _document(1), _document(2))
        lines = _last(transport, manager)
        worker = folder / "worker-1"
        for number in (1, 2):
            _wait_said(worker, f"suppresses alert-{number} for 5.0 mins")
        for name in reversed(names):
            stop(running[name])
    assert len(lines) == 2
    assert lines[0]["uid"] == _document(1)["zeek"]["session_id"]
    assert lines[0]["peer_descr"] == "tap-1"
    assert not _notices(folder / "worker-1")
    assert not _notices(folder / "proxy-1")
