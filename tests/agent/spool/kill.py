"""Kills of a process that appends to a spool: `python -m tests.agent.spool.kill KILLS [SEED]`."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from tests.agent.spool.lines import BIG, drain, line, open_spool

from metatap.spool import MIN_BYTES, WhenFull


def write(folder: Path, round_: int, acknowledged: Connection) -> None:
    """Append for ever, and say after each append what is in the spool; `b` takes all meanwhile."""
    rng = Random(round_)
    spool = open_spool(folder, "a", "b", max_bytes=64 * MIN_BYTES, when_full=WhenFull.BLOCK)

    def take() -> None:
        while True:
            if entries := spool.read("b", rng.randint(1, 20), BIG):
                spool.ack("b", entries[-1].seq)
            else:
                spool.wait("b", 1.0)

    threading.Thread(target=take, daemon=True).start()
    at = 0
    while True:
        names = [f"{round_}.{at + row}" for row in range(rng.choice((1, 3, 50)))]
        at += len(names)
        spool.append([line(name, rng.choice((0, 5_000, 30_000))) for name in names])
        acknowledged.send(names)


def run(folder: Path, kills: int, seed: int) -> tuple[int, int]:
    """Kill a writer again and again, and look each time that all it said is there.

    Returns:
        Alerts acknowledged, and found.
    """
    rng = Random(seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    said = found = 0
    for round_ in range(kills):
        receiver, sender = context.Pipe(duplex=False)
        writer = context.Process(target=write, args=(folder, round_, sender), daemon=True)
        writer.start()
        sender.close()
        names: list[str] = []
        if rng.random() < 0.9:
            names += receiver.recv()
        time.sleep(rng.uniform(0, 0.08))
        writer.kill()
        try:
            while True:
                names += receiver.recv()
        except (EOFError, OSError):
            receiver.close()
        writer.join()
        spool = open_spool(folder, "a", "b")
        there = [entry.id for entry in drain(spool, "a")]
        drain(spool, "b")
        dropped = [claim.alerts.dropped for claim in spool.claims.values()]
        spool.close()
        if there[: len(names)] != names or dropped != [{}, {}] or spool.set_aside:
            lost = [name for name in names if name not in there]
            raise AssertionError(f"round {round_}: lost {lost[:5]}, dropped {dropped}")
        said += len(names)
        found += len(there)
    return said, found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        said, found = run(Path(folder), int(sys.argv[1]), int((*sys.argv, "0")[2]))
        sys.stdout.write(f"{sys.argv[1]} kills: {said} acknowledged, all among {found} found\n")
