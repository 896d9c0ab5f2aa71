"""One run: build a network, start everything, capture at the tap, write capture and truth."""

import contextlib
import json
import random
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab import attacks, benign, link, netns, servers, topology, truth
from tests.lab.actor import Tally
from tests.lab.check import check
from tests.lab.services import Services
from tests.lab.spec import Network

_SETTLE_S = 2.0
_TAIL_S = 4.0
Say = Callable[[str], None]


@contextlib.contextmanager
def _capture(network: Network, path: Path, say: Say) -> Iterator[None]:
    """Capture all frames at the edge's end of the link, at full length."""
    edge, log = topology.namespace(network, "edge"), path.with_suffix(".tcpdump.log")
    log.unlink(missing_ok=True)
    argv = ["tcpdump", "-n", "-i", link.END, "-s", "0", "-B", "32768", "-Z", "root"]
    process = netns.spawn(edge, [*argv, "-w", str(path)], log)
    deadline = time.monotonic() + 10
    while "listening on" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        for line in re.findall(r"\d+ packets .*", log.read_text()):
            say(f"tcpdump: {line}")
        log.unlink()


def _raise_interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _traffic(services: Services, seed: int, say: Say) -> tuple[truth.Rule, ...]:
    """Make all traffic of a run; returns the rules of its attacks."""
    network, stop, tally = services.network, threading.Event(), Tally()
    stage = attacks.Stage(services, seed, stop, time.monotonic() + network.duration_s)
    try:
        benign.start(services, seed, stop, tally)
        for thread in attacks.start(stage):
            thread.join(network.duration_s + 60)
        time.sleep(max(0.0, stage.ends_at - time.monotonic()))
    finally:
        stop.set()
    time.sleep(_TAIL_S)
    for note in stage.notes:
        say(note)
    say(f"actions: {json.dumps(dict(sorted(tally.ran.items())))}")
    say(f"ended with an error: {json.dumps(dict(sorted((+tally.failed).items())))}")
    return tuple(stage.rules)


def run(network: Network, out: Path, seed: int, say: Say) -> None:
    """Write ``<name>.pcap`` and ``<name>.truth.json`` to ``out``; takes the run's time and 15 s.

    Whatever happens, the network's namespaces and the processes in them are gone afterwards.
    """
    check(network)
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _raise_interrupt)
    pcap = out.resolve() / f"{network.name}.pcap"
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="mtlab-") as work,
        netns.cleaned(topology.prefix(network)),
    ):
        services = Services(network, Path(work), random.Random(f"{seed}/{network.name}"))
        etc = servers.prepare(services)
        topology.build(network, etc, seed, services.logs)
        started = servers.start(services)
        started += attacks.start_servers(services)
        time.sleep(_SETTLE_S)
        dead = [process.args for process in started if process.poll() is not None]
        if dead:
            raise RuntimeError(f"servers that did not stay up: {dead}")
        t0 = time.time()
        with _capture(network, pcap, say):
            rules = _traffic(services, seed, say)
        places = {
            role: [network.seen_as(host.name) for host in network.having(role)]
            for role in ("monitor", "ftp")
        }
        families = truth.benign_families(places)
        labels = truth.Truth(network.name, network.title, t0, time.time(), rules, families)
        labels.save(pcap.with_suffix(".truth.json"))
    say(f"{pcap}: {pcap.stat().st_size / 1e6:.1f} MB in {time.monotonic() - began:.0f} s")
