"""From a network's table to namespaces, cables, two routers and the link between them.

::

    clients ── bridges ── edge ══ wan0 (the tap) ══ link ══ core ── bridges ── servers

No namespace has a cable to the machine's own network, so nothing can leave.
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.lab import link, netns
from tests.lab.spec import Host, Network, Subnet

ROOT = Path(__file__).resolve().parents[2]
_UP_S = 10.0


def prefix(network: Network) -> str:
    """What the names of a network's namespaces start with."""
    return f"{netns.PREFIX}{network.name.lower()}-"


def namespace(network: Network, host: str) -> str:
    """The namespace of a host or router."""
    return prefix(network) + host


def _router(network: Network, side: str) -> None:
    name = namespace(network, side)
    netns.add(name, {})
    netns.sysctl(name, "net.ipv4.ip_forward=1")
    for subnet in network.subnets:
        if subnet.side == side:
            _bridge(name, subnet, network.link.mtu)


def _bridge(router: str, subnet: Subnet, mtu: int) -> None:
    netns.ip("-n", router, "link", "add", subnet.name, "mtu", str(mtu), "type", "bridge")
    netns.ip("-n", router, "addr", "add", f"{subnet.gateway}/{subnet.prefix}", "dev", subnet.name)
    netns.ip("-n", router, "link", "set", subnet.name, "up")


def _cable(network: Network, host: Host, etc: dict[str, str]) -> None:
    name, subnet = namespace(network, host.name), network.subnet(host)
    router, mtu = namespace(network, subnet.side), str(network.link.mtu)
    netns.add(name, etc)
    port = f"p-{host.name}"
    netns.ip(
        *("-n", router, "link", "add", port, "mtu", mtu, "type", "veth"),
        *("peer", "name", "eth0", "mtu", mtu, "netns", name),
    )
    netns.ip("-n", router, "link", "set", port, "master", subnet.name, "up")
    netns.ip("-n", name, "link", "set", "eth0", "up")
    for addr in (host.addr, *host.more_addrs):
        netns.ip("-n", name, "addr", "add", f"{addr}/{subnet.prefix}", "dev", "eth0")
    netns.ip("-n", name, "route", "add", "default", "via", subnet.gateway)
    if "dark" in host.roles:
        nft(name, "add table inet dark")
        nft(name, "add chain inet dark in { type filter hook input priority 0; policy drop; }")


def nft(name: str, command: str) -> None:
    """Run one nft command in a namespace."""
    subprocess.run(netns.inside(name, ["nft", command]), check=True)


def _join(network: Network, seed: int, logs: Path) -> None:
    """Start the link process and give both its ends addresses and routes."""
    shape, middle = network.link, namespace(network, "link")
    ends = [namespace(network, side) for side in ("edge", "core")]
    netns.add(middle, {})
    netns.spawn(
        middle,
        [
            *(sys.executable, "-m", link.__name__, *ends),
            *("--delay-ms", *map(str, shape.delay_ms), "--loss", str(shape.loss)),
            *("--rate-mbit", str(shape.rate_mbit), "--seed", str(seed)),
        ],
        logs / "link.log",
        cwd=ROOT,
    )
    for end, addr in zip(ends, network.transit, strict=True):
        _await_link(end)
        netns.ip("-n", end, "link", "set", link.END, "mtu", str(shape.mtu), "up")
        netns.ip("-n", end, "addr", "add", f"{addr}/30", "dev", link.END)
    edge, core = ends
    netns.ip("-n", edge, "route", "add", "default", "via", network.transit[1])
    for subnet in network.subnets:
        if subnet.side == "edge":
            netns.ip(
                "-n", core, "route", "add", subnet.nat or subnet.cidr, "via", network.transit[0]
            )
    _translate(network, edge)


def _await_link(end: str) -> None:
    deadline = time.monotonic() + _UP_S
    show = ["ip", "-n", end, "link", "show", link.END]
    while subprocess.run(show, check=False, capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {link.END} in {end}")
        time.sleep(0.05)


def _translate(network: Network, edge: str) -> None:
    hidden = [subnet for subnet in network.subnets if subnet.nat]
    if not hidden:
        return
    nft(edge, "add table ip nat")
    nft(edge, "add chain ip nat post { type nat hook postrouting priority 100; }")
    for subnet in hidden:
        where = f"ip saddr {subnet.cidr} oifname {link.END}"
        nft(edge, f"add rule ip nat post {where} snat to {subnet.nat}")


def build(network: Network, etc: dict[str, dict[str, str]], seed: int, logs: Path) -> None:
    """Create everything; ``etc`` holds, per host name, files that replace those of /etc."""
    for side in ("edge", "core"):
        _router(network, side)
    for host in network.hosts:
        _cable(network, host, etc.get(host.name, {}))
    _join(network, seed, logs)
