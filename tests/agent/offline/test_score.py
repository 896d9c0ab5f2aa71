"""`offline.score` and its writers: one row a flow and pack, nothing lost, memory bounded."""

from __future__ import annotations

import csv
import gzip
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.agent.offline.written import OFFICE, conn_line, lab_rules, write_conn

from metatap.context import Context
from metatap.counters import Counters
from metatap.detector import Detector, Model, RuleSet
from metatap.errors import MetatapError
from metatap.flow import FlowBatch, from_rows
from metatap.offline.background import sample_background
from metatap.offline.output import open_writer
from metatap.offline.score import Written, audit, write_scores
from metatap.offline.scoring import ScoredBatch, score_batches
from metatap.offline.stream import FloatArray, open_sources, read, with_context
from metatap.offline.writers import Writer
from metatap.sources import Source


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return lab_rules()


def score(sources: list[Source], rules: RuleSet, out: Path, chunk: int = 4096) -> Written:
    with open_writer(out, rules) as writer:
        return write_scores(score_batches(sources, rules, Context(), chunk), rules, writer)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_what_the_detector_scores(rules: RuleSet, tmp_path: Path) -> None:
    """Each flow × pack once, in order, with the Detector's scores and the RuleSet's thresholds."""
    written = score(open_sources([str(OFFICE)]), rules, tmp_path / "x.csv")
    detector, packs = Detector(rules, Context()), len(rules.packs)
    expected, uids = [], []
    for batch in read(open_sources([str(OFFICE)])[0]):
        expected.append(detector.detect(batch).scores[:, :packs])
        column = batch.strings("uid")
        assert column is not None
        uids += [(column.item(row) or b"").decode() for row in range(batch.rows)]
    scores = np.concatenate(expected)
    found = rows(tmp_path / "x.csv")
    assert written.rows == len(found) == len(uids) * packs
    assert [row["uid"] for row in found] == [uid for uid in uids for _ in range(packs)]
    ids = [pack.id for pack in rules.packs]
    assert ids == sorted(ids)
    assert [row["pack"] for row in found] == ids * len(uids)
    got = np.array([float(row["score"]) for row in found]).reshape(-1, packs)
    np.testing.assert_allclose(got, scores, rtol=1e-5)
    thresholds = np.array([float(row["threshold"]) for row in found]).reshape(-1, packs)
    np.testing.assert_allclose(thresholds, np.tile(rules.thresholds[:packs], (len(uids), 1)), 1e-5)
    alerts = np.array([row["alert"] for row in found]).reshape(-1, packs) == "1"
    np.testing.assert_array_equal(alerts, scores >= rules.thresholds[:packs])
    np.testing.assert_array_equal(written.alerts, alerts.sum(0))
    assert alerts.any()


def test_every_form_says_the_same(rules: RuleSet, tmp_path: Path) -> None:
    """CSV, gzip and Parquet have the same columns and rows; Parquet's scores are not rounded."""
    for name in ("x.csv", "x.csv.gz", "x.parquet"):
        score(open_sources([str(OFFICE)]), rules, tmp_path / name)
    plain = (tmp_path / "x.csv").read_bytes()
    assert gzip.decompress((tmp_path / "x.csv.gz").read_bytes()) == plain
    table, found = pq.read_table(tmp_path / "x.parquet"), rows(tmp_path / "x.csv")
    assert table.column_names == list(found[0])
    for name in ("uid", "pack"):
        assert table[name].to_pylist() == [row[name] for row in found]
    assert table["alert"].to_pylist() == [int(row["alert"]) for row in found]
    for name in ("score", "threshold"):
        exact = table[name].to_numpy()
        np.testing.assert_allclose(exact, [float(row[name]) for row in found], rtol=1e-5)
    assert not list(tmp_path.glob("*.part"))


def test_odd_uids_survive(rules: RuleSet, tmp_path: Path) -> None:
    """A uid with a comma, a quote, a line break, bytes that are no UTF-8, or none is a row."""
    uids = ['a,"b"\n', b"\xff\xfe", None, "plain", "ü"]
    batch = from_rows([conn_line(at, uid=uid) for at, uid in enumerate(uids)])
    for name in ("x.csv", "x.parquet"):
        score([Repeat(batch, 1)], rules, tmp_path / name)
    expected = ['a,"b"\n', "\\xff\\xfe", "", "plain", "ü"]
    packs = len(rules.packs)
    assert [row["uid"] for row in rows(tmp_path / "x.csv")[::packs]] == expected
    assert pq.read_table(tmp_path / "x.parquet")["uid"].to_pylist()[::packs] == expected


def test_flows_without_context_and_partial_ones_are_scored(rules: RuleSet, tmp_path: Path) -> None:
    """A flow without ts and a partial record have rows like any other."""
    batch = from_rows([conn_line(0), conn_line(1, ts=None), conn_line(2, partial=True)])
    score([Repeat(batch, 1)], rules, tmp_path / "x.csv")
    found = [row["uid"] for row in rows(tmp_path / "x.csv")]
    assert found == [uid for uid in ("C000000", "C000001", "C000002") for _ in rules.packs]


def test_bad_lines_cost_no_good_flow(rules: RuleSet, tmp_path: Path) -> None:
    """Lines that can't be read are counted by reason, all others scored, and it adds up."""
    log = write_conn(tmp_path / "conn.log", [conn_line(at) for at in range(50)])
    lines = log.read_text().splitlines()
    lines[10:10] = ["{broken", '{"uid": 7}']
    log.write_text("\n".join(lines) + "\n")
    sources = open_sources([str(log)])
    written = score(sources, rules, tmp_path / "x.csv")
    assert written.flows == 50
    assert sum(sources[0].flows.dropped.values()) == 2
    assert sources[0].flows.received == 52
    assert audit(sources, written.flows) == []
    assert audit(sources, 49)


def test_the_size_of_a_chunk_changes_nothing(rules: RuleSet, tmp_path: Path) -> None:
    """Scores do not depend on how many flows are scored at once."""
    log = write_conn(tmp_path / "conn.log", [conn_line(at) for at in range(300)])
    for chunk in (7, 4096):
        score(open_sources([str(log)]), rules, tmp_path / f"{chunk}.csv", chunk)
    one, other = rows(tmp_path / "7.csv"), rows(tmp_path / "4096.csv")
    got = [[float(row["score"]) for row in found] for found in (one, other)]
    np.testing.assert_allclose(got[0], got[1], rtol=1e-3, atol=1e-4)


def _break_off(writer: Writer[ScoredBatch], batches: Iterator[ScoredBatch], rules: RuleSet) -> None:
    write_scores(islice(batches, 2), rules, writer)
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet"])
def test_nothing_half_done_is_left(rules: RuleSet, tmp_path: Path, name: str) -> None:
    """If the reading breaks off, neither the file nor its part is there, and an old one stays."""
    (tmp_path / name).write_text("old")
    batches = score_batches([Repeat(from_rows([conn_line(0)]), 9)], rules, Context(), 4096)
    with pytest.raises(KeyboardInterrupt), open_writer(tmp_path / name, rules) as writer:
        _break_off(writer, batches, rules)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "old"


def test_an_unknown_form_is_refused(rules: RuleSet) -> None:
    """A name that ends in nothing known is an error that says what is."""
    with pytest.raises(MetatapError, match=r"x\.json.*\.csv"):
        open_writer(Path("x.json"), rules)


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet"])
def test_a_folder_that_is_not_there_is_named(rules: RuleSet, tmp_path: Path, name: str) -> None:
    """Every form has the same error, which names the file that was asked for."""
    with pytest.raises(MetatapError, match=f"none/{name}: not a file in a folder that exists"):
        open_writer(tmp_path / "none" / name, rules)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_memory_does_not_grow_with_the_source(rules: RuleSet, tmp_path: Path, name: str) -> None:
    """Eight times the flows need no more memory."""
    batch = from_rows([conn_line(at) for at in range(2048)])

    def peak(times: int) -> int:
        tracemalloc.start()
        try:
            score([Repeat(batch, times)], rules, tmp_path / name)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    score([Repeat(batch, 1)], rules, tmp_path / name)
    few, many = peak(20), peak(160)
    assert many < few * 1.15 + (1 << 20)


def test_the_background_is_a_uniform_sample(rules: RuleSet) -> None:
    """So many flows at most, each from anywhere with the same chance; the seed repeats it."""
    numbers = np.arange(5000).reshape(25, 200)
    batches = [
        from_rows([conn_line(at, orig_bytes=at * 997, resp_bytes=at**2) for at in part])
        for part in numbers.tolist()
    ]
    model = rules.model
    assert isinstance(model, Model)

    def stream() -> Iterator[tuple[FlowBatch, FloatArray]]:
        return with_context(batches, Context())

    whole = sample_background(stream(), model, rows=10_000)
    part = sample_background(stream(), model, rows=400)
    assert whole.shape == (5000, model.depth)
    assert part.shape == (400, model.depth)
    np.testing.assert_array_equal(part, sample_background(stream(), model, rows=400))
    order = {row.tobytes(): at for at, row in reversed(list(enumerate(whole)))}
    at = np.array([order.get(row.tobytes(), -1) for row in part])
    kept = at[at >= 0]
    assert len(set(kept.tolist())) > 300
    assert 2000 < kept.mean() < 3000
    with pytest.raises(MetatapError, match="no flow"):
        sample_background([], model)


class Repeat:
    """A source that gives one batch so many times."""

    name = "repeat"

    def __init__(self, batch: FlowBatch, times: int) -> None:
        self.flows = Counters()
        self.messages = Counters()
        self._batch, self._left = batch, times

    @property
    def done(self) -> bool:
        return self._left == 0

    def read(self, timeout: float) -> FlowBatch | None:  # noqa: ARG002
        self._left -= 1
        self.flows.passes(self._batch.rows)
        return self._batch

    def discard(self, reason: str) -> int:  # noqa: ARG002
        self.close()
        return 0

    def status(self) -> dict[str, object]:
        return {}

    def close(self) -> None:
        self._left = 0
