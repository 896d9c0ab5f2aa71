"""What the export costs Zeek: CPU time with the package and without, in turns.

`python -m tests.zeek.cost [CONNECTIONS] [RUNS] [SCRIPTS]`

For captures of short TCP connections, of DNS, of a third each TCP, DNS and HTTP, and of HTTP
downloads, in Zeek's default, bare and compiled (`-O ZAM`) modes: the median user and system time of
`zeek -r` alone and with the package and a receiver in another process, less what each needs for an
empty capture; and whether each connection of conn.log arrived. SCRIPTS is another folder to take
the package from.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.zeek import traffic
from tests.zeek.pcaps import Trace
from tests.zeek.receiver import Receiver
from tests.zeek.run import Ends

_SCRIPTS = Path(__file__).resolve().parents[2] / "zeek_scripts"

_MODES: dict[str, list[str]] = {
    "default": [],
    "bare": ["-b", *(f"base/protocols/{name}" for name in ("conn", "dns", "http", "ssl", "ssh"))],
    "ZAM": ["-O", "ZAM"],
}

_CAPTURES: dict[str, Callable[[int], Trace]] = {
    "tcp": lambda n: traffic.many(n, rate=2000.0),
    "dns": traffic.lookups,
    "mixed": traffic.mixed,
    "bulk": lambda n: traffic.downloads(max(n // 20, 1)),
}


@dataclass(frozen=True, slots=True)
class _Zeek:
    """How Zeek is run.

    Attributes:
        binary: The program.
        path: Its ZEEKPATH.
        folder: Where it runs; `NAME.pcap` are the captures.
    """

    binary: str
    path: str
    folder: Path

    def cpu(self, name: str, *args: str) -> float:
        """User and system seconds of all threads for one capture."""
        argv = [self.binary, "-r", f"{name}.pcap", *args]
        env = {**os.environ, "ZEEKPATH": self.path}
        process = subprocess.Popen(argv, cwd=self.folder, env=env, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{argv} failed")
        return usage.ru_utime + usage.ru_stime

    def cpu_exporting(self, name: str, *args: str) -> tuple[float, bool]:
        """The same with the package, and whether all of conn.log arrived."""
        log = self.folder / "conn.log"
        log.unlink(missing_ok=True)
        ends = Ends.of("ipc", self.folder)
        ours, theirs = multiprocessing.Pipe()
        receiver = multiprocessing.Process(target=_receive, args=(ends, theirs))
        receiver.start()
        seconds = self.cpu(name, *args, "metatap", *ends.args())
        flows = ours.recv()
        receiver.join()
        lines = log.read_text().splitlines() if log.exists() else []
        return seconds, flows == sum(not line.startswith("#") for line in lines)


def _receive(ends: Ends, pipe: Connection) -> None:
    """Receive until the final heartbeat, then tell how many flows came."""
    with Receiver(ends.flows, ends.back, keep=False) as receiver:
        pipe.send(len(receiver.wait_final(timeout=600).flows))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _measure(zeek: _Zeek, mode: str, sizes: dict[str, int], runs: int) -> None:
    alone: dict[str, list[float]] = {name: [] for name in ["empty", *sizes]}
    ours: dict[str, list[float]] = {name: [] for name in alone}
    complete = dict.fromkeys(alone, 0)
    for _ in range(runs):
        for name, seen in alone.items():
            seen.append(zeek.cpu(name, *_MODES[mode]))
            seconds, whole = zeek.cpu_exporting(name, *_MODES[mode])
            ours[name].append(seconds)
            complete[name] += whole
    start = [statistics.median(kind["empty"]) for kind in (alone, ours)]
    _say(f"{mode}: start {start[0]:.2f} s alone, {start[1]:.2f} s with the package")
    for name, size in sizes.items():
        without = statistics.median(alone[name]) - start[0]
        cost = statistics.median(ours[name]) - start[1]
        ratios = [
            (b - start[1]) / (a - start[0])
            for a, b in zip(sorted(alone[name]), sorted(ours[name]), strict=True)
        ]
        _say(
            f"  {name:5} {without / size * 1e6:6.1f} us a connection alone, "
            f"{(cost - without) / size * 1e6:5.1f} us more with the package: {cost / without:.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}), complete in {complete[name]} of {runs}"
        )


def main() -> None:
    """Measure all captures in all modes."""
    binary = os.environ.get("ZEEK") or shutil.which("zeek")
    if binary is None:
        raise SystemExit("needs a real Zeek 8.0 or newer on the PATH or named by ZEEK")
    given = sys.argv[1:]
    connections, runs = (int(arg) for arg in (given + ["40000", "5"][len(given) :])[:2])
    scripts = Path(given[2]).resolve() if len(given) > 2 else _SCRIPTS
    config = Path(binary).parent / "zeek-config"
    found = subprocess.run([config, "--zeekpath"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sizes = {}
        Trace().write(folder / "empty.pcap")
        for name, make in _CAPTURES.items():
            make(connections).write(folder / f"{name}.pcap")
            sizes[name] = max(connections // 20, 1) if name == "bulk" else connections
        zeek = _Zeek(binary, f"{scripts}:{found.stdout.strip()}", folder)
        _say(f"{connections} connections (bulk: a twentieth), {runs} runs, {scripts}")
        for mode in _MODES:
            _measure(zeek, mode, sizes, runs)


if __name__ == "__main__":
    main()
