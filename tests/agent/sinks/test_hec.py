"""metatap.sinks.hec, against a server that behaves as Splunk's documentation says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from tests.agent.sinks.hec_server import HecServer
from tests.agent.sinks.http_receiver import Answer
from tests.agent.sinks.transport_contract import bring, make_record

from metatap.packs import Severity
from metatap.sinks import (
    Guarantee,
    HecFields,
    HecTransport,
    Record,
    Secret,
    Sent,
    TransportError,
)

RECORDS = [make_record(number) for number in range(8)]
IDS = [record.id for record in RECORDS]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HecServer]:
    """A server that listens; it must have found no fault with what it was sent."""
    monkeypatch.setenv("TOKEN", "a-token")
    made = HecServer("a-token")
    made.start()
    yield made
    made.kill()
    assert made.faults == []


@pytest.fixture
def transport(server: HecServer) -> Iterator[HecTransport]:
    """A transport without acknowledgement."""
    made = HecTransport(server.url, Secret(variable="TOKEN"), timeout=5.0)
    yield made
    made.close()


def acknowledged(server: HecServer, ack_timeout: float = 30.0) -> HecTransport:
    """A transport with acknowledgement."""
    server.acknowledges = True
    token = Secret(variable="TOKEN")
    return HecTransport(server.url, token, acknowledge=True, timeout=5.0, ack_timeout=ack_timeout)


def test_events_say_what_they_are(server: HecServer) -> None:
    """Time, host, source, type and index beside the alert; what is None is left to the token."""
    fields = HecFields(host="sensor-1", source="tap", sourcetype=None, index="ids")
    transport = HecTransport(server.url, Secret(variable="TOKEN"), fields=fields, compress=False)
    assert transport.guarantee is Guarantee.BEST_EFFORT
    assert transport.send(RECORDS[:1]) == Sent(1)
    assert b'"time":1700000000.123456,' in server.requests[0].body
    (event,) = server.events
    del event["time"]
    assert event == {
        "host": "sensor-1",
        "source": "tap",
        "index": "ids",
        "event": json.loads(RECORDS[0].body),
    }
    text = Record("a", 0, Severity.LOW, 'CEF:0|"é'.encode())
    assert transport.send([text]) == Sent(1)
    assert server.events[1]["event"] == 'CEF:0|"é'
    transport.close()


def test_done_means_indexed_where_that_is_asked_for(server: HecServer) -> None:
    """Not before Splunk says so."""
    transport = acknowledged(server)
    assert transport.guarantee is Guarantee.AT_LEAST_ONCE
    server.indexes = False
    got: list[Sent] = []
    thread = threading.Thread(target=lambda: got.append(transport.send(RECORDS)))
    thread.start()
    while sum(request.path.endswith("/ack") for request in server.requests) < 3:
        assert thread.is_alive()
        threading.Event().wait(0.02)
    assert got == []
    server.indexes = True
    thread.join(60)
    assert got == [Sent(8)]
    channels = {request.headers["x-splunk-request-channel"] for request in server.requests}
    assert len(channels) == 1
    transport.close()


def test_what_is_not_indexed_in_time_is_sent_again(server: HecServer) -> None:
    """Splunk may have it twice then, and never not at all."""
    transport = acknowledged(server, ack_timeout=0.3)
    server.indexes = False
    with pytest.raises(TransportError, match="indexed") as raised:
        transport.send(RECORDS)
    assert raised.value.reason == "timeout"
    server.indexes = True
    assert transport.send(RECORDS) == Sent(8)
    assert server.ids() == IDS * 2
    transport.close()


def test_a_token_without_acknowledgement_is_no_success(server: HecServer) -> None:
    """What is only received must not count as indexed."""
    transport = acknowledged(server)
    server.acknowledges = False
    with pytest.raises(TransportError) as raised:
        transport.send(RECORDS)
    assert raised.value.reason == "ack_disabled"
    transport.close()


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (503, 9, "throttled"),
        (429, 26, "throttled"),
        (503, 18, "throttled"),
        (500, 8, "server_error"),
        (403, 1, "token_disabled"),
        (401, 3, "invalid_authorization"),
        (403, 4, "invalid_token"),
        (400, 7, "incorrect_index"),
        (400, 10, "channel_missing"),
        (400, 11, "invalid_channel"),
        (400, 5, "no_data"),
        (200, 99, "protocol"),
    ],
)
def test_what_the_collector_can_not_take_now_is_sent_again(
    server: HecServer, transport: HecTransport, status: int, code: int, reason: str
) -> None:
    """Settings that are wrong are no reason to drop an alert: somebody will set them right."""
    body = json.dumps({"text": "Some text", "code": code}).encode()
    server.instead.append(Answer(status, body, {"Retry-After": "3"} if status == 503 else {}))
    with pytest.raises(TransportError) as raised:
        transport.send(RECORDS)
    assert raised.value.reason == reason
    assert raised.value.retry_after == (3.0 if status == 503 else None)
    assert transport.send(RECORDS) == Sent(8)
    assert server.ids() == IDS


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b'{"code":"0"}', b"[" * 100_000])
def test_an_answer_that_is_none_is_no_success(
    server: HecServer, transport: HecTransport, body: bytes
) -> None:
    """200 alone says nothing: a proxy may have said it."""
    server.instead.append(Answer(200, body))
    with pytest.raises(TransportError) as raised:
        transport.send(RECORDS)
    assert raised.value.reason == "protocol"


def test_an_answer_about_acks_that_is_none_is_no_success(server: HecServer) -> None:
    """Nor is one about others."""
    transport = acknowledged(server, ack_timeout=0.2)
    good = Answer(200, b'{"text":"Success","code":0,"ackId":3}')
    for body, reason in ((b"{}", "protocol"), (b'{"acks":{"4":true}}', "timeout")):
        server.instead.extend([good, Answer(200, body)])
        server.indexes = False
        with pytest.raises(TransportError) as raised:
            transport.send(RECORDS)
        assert raised.value.reason == reason
    server.instead.extend([good, Answer(400, b'{"text":"ACK is disabled","code":14}')])
    with pytest.raises(TransportError) as raised:
        transport.send(RECORDS)
    assert raised.value.reason == "ack_disabled"
    transport.close()


def test_one_bad_event_does_not_hold_up_the_others(
    server: HecServer, transport: HecTransport
) -> None:
    """A batch that is refused for one of its events is halved until that one is alone."""
    bad = Record("bad", 0, Severity.LOW, b'{"event":')
    records = [*RECORDS[:3], bad, *RECORDS[3:]]
    assert bring(transport, records) == {"bad": "invalid_data_format"}
    assert sorted(set(server.ids())) == IDS


def test_a_request_that_is_too_big_is_halved(server: HecServer) -> None:
    """Until it is taken; an event that is too big alone is refused."""
    token = Secret(variable="TOKEN")
    transport = HecTransport(server.url, token, compress=False, max_bytes=2000)
    server.max_bytes = 1000
    records = [make_record(number, 3000 if number == 5 else 100) for number in range(20)]
    assert bring(transport, records) == {"id-000005": "too_big"}
    assert server.ids() == [record.id for record in records if record.id != "id-000005"]
    assert max(len(request.body) for request in server.requests) < 4000
    transport.close()


def test_a_new_token_needs_no_restart(
    transport: HecTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read anew once one is not let in; that one shows up nowhere."""
    monkeypatch.setenv("TOKEN", "unknown-token")
    with pytest.raises(TransportError) as raised:
        transport.send(RECORDS)
    assert raised.value.reason == "invalid_token"
    assert "unknown-token" not in str(raised.value)
    monkeypatch.setenv("TOKEN", "a-token")
    assert transport.send(RECORDS) == Sent(8)
