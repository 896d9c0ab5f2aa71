"""Documents of agents, made by the parts that make them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.agent.runtime.running import RECORDING

from metatap.runtime.agent import Agent
from metatap.runtime.config import load_config
from metatap.runtime.outlets import Outlets
from metatap.sinks.transport import Guarantee, Record, Sent, TransportError
from metatap.spool import Delivery

SINKS = ("siem", "file")


class Choosy:
    """A receiver that is away at first and then refuses the second alert."""

    name = "choosy"
    guarantee = Guarantee.AT_LEAST_ONCE
    batch = 10

    def __init__(self) -> None:
        self.tries = 0

    def send(self, records: Sequence[Record]) -> Sent:
        self.tries += 1
        if self.tries == 1:
            raise TransportError("timeout", "nobody there", retry_after=0.0)
        return Sent(len(records), {1: "bad"})

    def reopen(self) -> None: ...

    def close(self) -> None: ...


def agent_document(folder: Path, **flags: Any) -> dict[str, Any]:
    """What an agent says that has scored the lab's recording."""
    flags |= {
        "sinks": [{"type": "file", "path": str(folder / "alerts.jsonl")}],
        "sources": [{"url": str(RECORDING)}],
        "state": str(folder / "state"),
    }
    agent = Agent(lambda: load_config(flags=flags))
    try:
        while not agent.pipeline.done:
            agent.pipeline.step(0.0)
        return agent.status()
    finally:
        agent.close()


def spooled(folder: Path) -> dict[str, Any]:
    """What outlets say of which one sink was served and the other was not."""
    files = [{"type": "file", "name": name, "path": str(folder / name)} for name in SINKS]
    outlets = Outlets(load_config(flags={"sinks": files}), folder, start=False)
    outlets.deliveries[0] = Delivery(outlets.spool, "siem", Choosy(), random=Random(1))
    outlets.append([b'{"event":{"id":"%d"}}' % at for at in range(4)])
    outlets.deliveries[0].start()
    assert outlets.deliveries[0].stop(20.0) == 0
    found = {"spool": outlets.report(), "sinks": outlets.status()}
    outlets.spool.close()
    return found
