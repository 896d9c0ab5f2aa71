"""Implants that check in over HTTP or HTTPS (T1071.001); they ask for a fixed text, no more."""

import base64
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab import beacon
from tests.lab.attacks.stage import Stage
from tests.lab.threats import Beacon

_SPARE_S = 3.0


def _python(stage: Stage, attack: Beacon) -> str:
    """One process for the whole run: :mod:`tests.lab.beacon`."""
    words = [
        *(sys.executable, str(beacon.__file__), _server(stage, attack)),
        *("--port", str(attack.port)),
        *("--uri", attack.uri, "--post-uri", attack.post_uri, "--agent", attack.agent),
        *("--interval-s", str(attack.interval_s), "--jitter", str(attack.jitter)),
        *("--post-every", str(attack.post_every)),
        *("--post-bytes", *map(str, attack.post_bytes)),
        *("--seconds", str(stage.left_s() - _SPARE_S), "--seed", str(stage.seed)),
        *(["--tls"] if attack.tls else []),
    ]
    return stage.run(attack, words, stage.left_s() + 10)


def _server(stage: Stage, attack: Beacon) -> str:
    return stage.services.network.host(attack.targets[0]).fqdn


def _curl(attack: Beacon, identity: str, body: Path | None) -> list[str]:
    """A GET that carries the identity in its query, or a POST."""
    words = ["curl", "-s", "-k", "-m", "9", "-o", "/dev/null", "-A", attack.agent]
    return [*words, *(["--data-binary", f"@{body}"] if body else ["-G", "-d", f"id={identity}"])]


def _wget(attack: Beacon, identity: str, body: Path | None) -> list[str]:
    """A GET or POST with the identity in a header."""
    words = ["wget", "-q", "-t", "1", "-T", "9", "-O", "/dev/null", "--no-check-certificate"]
    words += ["-U", attack.agent, "--header", f"X-Request-Id: {identity}"]
    return [*words, *([f"--post-file={body}"] if body else [])]


def _loop(command: Callable[[Beacon, str, Path | None], list[str]]) -> Callable[..., str]:
    """An implant made of a shell's loop around a usual client, a new process each check-in."""

    def run(stage: Stage, attack: Beacon) -> str:
        rng = stage.rng(attack)
        identity = base64.urlsafe_b64encode(rng.randbytes(24)).decode().rstrip("=")
        base = f"http{'s' if attack.tls else ''}://{_server(stage, attack)}:{attack.port}"
        body = stage.services.work / f"result-{attack.source}.bin"
        number, wait = 0, 0.0
        while stage.left_s() > _SPARE_S and stage.pause(wait):
            number += 1
            began = time.monotonic()
            stage.run(attack, [*command(attack, identity, None), f"{base}{attack.uri}"], 10)
            if number % attack.post_every == 0:
                body.write_bytes(rng.randbytes(rng.randint(*attack.post_bytes)))
                post = [*command(attack, identity, body), f"{base}{attack.post_uri}"]
                stage.run(attack, post, 10)
            wait = _wait_s(attack, rng, time.monotonic() - began)
        return f"{number} check-ins"

    return run


def _wait_s(attack: Beacon, rng: random.Random, spent_s: float) -> float:
    """The pause after a check-in that took ``spent_s``: it starts every interval, as cron's do."""
    spread = rng.uniform(1 - attack.jitter, 1 + attack.jitter)
    return max(0.0, attack.interval_s * spread - spent_s)


TOOLS: dict[str, Callable[[Stage, Beacon], str]] = {
    "http.client": _python,
    "curl": _loop(_curl),
    "wget": _loop(_wget),
}


def run(stage: Stage, attack: Beacon) -> str:
    """Check in until the run ends."""
    return TOOLS[attack.tool](stage, attack)
