"""DNS tunnels (T1071.004): several sessions, each with a new client and so new source ports."""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab import netns, topology
from tests.lab.attacks.stage import Stage
from tests.lab.services import Services
from tests.lab.spec import Host
from tests.lab.threats import Tunnel

_UP_S = 30.0
_WORD = "between-us"
_LOCAL_PORT = 8_888


def _iodined(_services: Services, _host: Host, attack: Tunnel) -> list[str]:
    return ["iodined", "-f", "-c", "-P", _WORD, f"{attack.inside}.1/27", attack.domain]


def _dns2tcpd(services: Services, host: Host, attack: Tunnel) -> list[str]:
    conf, jail = services.work / "dns2tcpd.conf", services.work / "dns2tcpd"
    jail.mkdir()
    conf.write_text(
        f"listen = {host.addr}\nport = 53\nuser = nobody\nchroot = {jail}\n"
        f"domain = {attack.domain}\nresources = http:127.0.0.1:80\nkey = {_WORD}\n"
    )
    return ["dns2tcpd", "-F", "-f", str(conf)]


def _wildcard(services: Services, host: Host, attack: Tunnel) -> list[str]:
    """A name server that answers any name of the domain: the names themselves are the data."""
    conf = services.work / "wildcard.conf"
    conf.write_text(
        f"port=53\nno-resolv\nno-hosts\nbind-interfaces\nlisten-address={host.addr}\npid-file=\n"
        f"user=root\naddress=/{attack.domain}/{host.addr}\n"
    )
    return ["dnsmasq", "-k", "-C", str(conf)]


def start_servers(services: Services) -> list[subprocess.Popen[bytes]]:
    """Start the far end of every tunnel."""
    started = []
    for attack in services.network.attacks:
        if isinstance(attack, Tunnel):
            host = services.network.host(attack.targets[0])
            words = TOOLS[attack.tool].server(services, host, attack)
            log = services.logs / "tunnel-server.log"
            started.append(netns.spawn(services.namespace(host), words, log))
    return started


def _iodine(stage: Stage, attack: Tunnel, number: int, until: float) -> bool:
    words = ["iodine", "-f", "-r", "-P", _WORD, *attack.flags]
    client = _spawn(stage, attack, [*words, stage.addresses(attack)[0], attack.domain])
    try:
        if not _device_up(stage, attack, client):
            return False
        _use_device(stage, attack, number, until)
    finally:
        _end(client)
    return True


def _dns2tcp(stage: Stage, attack: Tunnel, number: int, until: float) -> bool:
    """Pages of the far end's web server, fetched through a local port."""
    words = ["dns2tcpc", *attack.flags, "-z", attack.domain, "-k", _WORD, "-r", "http"]
    words += ["-l", str(_LOCAL_PORT), stage.addresses(attack)[0]]
    client = _spawn(stage, attack, words)
    pages = list(stage.services.sites[attack.targets[0]].pages)
    try:
        time.sleep(1)
        for turn in range(100):
            left = until - time.monotonic()
            if left < 1 or stage.stop.is_set() or client.poll() is not None:
                break
            url = f"http://127.0.0.1:{_LOCAL_PORT}/{pages[(number + turn) % len(pages)]}"
            stage.run(attack, ["curl", "-s", "-m", "8", "-o", "/dev/null", url], left)
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
        return client.poll() is None
    finally:
        _end(client)


def _dig(stage: Stage, attack: Tunnel, number: int, until: float) -> bool:
    """A script sends a file away in names, one question a process: each is a flow of its own."""
    rng = random.Random(f"{stage.seed}/names/{number}")
    addr, part = stage.addresses(attack)[0], 0
    while time.monotonic() < until and not stage.stop.is_set():
        data = rng.randbytes(rng.randint(20, 56)).hex()
        labels = ".".join(data[at : at + 56] for at in range(0, len(data), 56))
        name = f"{labels}.{part}.{number}.{attack.domain}"
        stage.run(attack, ["dig", f"@{addr}", "+tries=1", "+time=2", *attack.flags, name], 5)
        part += 1
        time.sleep(rng.uniform(0.3, 0.9))
    return part > 0


@dataclass(frozen=True, slots=True)
class _Tool:
    """Command line of the far end, and one session; the latter says whether it came about."""

    server: Callable[[Services, Host, Tunnel], list[str]]
    session: Callable[[Stage, Tunnel, int, float], bool]


TOOLS: dict[str, _Tool] = {
    "iodine": _Tool(_iodined, _iodine),
    "dns2tcp": _Tool(_dns2tcpd, _dns2tcp),
    "dig": _Tool(_wildcard, _dig),
}


def run(stage: Stage, attack: Tunnel) -> str:
    """Hold the sessions one after the other."""
    done, rng = 0, stage.rng(attack)
    for number in range(attack.sessions):
        if stage.stop.is_set() or stage.left_s() < attack.session_s:
            break
        until = time.monotonic() + attack.session_s * rng.uniform(0.6, 1.4)
        done += TOOLS[attack.tool].session(stage, attack, number, until)
    return f"{done} sessions"


def _spawn(stage: Stage, attack: Tunnel, words: list[str]) -> subprocess.Popen[bytes]:
    namespace = topology.namespace(stage.services.network, attack.source)
    return netns.spawn(namespace, words, stage.services.logs / "tunnel-client.log")


def _end(client: subprocess.Popen[bytes]) -> None:
    client.send_signal(signal.SIGTERM)
    try:
        client.wait(timeout=10)
    except subprocess.TimeoutExpired:
        client.kill()
        client.wait(timeout=10)


def _device_up(stage: Stage, attack: Tunnel, client: subprocess.Popen[bytes]) -> bool:
    """Wait until the client's device has its address."""
    until = time.monotonic() + min(_UP_S, stage.left_s())
    while time.monotonic() < until and client.poll() is None and not stage.stop.is_set():
        if f"{attack.inside}." in stage.run(attack, ["ip", "-4", "addr"], 5):
            return True
        time.sleep(0.5)
    return False


def _use_device(stage: Stage, attack: Tunnel, number: int, until: float) -> None:
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
