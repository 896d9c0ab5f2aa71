"""`datasets.arrow`: encoded flows as Parquet, read in memory that does not grow with them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metatap.errors import MetatapError
from metatap_training.datasets import Flows, arrow, concat
from metatap_training.datasets.arrow import find_parquet, read_flows, write_flows
from metatap_training.datasets.sources import DataError
from tests.training import synthetic

ROOT = Path(__file__).parents[3]

PEAK = """
import resource, sys
from pathlib import Path
from metatap_training.datasets.arrow import read_flows
from metatap_training.datasets.reservoir import Reservoir
pool = Reservoir(4000)
for part in read_flows([Path(sys.argv[1])]):
    pool.add(part)
pool.flows()
print(pool.seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def same(one: Flows, other: Flows) -> None:
    for item in fields(Flows):
        a, b = getattr(one, item.name), getattr(other, item.name)
        assert a.dtype.kind == b.dtype.kind, item.name
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), item.name


def rewritten(tmp_path: Path, change: Any) -> Path:
    """A file of ten flows whose table was changed."""
    path = tmp_path / "a.parquet"
    write_flows(path, [synthetic.flows(10).take(np.arange(10))])
    pq.write_table(change(pq.read_table(path)), path)
    return path


def test_flows_come_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit, NaN included, in row groups of the stated size."""
    monkeypatch.setattr(arrow, "GROUP_ROWS", 100)
    flows = synthetic.flows(30)
    cuts = [0, 5, 5, 333, 340, len(flows)]
    parts = [flows.take(np.arange(a, b)) for a, b in pairwise(cuts)]
    path = tmp_path / "a.parquet"
    assert write_flows(path, parts) == len(flows)
    found = list(read_flows([path]))
    assert [len(part) for part in found[:-1]] == [100] * (len(flows) // 100)
    same(concat(found), flows)
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]


def test_a_stream_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """Half a data set looks like a whole one."""

    def parts() -> Any:
        yield synthetic.flows(5)
        raise MetatapError("broken off")

    with pytest.raises(MetatapError, match="broken off"):
        write_flows(tmp_path / "a.parquet", parts())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace_schema_metadata({}), "not a file of encoded flows"),
        (lambda t: t.replace_schema_metadata({arrow.KEY: b'["1", "a"]'}), "encoded with other"),
        (lambda t: t.drop_columns(["host"]), "host: missing, or not string"),
        (lambda t: t.set_column(1, "label", pa.array([7] * 10, pa.int8())), "label: a code"),
        (lambda t: t.set_column(1, "label", pa.array([None] * 10, pa.int8())), "label: a value"),
        (lambda t: t.set_column(2, "family", pa.array(["x" * 300] * 10)), "family: longer than"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    """With the name of file and column."""
    path = rewritten(tmp_path, change)
    with pytest.raises(DataError, match=rf"a\.parquet: {said}"):
        list(read_flows([path]))


def test_a_broken_file_or_a_huge_row_group_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file says of itself is not taken on trust."""
    path = rewritten(tmp_path, lambda table: table)
    monkeypatch.setattr(arrow, "GROUP_MAX", 9)
    with pytest.raises(DataError, match="a row group of more than 9 flows"):
        list(read_flows([path]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet"):
        list(read_flows([path]))
    with pytest.raises(DataError, match=r"no \.parquet file"):
        find_parquet(tmp_path / "none")


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six times the flows, 240 MB more of them, take next to no more memory."""
    monkeypatch.setattr(arrow, "GROUP_ROWS", 4096)
    block = synthetic.flows(1000)
    peaks = []
    for times in (4, 24):
        path = tmp_path / f"{times}.parquet"
        assert write_flows(path, (block for _ in range(times))) == times * len(block)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(path)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
        seen, peak = map(int, done.stdout.split())
        assert seen == times * len(block)
        peaks.append(peak)
    grown = 20 * block.features.nbytes >> 20
    assert grown > 200
    assert peaks[1] - peaks[0] < 30
