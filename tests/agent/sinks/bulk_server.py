"""`_bulk` of Elasticsearch and OpenSearch, as far as their documentation says."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.agent.sinks.authority import Identity
from tests.agent.sinks.http_receiver import Answer, HttpReceiver, Request


class BulkServer(HttpReceiver):
    """Stores documents by id, in the order they came.

    Attributes:
        documents: Id → document.
        item_faults: Id → statuses and types of errors of the next tries to create it.
        max_bytes: A larger request is answered 413.
        authorization: What the header has to say, None: anything.
    """

    def __init__(self, identity: Identity | None = None, clients: Path | None = None) -> None:
        super().__init__(identity, clients)
        self.documents: dict[str, Any] = {}
        self.item_faults: dict[str, deque[tuple[int, str]]] = {}
        self.max_bytes = 100_000_000
        self.authorization: str | None = None

    def ids(self) -> list[str]:
        """Ids in the order they came."""
        return list(self.documents)

    def answer(self, request: Request) -> Answer:
        """As documented; what no client may send is a fault."""
        if self.authorization not in {None, request.headers.get("authorization")}:
            return _json(401, {"error": {"type": "security_exception"}, "status": 401})
        if request.raw_size > self.max_bytes:
            return Answer(413)
        parts = urlsplit(request.path)
        assert parts.path == "/alerts/_bulk", parts
        assert request.headers["content-type"] == "application/x-ndjson"
        assert request.body.endswith(b"\n")
        lines = request.body[:-1].split(b"\n")
        assert len(lines) % 2 == 0
        items = []
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            (kind, options), *more = json.loads(action).items()
            assert (kind, list(options), more) == ("create", ["_id"], [])
            items.append({"create": self._create(options["_id"], source)})
        fields = parse_qs(parts.query)["filter_path"][0].split(",")
        assert set(fields) == {"errors", "items.*.status", "items.*.error.type"}
        errors = any(item["create"]["status"] >= 300 for item in items)
        return _json(200, {"errors": errors, "items": items})

    def _create(self, name: str, source: bytes) -> dict[str, Any]:
        faults = self.item_faults.get(name)
        if faults:
            status, kind = faults.popleft()
            return {"status": status, "error": {"type": kind}}
        if name in self.documents:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception"}}
        try:
            self.documents[name] = json.loads(source)
        except ValueError:
            return {"status": 400, "error": {"type": "document_parsing_exception"}}
        return {"status": 201}


def _json(status: int, document: Any) -> Answer:
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
