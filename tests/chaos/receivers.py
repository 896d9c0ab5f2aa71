"""The places that alerts go to, and how each of them fails."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Protocol, Self

from tests.agent.sinks.bulk_server import BulkServer
from tests.agent.sinks.http_receiver import Answer, Request
from tests.agent.sinks.syslogd import Syslogd, relp_receiver

ID = re.compile(rb'"event":\{"id":"([0-9a-f]{32})"')
_START = b'{"@timestamp":'


@dataclass(slots=True)
class Got:
    """What a place has.

    Attributes:
        ids: Id of an event → how often it came whole.
        torn: Lines that are no whole alert.
        torn_ids: Ids of those, where they can be read.
        unsure: Times that an event came again whose first answer was cut off.
    """

    ids: Counter[str] = field(default_factory=Counter)
    torn: int = 0
    torn_ids: set[str] = field(default_factory=set)
    unsure: int = 0


class Place(Protocol):
    """A sink's other end.

    Attributes:
        name: The sink's name in the agent.
        ways: Ways in which it fails, each with what mends it.
    """

    name: str
    ways: list[tuple[Callable[[], None], Callable[[], None]]]

    def entry(self) -> dict[str, Any]:
        """Its entry under `sinks`."""

    def got(self) -> Got:
        """What it has now."""

    def close(self) -> None:
        """End it."""


class File:
    """A file, which does not fail by itself."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self.ways: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.path = folder / "alerts.jsonl"

    def entry(self) -> dict[str, Any]:
        return {"type": "file", "name": self.name, "path": str(self.path), "fsync": True}

    def got(self) -> Got:
        content = self.path.read_bytes() if self.path.exists() else b""
        return read(content.split(b"\n"))

    def close(self) -> None:
        pass


class Relp:
    """A real rsyslogd that hangs and is killed."""

    name = "relp"

    def __init__(self, folder: Path) -> None:
        self._receiver: Syslogd = relp_receiver(folder / "rsyslog")
        self._receiver.start()
        self.ways = [
            (self._receiver.kill, self._receiver.start),
            (self._receiver.hang, self._receiver.resume),
        ]

    def entry(self) -> dict[str, Any]:
        port = self._receiver.port
        return {"type": "relp", "name": self.name, "host": "127.0.0.1", "port": port, "timeout": 1}

    def got(self) -> Got:
        path = self._receiver.output
        content = path.read_bytes() if path.exists() else b""
        return read([line[max(0, line.find(_START)) :] for line in content.split(b"\n")])

    def close(self) -> None:
        self._receiver.resume()
        self._receiver.kill()


class Elastic:
    """`_bulk`, which refuses, hangs, and breaks off in the middle of its answers."""

    name = "elasticsearch"

    def __init__(self) -> None:
        self._server = _Counting()
        self._server.start()
        self.ways = [
            (self._server.kill, self._server.start),
            (self._server.hang, self._server.resume),
            (lambda: self._server.cut(on=True), lambda: self._server.cut(on=False)),
        ]

    def entry(self) -> dict[str, Any]:
        url = self._server.url
        return {
            "type": "elasticsearch",
            "name": self.name,
            "url": url,
            "index": "alerts",
            "timeout": 1,
        }

    def got(self) -> Got:
        assert self._server.faults == []
        return Got(Counter(self._server.tries), unsure=self._server.unsure)

    def close(self) -> None:
        self._server.resume()
        self._server.kill()


class Weather:
    """Lets a place fail and mends it, at random, in a thread; a context manager."""

    def __init__(self, place: Place, random: Random) -> None:
        self.faults = 0
        self._place = place
        self._random = random
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"weather {place.name}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while self._place.ways and not self._stop.wait(self._random.uniform(0.5, 4.0)):
            fail, mend = self._random.choice(self._place.ways)
            fail()
            self.faults += 1
            self._stop.wait(self._random.uniform(0.2, 3.0))
            mend()


class _Counting(BulkServer):
    """Counts every try to create a document and keeps no bodies."""

    def __init__(self) -> None:
        super().__init__()
        self.tries: Counter[str] = Counter()
        self.unsure = 0
        self._is_cut = False
        self._cut_off: set[str] = set()

    def cut(self, *, on: bool) -> None:
        self._is_cut = on

    def answer(self, request: Request) -> Answer:
        self.requests.clear()
        return replace(super().answer(request), cut=self._is_cut)

    def _create(self, name: str, source: bytes) -> dict[str, Any]:
        self.tries[name] += 1
        self.unsure += name in self._cut_off
        if self._is_cut:
            self._cut_off.add(name)
        else:
            self._cut_off.discard(name)
        found = super()._create(name, source)
        self.documents[name] = None
        return found


def read(lines: list[bytes]) -> Got:
    """The alerts of lines; one that is none, and not empty, is torn."""
    got = Got()
    for line in lines:
        if not line:
            continue
        with contextlib.suppress(ValueError, TypeError, KeyError):
            got.ids[json.loads(line)["event"]["id"]] += 1
            continue
        got.torn += 1
        got.torn_ids |= {found.decode() for found in ID.findall(line)}
    return got
