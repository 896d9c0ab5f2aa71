"""What the export costs Zeek: processor time of `zeek -r` with the package and without.

    python -m benchmarks.zeek_overhead [--connections N] [--turns N]

Needs a real Zeek 8.0 or newer on the PATH or named by ZEEK. It reads a file of connections, TCP,
DNS and HTTP in the order of `tests.zeek.traffic`, on one core, in turns: alone; with the ZeroMQ
cluster backend loaded, as in a cluster; and with the package, which loads that backend too, and a
receiver in another process on the other core. Every connection has to arrive. The contract is
against Zeek alone; against one that has the backend anyway is told beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.zeek import traffic
from tests.zeek.pcaps import Trace
from tests.zeek.receiver import Receiver
from tests.zeek.run import Ends

from benchmarks import machine
from benchmarks.harness import Options, run
from benchmarks.result import Info, Report, Row
from benchmarks.timing import Spread, in_turns

TARGET = 1.03

_SCRIPTS = Path(__file__).resolve().parents[1] / "zeek_scripts"

_BACKEND = (
    "@load policy/frameworks/cluster/backend/zeromq/connect\n"
    "event Pcap::file_done(path: string) { terminate(); }\n"
)

KINDS: dict[str, Callable[[int], Trace]] = {
    "TCP, DNS and HTTP": traffic.mixed,
    "short TCP connections": lambda count: traffic.many(count, rate=2000.0),
}


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--connections", type=int, default=60_000)
    parser.add_argument("--turns", type=int, default=7)


def measure(given: Options) -> Report:
    """Measure, or say why not."""
    named = os.environ.get("ZEEK") or shutil.which("zeek")
    if named is None:
        return Report(skipped="needs a real Zeek 8.0 or newer on the PATH or named by ZEEK")
    zeek = Path(named).resolve()
    rows: list[Row] = []
    info: Info = {}
    for kind, make in KINDS.items():
        with TemporaryDirectory(prefix="mt-") as name:
            runs = Runs(zeek, Path(name), make(given.connections), given.connections)
            times = in_turns(
                {"alone": runs.alone, "backend": runs.backend, "package": runs.package}, given.turns
            )
        alone = Spread.ratio(times["package"], times["alone"])
        label = f"Zeek's CPU with the package / without, {kind}"
        rows.append(Row.of(label, alone, target=TARGET, bound="at most"))
        beside = Spread.ratio(times["package"], times["backend"]).median
        info[f"against Zeek with the backend, {kind}"] = beside
        info[f"Zeek alone, µs a connection, {kind}"] = (
            Spread.of(times["alone"]).median / given.connections * 1e6
        )
    return Report(tuple(rows), info)


class Runs:
    """The three ways to run Zeek on one file; each gives seconds of the processor."""

    def __init__(self, zeek: Path, folder: Path, trace: Trace, connections: int) -> None:
        """Write the file.

        Raises:
            CalledProcessError: `zeek-config` failed.
        """
        self._folder, self._connections = folder, connections
        self._line = [str(zeek), "-r", "trace.pcap"]
        found = subprocess.run(
            [zeek.parent / "zeek-config", "--zeekpath"], capture_output=True, text=True, check=True
        )
        self._path = f"{_SCRIPTS}:{found.stdout.strip()}"
        trace.write(folder / "trace.pcap")
        (folder / "backend.zeek").write_text(_BACKEND, encoding="utf-8")

    def alone(self) -> float:
        """Zeek and its own logs."""
        return self._cpu()

    def backend(self) -> float:
        """With the ZeroMQ backend, which nobody uses."""
        return self._cpu("./backend", *Ends.of("ipc", self._folder).args())

    def package(self) -> float:
        """With the package; raises RuntimeError if a connection did not arrive."""
        ends = Ends.of("ipc", self._folder)
        ours, theirs = multiprocessing.Pipe()
        receiver = multiprocessing.Process(
            target=_receive, args=(ends, theirs, machine.core(1)), daemon=True
        )
        receiver.start()
        spent = self._cpu("metatap", *ends.args())
        flows = ours.recv()
        receiver.join()
        if flows != self._connections:
            raise RuntimeError(f"{flows:,} of {self._connections:,} connections arrived")
        return spent

    def _cpu(self, *args: str) -> float:
        process = subprocess.Popen(
            [*self._line, *args],
            cwd=self._folder,
            env={**os.environ, "ZEEKPATH": self._path},
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"Zeek ended with status {process.returncode}")
        return usage.ru_utime + usage.ru_stime


def _receive(ends: Ends, pipe: Connection, cpu: int) -> None:
    """Receive until the final heartbeat, then tell how many flows came."""
    machine.pin(cpu)
    with Receiver(ends.flows, ends.back, keep=False) as receiver:
        pipe.send(len(receiver.wait_final(timeout=600).flows))


if __name__ == "__main__":
    run("zeek_overhead", __doc__, options, measure)
