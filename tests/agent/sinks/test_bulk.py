"""metatap.sinks.bulk, against a server that behaves as the products' documentation says."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator

import pytest
from tests.agent.sinks.bulk_server import BulkServer
from tests.agent.sinks.http_receiver import Answer
from tests.agent.sinks.transport_contract import bring, make_record

from metatap.errors import ConfigError
from metatap.packs import Severity
from metatap.sinks import BulkTransport, Record, Sent, TransportError


@pytest.fixture
def server() -> Iterator[BulkServer]:
    """A server that listens; it must have found no fault with what it was sent."""
    made = BulkServer()
    made.start()
    yield made
    made.kill()
    assert made.faults == []


@pytest.fixture
def transport(server: BulkServer) -> Iterator[BulkTransport]:
    """A transport to it."""
    made = BulkTransport(server.url, "alerts", timeout=5.0)
    yield made
    made.close()


RECORDS = [make_record(number) for number in range(6)]
IDS = [record.id for record in RECORDS]


def test_documents_are_what_the_records_hold(server: BulkServer, transport: BulkTransport) -> None:
    """Under their ids, in one request, compressed."""
    assert transport.send(RECORDS) == Sent(6)
    assert server.documents == {record.id: json.loads(record.body) for record in RECORDS}
    (request,) = server.requests
    assert request.raw_size < len(request.body)
    plain = BulkTransport(server.url, "alerts", compress=False)
    assert plain.send([make_record(9)]) == Sent(1)
    plain.close()
    assert "content-encoding" not in server.requests[1].headers


def test_what_is_there_already_is_done(server: BulkServer, transport: BulkTransport) -> None:
    """A batch that is sent again is stored once."""
    assert transport.send(RECORDS[:4]) == Sent(4)
    assert transport.send(RECORDS) == Sent(6)
    assert server.ids() == IDS


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "es_rejected_execution_exception"),
        (503, "unavailable_shards_exception"),
        (403, "cluster_block_exception"),
        (403, "security_exception"),
        (404, "index_not_found_exception"),
        (500, "internal"),
    ],
)
def test_an_item_that_can_not_be_taken_now_is_sent_again(
    server: BulkServer, transport: BulkTransport, status: int, kind: str
) -> None:
    """With all that follow it; those before it are done."""
    server.item_faults[IDS[2]] = deque([(status, kind)] * 2)
    assert transport.send(RECORDS) == Sent(2)
    with pytest.raises(TransportError, match=kind) as raised:
        transport.send(RECORDS[2:])
    assert raised.value.reason == ("throttled" if status in {429, 503} else kind)
    assert transport.send(RECORDS[2:]) == Sent(4)
    assert sorted(server.ids()) == IDS


def test_an_item_that_will_never_be_taken_is_refused(
    server: BulkServer, transport: BulkTransport
) -> None:
    """Under the type of its error; the others of the batch are done."""
    server.item_faults[IDS[1]] = deque([(400, "document_parsing_exception")])
    server.item_faults[IDS[3]] = deque([(400, "not a word: secret")])
    server.item_faults[IDS[4]] = deque([(404, "alias_not_found")])
    assert transport.send(RECORDS) == Sent(
        6, {1: "document_parsing_exception", 3: "status_400", 4: "alias_not_found"}
    )
    assert len(server.documents) == 3


def test_an_item_that_fails_again_and_again_is_given_up(
    server: BulkServer, transport: BulkTransport
) -> None:
    """500 ten times in a row; what the whole cluster can't take is never given up."""
    server.item_faults[IDS[0]] = deque([(500, "odd_exception")] * 10)
    for _ in range(9):
        with pytest.raises(TransportError):
            transport.send(RECORDS)
    assert transport.send(RECORDS) == Sent(6, {0: "odd_exception"})
    server.item_faults["id-000007"] = deque([(429, "busy")] * 12)
    for _ in range(12):
        with pytest.raises(TransportError):
            transport.send([make_record(7)])
    assert transport.send([make_record(7)]) == Sent(1)


def test_a_request_that_is_too_big_is_halved(server: BulkServer) -> None:
    """Until it is taken; a record that is too big alone is refused."""
    plain = BulkTransport(server.url, "alerts", compress=False)
    server.max_bytes = 1000
    records = [make_record(number, 3000 if number == 5 else 100) for number in range(20)]
    assert bring(plain, records) == {"id-000005": "too_big"}
    assert server.ids() == [record.id for record in records if record.id != "id-000005"]
    server.max_bytes = 100_000
    more = [make_record(number) for number in range(100, 164)]
    before = len(server.requests)
    assert bring(plain, more) == {}
    assert len(server.requests) - before < 10, "larger requests are tried again"
    plain.close()


def test_requests_are_bounded(server: BulkServer) -> None:
    """By bytes; a record alone may have more."""
    transport = BulkTransport(server.url, "alerts", max_bytes=1000)
    records = [make_record(0, 2000), *[make_record(number, 300) for number in range(1, 6)]]
    assert transport.send(records) == Sent(1)
    assert transport.send(records[1:]) == Sent(2)
    transport.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(429, b'{"error":{"type":"circuit_breaking_exception"}}'), "throttled"),
        (Answer(503), "throttled"),
        (Answer(502, b"<html>"), "throttled"),
        (Answer(500), "server_error"),
        (Answer(401), "unauthorized"),
        (Answer(403), "forbidden"),
        (Answer(404), "not_found"),
        (Answer(400, b'{"error":{"type":"illegal_argument_exception"}}'), "bad_request"),
        (Answer(302, b"", {"Location": "http://localhost:1/"}), "redirected"),
        (Answer(418), "bad_status"),
        (Answer(200, b"<html>a proxy</html>"), "protocol"),
        (Answer(200, b"\xff"), "protocol"),
        (Answer(200, b'{"items":[]}'), "protocol"),
        (Answer(200, b'{"items":[{"create":{"status":201}}]}'), "protocol"),
        (Answer(200, b'{"items":[' + b"[" * 100_000), "protocol"),
        (Answer(200, b"{}" * 500, cut=True), "closed"),
        (Answer(200, b"x" * 30, drip=0.5), "timeout"),
        (Answer(200, b"{}", {"Content-Encoding": "gzip"}), "protocol"),
    ],
)
def test_an_answer_that_is_none_leaves_everything_to_be_sent_again(
    server: BulkServer, answer: Answer, reason: str
) -> None:
    """With the reason in one word."""
    transport = BulkTransport(server.url, "alerts", timeout=0.7 if answer.drip else 5.0)
    server.instead.append(answer)
    with pytest.raises(TransportError) as raised:
        transport.send(RECORDS)
    assert raised.value.reason == reason
    assert transport.send(RECORDS) == Sent(6)
    transport.close()


def test_the_receiver_says_how_long_to_leave_it_alone(
    server: BulkServer, transport: BulkTransport
) -> None:
    """In seconds or as a date, an hour at most; what is neither is not understood."""
    for value, want in (
        ("7", 7.0),
        ("0", 0.0),
        ("999999999999999", 3600.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ):
        server.instead.append(Answer(429, b"", {"Retry-After": value}))
        with pytest.raises(TransportError) as raised:
            transport.send(RECORDS)
        assert (raised.value.reason, raised.value.retry_after) == ("throttled", want)


def test_a_record_that_is_no_json_is_refused(server: BulkServer, transport: BulkTransport) -> None:
    """Those before it are done first."""
    text = Record("a", 0, Severity.LOW, b"CEF:0|metatap")
    assert bring(transport, [RECORDS[0], text, RECORDS[1]]) == {"a": "not_json"}
    assert server.ids() == IDS[:2]


@pytest.mark.parametrize(
    "index", ["", "Alerts", "_all", "a/b", "a,b", "a b", "..", "a" * 256, "-a"]
)
def test_an_index_that_can_not_be_is_refused(index: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match="index"):
        BulkTransport("http://localhost:9200", index)
