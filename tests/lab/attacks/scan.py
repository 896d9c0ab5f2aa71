"""Port scans (T1046): one run of a scanner against all addresses."""

from collections.abc import Callable

from tests.lab.attacks.stage import Stage
from tests.lab.threats import PortScan


def _nmap(attack: PortScan) -> list[str]:
    return ["nmap", "-n", "-Pn", *attack.flags, "-p", attack.ports]


def _masscan(attack: PortScan) -> list[str]:
    """Stateless, one source port for all probes; the kernel resets what answers."""
    return ["masscan", "--interface", "eth0", "--wait", "3", *attack.flags, "-p", attack.ports]


TOOLS: dict[str, Callable[[PortScan], list[str]]] = {"nmap": _nmap, "masscan": _masscan}


def run(stage: Stage, attack: PortScan) -> str:
    """Scan; returns what the tool said."""
    words = TOOLS[attack.tool](attack)
    return stage.run(attack, [*words, *stage.addresses(attack)], stage.left_s())
