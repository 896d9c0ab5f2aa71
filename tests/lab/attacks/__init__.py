"""The attacks: real tools, bounded in count and time, only against the lab's own hosts.

In: the attacks of a network's table (:mod:`tests.lab.threats`). Out: per target address one rule
that says which connections were this attack's (:mod:`tests.lab.truth`).
"""

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from tests.lab.attacks import beacons, exfil, flood, guess, scan, tunnel
from tests.lab.attacks.stage import Stage
from tests.lab.attacks.tunnel import start_servers
from tests.lab.threats import (
    Attack,
    Beacon,
    BruteForce,
    Exfiltration,
    PortScan,
    SlowHttp,
    SynFlood,
    Tunnel,
)
from tests.lab.truth import MALICIOUS, Match, Rule

__all__ = ["TOOLS", "Stage", "start", "start_servers"]

_SLACK_S = 1.0

_RUN: dict[type[Any], Callable[[Stage, Any], str]] = {
    PortScan: scan.run,
    BruteForce: guess.run,
    Tunnel: tunnel.run,
    Beacon: beacons.run,
    SynFlood: flood.syn,
    SlowHttp: flood.slow,
    Exfiltration: exfil.run,
}

TOOLS: dict[type[Any], Collection[str]] = {
    PortScan: scan.TOOLS,
    BruteForce: guess.TOOLS,
    Tunnel: tunnel.TOOLS,
    Beacon: beacons.TOOLS,
    SynFlood: flood.SYN_TOOLS,
    SlowHttp: flood.SLOW_TOOLS,
    Exfiltration: exfil.TOOLS,
}
"""Kind of attack → the tools that can carry it out."""


def _carry_out(stage: Stage, attack: Attack) -> None:
    """Wait for an attack's start, run it, write its rules."""
    if stage.stop.wait(attack.start_s):
        return
    t0 = time.time() - _SLACK_S
    output = _RUN[type(attack)](stage, attack)
    t1 = time.time() + _SLACK_S
    source = stage.services.network.seen_as(attack.source)
    stage.rules += [
        Rule(
            attack.family,
            attack.technique,
            MALICIOUS,
            Match(source, addr, attack.port, attack.proto, t0, t1),
            attack.tool,
        )
        for addr in stage.addresses(attack)
    ]
    lines = output.strip().splitlines()
    spent_s = t1 - t0 - 2 * _SLACK_S
    stage.notes.append(
        f"{attack.family} by {attack.tool}: {spent_s:.0f} s, {lines[-1] if lines else 'done'}"
    )


def start(stage: Stage) -> list[threading.Thread]:
    """Start one thread an attack; their tools all end by ``stage.ends_at`` or a little later."""
    threads = [
        threading.Thread(target=_carry_out, args=(stage, attack), daemon=True)
        for attack in stage.services.network.attacks
    ]
    for thread in threads:
        thread.start()
    return threads
