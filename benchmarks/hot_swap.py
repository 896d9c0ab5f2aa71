"""From a dropped file to the first batch scored with it, and what a swap costs scoring.

    python -m benchmarks.hot_swap [--drops N] [--load SHARE]

A whole agent with its state folder follows real files; batches of the lab's recording go through
its pipeline one after the other: flows that no pack hits, so that no alert is in the times. Packs,
then models, are renamed into place at random times. Measured: seconds from the rename to the end of
the first batch that was scored with the file's content; seconds of the batch at whose start the
rules changed, and of those during which the next rules were being made, against the median of the
batches at rest. The contract is in batches, a ratio: a swap costs at most one.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx

from benchmarks.harness import Options, run
from benchmarks.machine import cores
from benchmarks.pool import RECORDING, whole
from benchmarks.result import Info, Report, Row
from metatap.detector import shipped_model
from metatap.flow import FlowBatch
from metatap.runtime.agent import Agent
from metatap.runtime.build import shipped_packs
from metatap.runtime.config import load_config

TARGET = 1.0
"""Batches that a swap may cost at most."""

PATIENCE = 10.0
"""Seconds after which a drop counts as lost."""

REST = 0.3
"""Seconds of rest before a drop."""


class Files:
    """A folder with a model and packs, and new contents for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "packs").mkdir()
        for path in shipped_packs().glob("*.yaml"):
            shutil.copy(path, folder / "packs")
        self.model = folder / "model.onnx"
        self._pack = folder / "packs" / "port-scan.yaml"
        self._text = self._pack.read_text()
        self._proto = onnx.load(shipped_model())
        shutil.copy(shipped_model(), self.model)
        self._drops = 0

    def prepare(self, kind: str) -> tuple[Path, Path]:
        """A new content beside its place, and the place."""
        self._drops += 1
        place = self.model if kind == "model" else self._pack
        temporary = place.with_suffix(".part")
        if kind == "model":
            for item in self._proto.metadata_props:
                if item.key == "metatap.version":
                    item.value = f"9.{self._drops}"
            temporary.write_bytes(self._proto.SerializeToString())
        else:
            temporary.write_text(f"{self._text}# {self._drops}\n")
        return temporary, place


class Bench:
    """An agent under load."""

    def __init__(self, agent: Agent, batch: FlowBatch, load: float) -> None:
        self.agent = agent
        self.batch = batch
        self.load = load
        self.rest: list[float] = []

    def one(self) -> tuple[float, bool]:
        """Score one batch: its seconds, and whether the rules changed at its start."""
        before = self.agent.pipeline.detector.rules
        begin = time.perf_counter()
        self.agent.pipeline.process(self.batch)
        spent = time.perf_counter() - begin
        time.sleep(spent * (1 / self.load - 1))
        return spent, self.agent.pipeline.detector.rules is not before

    def drop(self, files: Files, kind: str) -> tuple[float, float, list[float]]:
        """Seconds to the first score, of the swapping batch, and of those while loading."""
        end = time.perf_counter() + REST + random.uniform(0, 0.1)
        while time.perf_counter() < end:
            self.rest.append(self.one()[0])
        temporary, place = files.prepare(kind)
        begin = time.perf_counter()
        temporary.rename(place)
        loading: list[float] = []
        while time.perf_counter() - begin < PATIENCE:
            spent, is_changed = self.one()
            if is_changed:
                return time.perf_counter() - begin, spent, loading
            loading.append(spent)
        raise SystemExit(f"{kind}: not in force after {PATIENCE:g} s")


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--drops", type=int, default=200, help="of packs, and of models")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--load", type=float, default=0.9, help="share of the time spent scoring")


def measure(given: Options) -> Report:
    """Measure."""
    flows = whole(RECORDING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = Files(folder)
        flags = {
            "sources": [{"url": f"zeek+ipc://{folder}/zeek.ipc?bind=1"}],
            "sinks": [{"type": "file", "path": str(folder / "alerts.jsonl")}],
            "model": str(files.model),
            "packs": str(folder / "packs"),
            "state": str(folder / "state"),
        }
        # A thread keeps to the cores of the one that started it: here, to more than one.
        os.sched_setaffinity(0, set(cores()))
        agent = Agent(lambda: load_config(flags=flags))
        agent.reloader.follow()
        hits = agent.pipeline.detector.detect(flows).rows
        quiet = np.setdiff1d(np.arange(flows.rows), hits)
        bench = Bench(agent, flows.take(np.resize(quiet, given.rows)), given.load)
        for _ in range(20):
            bench.one()
        found = {
            kind: [bench.drop(files, kind) for _ in range(given.drops)]
            for kind in ("pack", "model")
        }
        agent.close()
    rest = float(np.median(bench.rest))
    info: Info = {
        "flows a batch": given.rows,
        "share of the time spent scoring": given.load,
        "a batch at rest, ms": rest * 1e3,
        "a batch at rest, p99, batches": float(np.percentile(bench.rest, 99)) / rest,
    }
    rows: list[Row] = []
    for kind, drops in found.items():
        seconds, swaps, loading = zip(*drops, strict=True)
        extra = np.array(swaps) / rest - 1
        during = np.concatenate(loading) / rest - 1
        low, middle, high = np.percentile(extra, [25, 50, 75])
        what = f"{kind} dropped: extra of the swapping batch"
        rows.append(
            Row(what, float(middle), "batches", TARGET, "at most", (float(low), float(high)))
        )
        info[f"{kind}, drop to first score, s, p50"] = float(np.percentile(seconds, 50))
        info[f"{kind}, drop to first score, s, p99"] = float(np.percentile(seconds, 99))
        info[f"{kind}, extra of the swapping batch, p99"] = float(np.percentile(extra, 99))
        info[f"{kind}, extra of a batch while loading, p50"] = float(np.percentile(during, 50))
        info[f"{kind}, extra of a batch while loading, p99"] = float(np.percentile(during, 99))
    return Report(tuple(rows), info)


if __name__ == "__main__":
    run("hot_swap", __doc__, options, measure)
