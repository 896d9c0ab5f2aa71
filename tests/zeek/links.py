"""Virtual links to sniff on: each goes from here into a network namespace of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.zeek.pcaps import Trace

_ROOT = Path(__file__).resolve().parents[2]


def why_not() -> str | None:
    """Why links can't be made here; None if they can."""
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    if shutil.which("ip") is None:
        return "needs ip (iproute2)"
    name = f"mtz-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "needs to be allowed to make network namespaces"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


@dataclass(frozen=True)
class Link:
    """A link whose other end is in a namespace.

    Attributes:
        near: The interface here; it has no address, so nothing answers.
        far: The interface in the namespace.
        namespace: The namespace.
    """

    near: str
    far: str
    namespace: str

    def send(self, folder: Path, trace: Trace, pace: float) -> None:
        """Send a trace from the far end, at `pace` packets a second."""
        path = trace.write(folder / f"{self.near}.pcap")
        subprocess.run(
            [
                *("ip", "netns", "exec", self.namespace),
                *(sys.executable, "-m", "tests.zeek.send", self.far, str(path), str(pace)),
            ],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'agent'}"},
            check=True,
        )


_numbers = itertools.count()


@contextmanager
def link() -> Iterator[Link]:
    """A fresh link, gone afterwards."""
    number = next(_numbers)  # the kernel takes its time to forget a name
    it = Link(f"mtz{os.getpid()}n{number}", "far", f"mtz-{os.getpid()}-{number}")
    inside = ["ip", "netns", "exec", it.namespace]
    quiet = "net.ipv6.conf.{}.disable_ipv6=1"
    steps = [
        ["ip", "netns", "add", it.namespace],
        ["ip", "link", "add", it.near, "type", "veth", "peer", it.far, "netns", it.namespace],
        ["sysctl", "-q", quiet.format(it.near)],
        [*inside, "sysctl", "-q", quiet.format(it.far)],
        [*inside, "ip", "link", "set", it.far, "up"],
        ["ip", "link", "set", it.near, "up"],
    ]
    try:
        for step in steps:
            subprocess.run(step, check=True)
        yield it
    finally:
        subprocess.run(["ip", "netns", "del", it.namespace], check=False)
