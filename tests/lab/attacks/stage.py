"""Where attacks run: one stage a run, shared by all of them."""

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.lab import netns, topology
from tests.lab.services import Services
from tests.lab.threats import Attack
from tests.lab.truth import Rule


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

    def rng(self, attack: Attack) -> random.Random:
        """An attack's own source of random choices."""
        return random.Random(f"{self.seed}/{attack.family}/{attack.source}")

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

    def pause(self, seconds: float) -> bool:
        """Wait; false if the run ends within the pause, so that an attack must stop."""
        return seconds < self.ends_at - time.monotonic() and not self.stop.wait(seconds)


def _end_group(process: subprocess.Popen[str]) -> None:
    """End a tool and its children, so that nothing of an attack outlasts its rule."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=3)
