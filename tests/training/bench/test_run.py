"""`bench.run`: a run that was broken off goes on where it was, and only there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metatap_training.baselines.maml import MamlRecipe
from metatap_training.bench.cells import Table
from metatap_training.bench.entrants import entrants
from metatap_training.bench.folds import BenchError
from metatap_training.bench.run import Hooks, Plan, run
from metatap_training.bench.schema import SCHEMA, read_table, write_rows
from metatap_training.bench.world import World
from tests.training.bench import made
from tests.training.bench.test_leakage import RECIPE

CHEAP = ("metatap", "1-NN margin", "port only")


@dataclass
class Watch:
    """What a run said of itself."""

    plans: list[tuple[int, int, int]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def hooks(self) -> Hooks:
        """For `run`."""
        return Hooks(lambda *counts: self.plans.append(counts), self.done.append)


@pytest.fixture(scope="module")
def world() -> World:
    """Of this module's tests."""
    return made.world()


def a_plan(folder: Path) -> Plan:
    """Two jobs, three methods."""
    every = entrants(RECIPE, draws=2, peer_draws=1, maml=MamlRecipe(steps=1))
    return Plan(
        cells=(made.cell(Table.RANDOM), made.cell(Table.OWN, "lab")),
        entrants=tuple(one for one in every if one.name in CHEAP),
        supports=(5,),
        seed=0,
        cache=folder / "cache",
        out=folder / "results.parquet",
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """The folder of a whole run; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("finished")
    run(a_plan(folder), world, 1, Watch().hooks, "test")
    return folder


def without_times(table: pa.Table) -> pa.Table:
    """All but how long it took."""
    return table.drop_columns(["seconds"]).cast(
        pa.schema([part for part in SCHEMA if part.name != "seconds"])
    )


def test_a_run_that_was_broken_off_gives_the_same_rows(
    tmp_path: Path, world: World, finished: Path
) -> None:
    """What is done is not done again, and the run says so."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    plan = a_plan(tmp_path)
    whole, _ = read_table(plan.out)
    (parts,) = (tmp_path / "results.parquet.parts").iterdir()
    files = sorted(parts.glob("*.parquet"))
    assert len(files) == 2
    files[0].unlink()
    plan.out.unlink()
    kept = files[1].stat().st_mtime_ns
    watch = Watch()
    again = run(plan, world, 1, watch.hooks, "test")
    assert watch.plans == [(0, 1, 1)]
    assert len(watch.done) == 1
    assert files[1].stat().st_mtime_ns == kept
    assert without_times(again).equals(without_times(whole))
    attacked = set(whole["attack"].to_pylist())
    assert attacked == {"", "padded", "slowed", "split", "poisoned"}
    _refuses_another(plan, world)


def _refuses_another(plan: Plan, world: World) -> None:
    """Results of other draws are not overwritten unless asked for."""
    before = plan.out.read_bytes()
    with pytest.raises(BenchError, match=r"of another benchmark .*--anew"):
        run(replace(plan, seed=1), world, 1, Watch().hooks, "test")
    assert plan.out.read_bytes() == before


def test_the_digest_is_of_all_that_results_depend_on(tmp_path: Path, world: World) -> None:
    """Cells, methods, K, seed and flows; not where files are."""
    plan = a_plan(tmp_path)
    others = [
        replace(plan, cells=plan.cells[:1]).digest(world),
        replace(plan, entrants=plan.entrants[:1]).digest(world),
        replace(plan, supports=(1,)).digest(world),
        replace(plan, seed=1).digest(world),
        plan.digest(made.world(made.flows(seed=1))),
    ]
    assert len({plan.digest(world), *others}) == 6
    assert plan.digest(world) == replace(plan, out=tmp_path / "elsewhere").digest(world)


def test_nothing_to_measure_is_an_error(tmp_path: Path, world: World) -> None:
    """Not an empty file."""
    with pytest.raises(BenchError, match="no cell"):
        run(replace(a_plan(tmp_path), cells=()), world, 1, Watch().hooks, "test")


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    """By name of what it lacks."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"method": ["a"]}), path)
    with pytest.raises(BenchError, match=r"x\.parquet: lacks the columns .*attack"):
        read_table(path)
    path.write_bytes(b"no parquet")
    with pytest.raises(BenchError, match=r"x\.parquet"):
        read_table(path)


def test_rows_are_rounded_and_what_they_lack_is_null(tmp_path: Path) -> None:
    """So that the file stays small."""
    path = tmp_path / "rows.parquet"
    write_rows(path, [{"method": "a", "tpr": 0.123456, "curve": [0.98765432]}], {"digest": "d"})
    table, facts = read_table(path)
    (row,) = table.to_pylist()
    assert row["tpr"] == pytest.approx(0.1235, abs=1e-6)
    assert row["curve"] == pytest.approx([0.9877], abs=1e-6)
    assert row["auprc"] is None
    assert facts == {"digest": "d"}


PROGRAM = """
import sys
from pathlib import Path
from tests.training.bench import made
from tests.training.bench.test_run import Watch, a_plan
from metatap_training.bench.run import run

if __name__ == "__main__":
    run(a_plan(Path(sys.argv[1])), made.world(), 1, Watch().hooks, "test")
"""


def test_a_run_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, world: World, finished: Path
) -> None:
    """SIGKILL of all its processes after the first part; the rows are those of a whole run."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")
    plan = a_plan(tmp_path / "killed")
    child = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "killed")],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )
    parts = plan.out.parent / f"{plan.out.name}.parts"
    try:
        deadline = time.monotonic() + 300
        while not list(parts.glob("*/*.parquet")):
            assert child.poll() is None, "it ended before its first part was there"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert not plan.out.exists()
    kept = len(list(parts.glob("*/*.parquet")))
    watch = Watch()
    resumed = run(plan, world, 1, watch.hooks, "test")
    assert watch.plans == [(0, 2 - kept, kept)]
    whole, _ = read_table(a_plan(finished).out)
    assert without_times(resumed).equals(without_times(whole))


def test_results_that_are_there_are_gone_on_from(
    tmp_path: Path, world: World, finished: Path
) -> None:
    """A copy of a results file stands for its parts: what it has is not measured again."""
    whole, _ = read_table(a_plan(finished).out)
    again = a_plan(tmp_path)
    shutil.copy(a_plan(finished).out, again.out)
    watch = Watch()
    resumed = run(again, world, 1, watch.hooks, "test")
    assert watch.plans == [(0, 0, 2)]
    assert resumed.equals(whole)
