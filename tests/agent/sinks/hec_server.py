"""Splunk's HTTP Event Collector, as far as its documentation says."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from tests.agent.sinks.authority import Identity
from tests.agent.sinks.http_receiver import Answer, HttpReceiver, Request


class HecServer(HttpReceiver):
    """Keeps events in the order they came.

    Attributes:
        token: The one it knows.
        acknowledges: Whether the token has acknowledgement turned on.
        indexes: Whether what came is indexed, and acknowledged when asked for.
        events: What came.
        max_bytes: A larger request is answered 413.
    """

    def __init__(
        self, token: str, identity: Identity | None = None, clients: Path | None = None
    ) -> None:
        super().__init__(identity, clients)
        self.token = token
        self.acknowledges = False
        self.indexes = True
        self.events: list[dict[str, Any]] = []
        self.max_bytes = 100_000_000
        self._acks: dict[str, int] = {}

    def ids(self) -> list[str]:
        """Ids in the order they came."""
        return [event["event"]["event"]["id"] for event in self.events]

    def answer(self, request: Request) -> Answer:
        """As documented; what no client may send is a fault."""
        if (given := request.headers.get("authorization")) != f"Splunk {self.token}":
            return _say(403, 4, "Invalid token") if given else _say(401, 2, "Token is required")
        channel = request.headers.get("x-splunk-request-channel")
        if self.acknowledges:
            if channel is None:
                return _say(400, 10, "Data channel is missing")
            uuid.UUID(channel)
        if request.path == "/services/collector/ack":
            assert self.acknowledges
            asked = json.loads(request.body)["acks"]
            return _json(200, {"acks": {str(ack): self.indexes for ack in asked}})
        assert request.path == "/services/collector/event", request.path
        if request.raw_size > self.max_bytes:
            return Answer(413)
        assert request.body
        return self._take(request.body.decode(), channel or "")

    def _take(self, body: str, channel: str) -> Answer:
        decoder, at, number = json.JSONDecoder(), 0, 0
        while at < len(body):
            try:
                event, at = decoder.raw_decode(body, at)
            except ValueError:
                return _say(400, 6, "Invalid data format", **{"invalid-event-number": number})
            while at < len(body) and body[at].isspace():
                at += 1
            assert {"event", "time", "host"} <= set(event) <= _KEYS, event
            if event["event"] == "":
                return _say(400, 13, "Event field cannot be blank")
            self.events.append(event)
            number += 1
        if not self.acknowledges:
            return _say(200, 0, "Success")
        ack = self._acks[channel] = self._acks.get(channel, -1) + 1
        return _say(200, 0, "Success", ackId=ack)


_KEYS = {"event", "time", "host", "source", "sourcetype", "index", "fields"}


def _say(status: int, code: int, text: str, **more: Any) -> Answer:
    return _json(status, {"text": text, "code": code, **more})


def _json(status: int, document: Any) -> Answer:
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
