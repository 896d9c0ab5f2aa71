"""The attacks: real tools, bounded in count and time, only against the lab's own hosts."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lab import beacon, netns, topology
from tests.lab.servers import Services
from tests.lab.spec import Attack, Beacon, BruteForce, PortScan, Tunnel
from tests.lab.truth import MALICIOUS, Match, Rule

_SLACK_S = 1.0
_TUNNEL_UP_S = 30.0
_TUNNEL_WORD = "between-us"

#: Family, ATT&CK technique, server port (``None``: any) and protocol of each kind of attack.
_KINDS: dict[type[Any], tuple[str, str, int | None, str]] = {
    PortScan: ("port_scan", "T1046", None, "tcp"),
    BruteForce: ("ssh_bruteforce", "T1110.001", 22, "tcp"),
    Tunnel: ("dns_tunnel", "T1071.004", 53, "udp"),
    Beacon: ("http_beacon", "T1071.001", None, "tcp"),
}


@dataclass(slots=True)
class Stage:
    """Where attacks run; ``rules`` grows as they end, ``notes`` says how they went."""

    services: Services
    seed: int
    stop: threading.Event
    ends_at: float
    rules: list[Rule] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def addresses(self, attack: Attack) -> list[str]:
        """All addresses of an attack's targets."""
        hosts = [self.services.network.host(name) for name in attack.targets]
        return [addr for host in hosts for addr in (host.addr, *host.more_addrs)]

    def argv(self, attack: Attack, words: Sequence[str]) -> list[str]:
        """The command line that runs a tool at an attack's source."""
        network = self.services.network
        return netns.inside(topology.namespace(network, attack.source), words)

    def run(self, attack: Attack, words: Sequence[str], limit_s: float) -> str:
        """Run a tool to its end or its limit in s; returns its output."""
        process = subprocess.Popen(
            self.argv(attack, words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.services.work,
            start_new_session=True,
        )
        try:
            return process.communicate(timeout=limit_s)[0]
        except subprocess.TimeoutExpired:
            _end_group(process)
            return "stopped at its time limit"

    def left_s(self) -> float:
        """Time until the run ends, at least 1 s."""
        return max(1.0, self.ends_at - time.monotonic())


def _end_group(process: subprocess.Popen[str]) -> None:
    """End a tool and its children, so that nothing of an attack outlasts its rule."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=3)


def _scan(stage: Stage, attack: PortScan) -> str:
    words = ["nmap", "-n", "-Pn", *attack.flags, "-p", attack.ports, *stage.addresses(attack)]
    return stage.run(attack, words, stage.left_s())


def _brute(stage: Stage, attack: BruteForce) -> str:
    rng = random.Random(f"{stage.seed}/words")
    work = stage.services.work
    stems = ("summer", "dragon", "letmein", "qwerty", "office", "secret", "monday", "tiger")
    words = {f"{rng.choice(stems)}{rng.randrange(2030)}" for _ in range(2 * attack.words)}
    (work / "words.txt").write_text("\n".join(sorted(words)[: attack.words]) + "\n")
    (work / "logins.txt").write_text("\n".join(attack.users) + "\n")
    lists = ["-L", str(work / "logins.txt"), "-P", str(work / "words.txt")]
    target = f"ssh://{stage.addresses(attack)[0]}"
    return stage.run(attack, ["hydra", "-I", *attack.flags, *lists, target], stage.left_s())


def _beacon(stage: Stage, attack: Beacon) -> str:
    server = stage.services.network.host(attack.targets[0])
    words = [
        *(sys.executable, str(beacon.__file__), server.fqdn, "--port", str(attack.port)),
        *("--uri", attack.uri, "--post-uri", attack.post_uri, "--agent", attack.agent),
        *("--interval-s", str(attack.interval_s), "--jitter", str(attack.jitter)),
        *("--post-every", str(attack.post_every)),
        *("--post-bytes", *map(str, attack.post_bytes)),
        *("--seconds", str(stage.left_s() - 3), "--seed", str(stage.seed)),
    ]
    return stage.run(attack, words, stage.left_s() + 10)


def tunnel_server(services: Services) -> None:
    """Start iodined at the far end of every tunnel."""
    for attack in services.network.attacks:
        if isinstance(attack, Tunnel):
            host = services.network.host(attack.targets[0])
            words = ["iodined", "-f", "-c", "-P", _TUNNEL_WORD, f"{attack.inside}.1/27"]
            log = services.logs / "iodined.log"
            netns.spawn(services.namespace(host), [*words, attack.domain], log)


def _tunnel(stage: Stage, attack: Tunnel) -> str:
    """Several sessions, each with a new client and so a new source port."""
    done, rng = 0, random.Random(f"{stage.seed}/tunnel")
    for number in range(attack.sessions):
        if stage.stop.is_set() or stage.left_s() < attack.session_s:
            break
        words = ["iodine", "-f", "-r", "-P", _TUNNEL_WORD, *attack.flags]
        client = netns.spawn(
            topology.namespace(stage.services.network, attack.source),
            [*words, stage.addresses(attack)[0], attack.domain],
            stage.services.logs / "iodine.log",
        )
        until = time.monotonic() + attack.session_s * rng.uniform(0.6, 1.4)
        try:
            if _tunnel_up(stage, attack, client):
                done += 1
                _use_tunnel(stage, attack, number, until)
        finally:
            client.send_signal(signal.SIGTERM)
            client.wait(timeout=10)
    return f"{done} sessions"


def _tunnel_up(stage: Stage, attack: Tunnel, client: subprocess.Popen[bytes]) -> bool:
    """Wait until the client's device has its address."""
    until = time.monotonic() + min(_TUNNEL_UP_S, stage.left_s())
    while time.monotonic() < until and client.poll() is None and not stage.stop.is_set():
        if f"{attack.inside}." in stage.run(attack, ["ip", "-4", "addr"], 5):
            return True
        time.sleep(0.5)
    return False


def _use_tunnel(stage: Stage, attack: Tunnel, number: int, until: float) -> None:
    """Send pings, a web request or a login through the tunnel until its session ends."""
    far, services = f"{attack.inside}.1", stage.services
    user = services.network.ssh.users[0]
    site = services.sites[attack.targets[0]]
    page = list(site.pages)[number % len(site.pages)]
    uses: tuple[list[str], ...] = (
        ["ping", "-n", "-q", "-c", "4", "-i", "0.5", far],
        ["curl", "-s", "-m", "12", "-o", "/dev/null", f"http://{far}/{page}"],
        [
            *("ssh", "-F", "none", "-i", str(services.key(user)), "-o", "ConnectTimeout=8"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *(f"{user}@{far}", "ls -l /usr/bin | head -n 60"),
        ],
    )
    for turn in range(100):
        left = until - time.monotonic()
        if left < 1 or stage.stop.is_set():
            return
        stage.run(attack, uses[(number + turn) % len(uses)], left)
        time.sleep(min(1.5, max(0.0, until - time.monotonic())))


_RUN: dict[type[Any], Callable[[Stage, Any], str]] = {
    PortScan: _scan,
    BruteForce: _brute,
    Tunnel: _tunnel,
    Beacon: _beacon,
}


def _carry_out(stage: Stage, attack: Attack) -> None:
    """Wait for an attack's start, run it, write its rules."""
    if stage.stop.wait(attack.start_s):
        return
    family, technique, port, proto = _KINDS[type(attack)]
    t0 = time.time() - _SLACK_S
    output = _RUN[type(attack)](stage, attack)
    t1 = time.time() + _SLACK_S
    source = stage.services.network.seen_as(attack.source)
    stage.rules += [
        Rule(family, technique, MALICIOUS, Match(source, addr, port, proto, t0, t1))
        for addr in stage.addresses(attack)
    ]
    lines = output.strip().splitlines()
    stage.notes.append(
        f"{family}: {t1 - t0 - 2 * _SLACK_S:.0f} s, {lines[-1] if lines else 'done'}"
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
