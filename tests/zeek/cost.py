"""What the export costs Zeek: CPU time with the package and without, in turns.

`python -m tests.zeek.cost [CONNECTIONS] [RUNS]`

Prints, for a file of short TCP connections and for one of TCP, DNS and HTTP, the median user and
system time of `zeek -r` alone, with the ZeroMQ backend loaded, and with the package and a receiver
in another process; and whether each connection of conn.log arrived.
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
from multiprocessing.connection import Connection
from pathlib import Path

from tests.zeek import traffic
from tests.zeek.pcaps import Trace
from tests.zeek.receiver import Receiver
from tests.zeek.run import Ends

_BACKEND = (
    "@load policy/frameworks/cluster/backend/zeromq/connect\n"
    "event Pcap::file_done(path: string) { terminate(); }\n"
)
_SCRIPTS = Path(__file__).resolve().parents[2] / "zeek_scripts"


def _receive(ends: Ends, pipe: Connection) -> None:
    """Receive until the final heartbeat, then tell how many flows came and in how many bytes."""
    with Receiver(ends.flows, ends.back, keep=False) as receiver:
        got = receiver.wait_final(timeout=600)
        pipe.send((len(got.flows), sum(len(parts[3]) for parts in receiver.messages)))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _cpu(argv: list[str], folder: Path, path: str) -> tuple[float, float]:
    process = subprocess.Popen(
        argv, cwd=folder, env={**os.environ, "ZEEKPATH": path}, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _measure(zeek: str, name: str, trace: Trace, connections: int, runs: int) -> None:
    config = Path(zeek).parent / "zeek-config"
    found = subprocess.run([config, "--zeekpath"], capture_output=True, text=True, check=True)
    path = f"{_SCRIPTS}:{found.stdout.strip()}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trace.write(folder / "trace.pcap")
        (folder / "backend.zeek").write_text(_BACKEND)
        figures: dict[str, list[tuple[float, float]]] = {"alone": [], "backend": [], "metatap": []}
        complete, size = 0, 0
        for _ in range(runs):
            base = [zeek, "-r", "trace.pcap"]
            figures["alone"].append(_cpu(base, folder, path))
            ends = Ends.of("ipc", folder)
            line = [*base, "./backend", *ends.args()]
            figures["backend"].append(_cpu(line, folder, path))
            ours, theirs = multiprocessing.Pipe()
            receiver = multiprocessing.Process(target=_receive, args=(ends, theirs))
            receiver.start()
            figures["metatap"].append(_cpu([*base, "metatap", *ends.args()], folder, path))
            flows, size = ours.recv()
            receiver.join()
            lines = (folder / "conn.log").read_text().splitlines()
            logged = sum(not line.startswith("#") for line in lines)
            complete += flows == logged == connections
    _say(f"{name}: {connections} connections, {len(trace.packets)} packets, {runs} runs")
    for variant, values in figures.items():
        seconds = [cpu for cpu, _ in values]
        _say(
            f"  {variant:8} {statistics.median(seconds):6.2f} s CPU (median; "
            f"{min(seconds):.2f} to {max(seconds):.2f}), {max(m for _, m in values):.0f} MiB"
        )
    _say(f"  complete in {complete} of {runs} runs, {size / connections:.0f} bytes a flow")


def main() -> None:
    """Measure both files."""
    zeek = os.environ.get("ZEEK") or shutil.which("zeek")
    if zeek is None:
        raise SystemExit("needs a real Zeek 8.0 or newer on the PATH or named by ZEEK")
    connections, runs = ([int(arg) for arg in sys.argv[1:]] + [60000, 5][len(sys.argv) - 1 :])[:2]
    makers: dict[str, Callable[[int], Trace]] = {
        "tcp": lambda n: traffic.many(n, rate=2000.0),
        "mixed": traffic.mixed,
    }
    for name, make in makers.items():
        _measure(zeek, name, make(connections), connections, runs)


if __name__ == "__main__":
    main()
