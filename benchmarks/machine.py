"""The machine a figure was measured on, without its name, and the core a process keeps to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("numpy", "onnxruntime", "pyzmq", "numba")

_CPUINFO = Path("/proc/cpuinfo")


def machine() -> dict[str, str]:
    """Processor, cores, versions and load: strings by name."""
    found = {
        "cpu": _cpu(),
        "cores": str(len(cores())),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    found["load"] = f"{os.getloadavg()[0]:.1f}"
    return found


def line(known: dict[str, str]) -> str:
    """The machine in one line."""
    libraries = ", ".join(f"{name} {known[name]}" for name in LIBRARIES if name in known)
    load = f"; load before: {known['load']}" if "load" in known else ""
    return (
        f"{known.get('cpu', '?')}, {known.get('cores', '?')} cores, {known.get('system', '?')}, "
        f"Python {known.get('python', '?')}, {libraries}{load}"
    )


def cores() -> list[int]:
    """Cores this process could use when it began."""
    return list(_CORES)


def core(number: int) -> int:
    """The core for the `number`th process; with too few of them, several share one."""
    return _CORES[number % len(_CORES)]


def pin(cpu: int) -> None:
    """Keep this process, with threads yet to be started, to a core by the system's number."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


@contextmanager
def pinned(number: int) -> Iterator[None]:
    """What is started inside keeps to the `number`th core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core(number)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _cpu() -> str:
    if _CPUINFO.exists():
        for entry in _CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = entry.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _usable() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


_CORES = _usable()
