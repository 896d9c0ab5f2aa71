"""Network namespaces and the processes in them; every name starts with ``mtlab-``."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PREFIX = "mtlab-"
ETC = Path("/etc/netns")
_GRACE_S = 3.0


def ip(*args: str) -> None:
    """Run ``ip`` and fail loudly."""
    subprocess.run(["ip", *args], check=True)


def inside(namespace: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs ``argv`` in a namespace."""
    return ["ip", "netns", "exec", namespace, *argv]


def names(prefix: str) -> list[str]:
    """Namespaces whose names start with ``prefix``, which itself must be the lab's."""
    if not prefix.startswith(PREFIX):
        raise ValueError(f"{prefix!r} is outside the lab")
    out = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    found = [line.split()[0] for line in out.stdout.splitlines() if line.strip()]
    return sorted(name for name in found if name.startswith(prefix))


def pids(namespace: str) -> list[int]:
    """Processes that live in a namespace."""
    out = subprocess.run(
        ["ip", "netns", "pids", namespace], check=False, capture_output=True, text=True
    )
    return [int(word) for word in out.stdout.split()]


def _signal_all(prefix: str, number: signal.Signals) -> bool:
    """Send a signal to whatever runs in the lab's namespaces; true if there was anything."""
    found = [pid for name in names(prefix) for pid in pids(name)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return bool(found)


def clean(prefix: str) -> None:
    """End the processes in all namespaces under ``prefix`` and remove these namespaces."""
    deadline = time.monotonic() + _GRACE_S
    while _signal_all(prefix, signal.SIGTERM) and time.monotonic() < deadline:
        time.sleep(0.2)
    while _signal_all(prefix, signal.SIGKILL):
        time.sleep(0.05)
    for name in names(prefix):
        subprocess.run(["ip", "netns", "del", name], check=False)
    for folder in ETC.glob(f"{prefix}*"):
        shutil.rmtree(folder)


@contextlib.contextmanager
def cleaned(prefix: str) -> Iterator[None]:
    """A block before and after which no namespace under ``prefix`` exists."""
    clean(prefix)
    try:
        yield
    finally:
        clean(prefix)


def add(namespace: str, etc: Mapping[str, str]) -> None:
    """Create a namespace without IPv6; ``etc`` are files that replace those of /etc in it."""
    folder = ETC / namespace
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in etc.items():
        (folder / name).write_text(text)
    ip("netns", "add", namespace)
    for scope in ("all", "default"):
        sysctl(namespace, f"net.ipv6.conf.{scope}.disable_ipv6=1")
    ip("-n", namespace, "link", "set", "lo", "up")


def sysctl(namespace: str, setting: str) -> None:
    """Set one kernel variable of a namespace."""
    subprocess.run(inside(namespace, ["sysctl", "-qw", setting]), check=True)


def spawn(
    namespace: str, argv: Sequence[str], log: Path, *, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a long-running process in a namespace, its output in ``log``."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            inside(namespace, argv),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=cwd,
        )
