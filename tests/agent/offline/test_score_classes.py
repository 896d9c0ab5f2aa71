"""`offline.score_classes`: a row for every flow, with the class of its window, in order."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from tests.agent.commands import metatap
from tests.agent.detector.sequences import CLASSES, LENGTH, expected, sequence_model
from tests.agent.offline.written import LABELS, OFFICE, conn_line, write_conn

from metatap.context import Context
from metatap.detector import SequenceModel, open_model
from metatap.detector.detector import IMPOSSIBLE
from metatap.features import encode
from metatap.flow import FlowBatch, Origin, from_rows
from metatap.offline.output import open_class_writer
from metatap.offline.score_classes import (
    SequenceScorer,
    WrittenClasses,
    classify_sources,
    write_classes,
)
from metatap.offline.stream import open_sources


@pytest.fixture
def model(tmp_path: Path) -> SequenceModel:
    found = open_model(sequence_model(tmp_path / "m.onnx"))
    assert isinstance(found, SequenceModel)
    return found


def broken_model(path: Path, most: float) -> Path:
    """A sequence model that gives NaN for a window with a flow of more bytes sent than `most`."""
    proto = onnx.load(str(sequence_model(path)))
    make = onnx.helper.make_node
    proto.graph.node[-1].output[0] = "sound"
    proto.graph.node.extend(
        [
            make("Gather", ["sequences", "sent"], ["bytes"], axis=2),
            make("ReduceMax", ["bytes"], ["highest"], axes=[1], keepdims=1),
            make("Greater", ["highest", "most"], ["broken"]),
            make("Where", ["broken", "nothing", "sound"], ["probability"]),
        ]
    )
    values = {"sent": np.array(1), "most": np.float32(most), "nothing": np.float32(np.nan)}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()
    )
    onnx.save(proto, str(path))
    return path


def score(
    model: SequenceModel, texts: list[str], out: Path, chunk: int = 4096, held: int = 65_536
) -> WrittenClasses:
    scorer = SequenceScorer(model, held=held, step=1 if held < 100 else 16_384)
    found = classify_sources(open_sources(texts), scorer, Context(), chunk)
    with open_class_writer(out, model.meta.classes) as writer:
        return write_classes(found, scorer, len(CLASSES), writer)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def by_hand(pairs: list[object]) -> list[tuple[str, float]]:
    """Class and probability of each flow of a stream of pairs."""
    windows: dict[object, list[list[int]]] = defaultdict(list)
    for at, pair in enumerate(pairs):
        if not windows[pair] or len(windows[pair][-1]) == LENGTH:
            windows[pair].append([])
        windows[pair][-1].append(at)
    found: list[tuple[str, float]] = [("", 0.0)] * len(pairs)
    for window in (each for several in windows.values() for each in several):
        mask = np.zeros((1, LENGTH), np.float32)
        mask[0, : len(window)] = 1
        probability = expected(mask)[0]
        for at in window:
            found[at] = CLASSES[int(probability.argmax())], float(probability.max())
    return found


@pytest.mark.parametrize("chunk", [7, 4096])
def test_every_flow_has_a_row_in_order(model: SequenceModel, tmp_path: Path, chunk: int) -> None:
    """Whatever the size of a chunk, the class and the probability are those of its window."""
    hosts = np.random.default_rng(0).integers(0, 90, 500)
    lines = [conn_line(at, **{"id.orig_h": f"192.0.2.{host}"}) for at, host in enumerate(hosts)]
    log = write_conn(tmp_path / "conn.log", lines)
    written = score(model, [str(log)], tmp_path / "x.csv", chunk)
    found = rows(tmp_path / "x.csv")
    assert [row["uid"] for row in found] == [line["uid"] for line in lines]
    for row, (name, probability) in zip(found, by_hand(hosts.tolist()), strict=True):
        assert row["class"] == name
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-5)
    members = defaultdict(set)
    for row, host in zip(found, hosts, strict=True):
        members[row["window"]].add(host)
    assert all(len(each) == 1 for each in members.values())
    assert written.rows == 500
    assert written.windows == len(members)
    assert int(written.flows_of.sum()) == 500


def test_bounded_memory_loses_nothing(model: SequenceModel, tmp_path: Path) -> None:
    """Windows let go early are padded: every flow still has its row, in order."""
    log = write_conn(tmp_path / "conn.log", [conn_line(at) for at in range(400)])
    score(model, [str(log)], tmp_path / "x.csv", 16, held=50)
    found = rows(tmp_path / "x.csv")
    assert [row["uid"] for row in found] == [f"C{at:06d}" for at in range(400)]
    assert {row["class"] for row in found} == {"short"}


def test_windows_end_with_source_and_capture(model: SequenceModel, tmp_path: Path) -> None:
    """The same log twice gives the same twice, and flows of two captures share no window."""
    log = write_conn(tmp_path / "conn.log", [conn_line(0), conn_line(100)])
    score(model, [str(log), str(log)], tmp_path / "x.csv")
    found = rows(tmp_path / "x.csv")
    assert [row["window"] for row in found] == ["0", "0", "1", "1"]
    scorer = SequenceScorer(model)
    batch = from_rows([conn_line(0), conn_line(100)])
    batches = [replace(batch, origin=Origin(capture=name)) for name in ("a", "b")]
    windows = []
    for each in batches:
        first = scorer.add(each, encode(each))
        windows += [*first.window, *scorer.end().window]
    assert windows == [0, 0, 1, 1]


def test_every_form_says_the_same(model: SequenceModel, tmp_path: Path) -> None:
    """CSV, gzip and Parquet, a class with a comma included; nothing half is left."""
    for name in ("x.csv", "x.csv.gz", "x.parquet"):
        score(model, [str(OFFICE)], tmp_path / name)
    plain = (tmp_path / "x.csv").read_bytes()
    assert gzip.decompress((tmp_path / "x.csv.gz").read_bytes()) == plain
    table, found = pq.read_table(tmp_path / "x.parquet"), rows(tmp_path / "x.csv")
    assert table.column_names == list(found[0])
    for name in ("uid", "class"):
        assert table[name].to_pylist() == [row[name] for row in found]
    assert {row["class"] for row in found} == set(CLASSES)
    assert len(found) == len(LABELS.read_text().splitlines()) - 1
    assert not list(tmp_path.glob("*.part"))


def test_a_window_that_cannot_be_scored_costs_no_other(tmp_path: Path) -> None:
    """Its flows are counted and have no row; all others have theirs, in order."""
    model = open_model(broken_model(tmp_path / "m.onnx", 1e6))
    assert isinstance(model, SequenceModel)
    lines = [conn_line(at, **{"id.orig_h": f"192.0.2.{at % 10}"}) for at in range(100)]
    lines[43]["orig_bytes"] = 2_000_000
    log = write_conn(tmp_path / "conn.log", lines)
    broken = {f"C{at:06d}" for at in (43, 53, 63, 73)}
    for held in (65_536, 50):
        written = score(model, [str(log)], tmp_path / "x.csv", 16, held=held)
        found = rows(tmp_path / "x.csv")
        assert "C000043" not in {row["uid"] for row in found}
        assert written.rows == len(found) == int(written.flows_of.sum())
        assert written.rows + written.unscored == 100
        uids = [row["uid"] for row in found]
        assert uids == sorted(uids)
        if held > 50:
            assert {line["uid"] for line in lines} - set(uids) == broken
            assert written.unscored == len(broken)


def test_metatap_score_says_how_many_flows_have_no_class(tmp_path: Path) -> None:
    """Status 0: every flow is accounted for, the unscored ones under their reason."""
    path = broken_model(tmp_path / "m.onnx", 1e6)
    log = write_conn(tmp_path / "conn.log", [conn_line(0), conn_line(1, orig_bytes=2_000_000)])
    done = metatap("score", log, "--model", path, "--out", "-")
    assert done.returncode == 0, done.stderr
    assert [line.partition(",")[0] for line in done.stdout.splitlines()] == ["uid", "C000000"]
    assert "2 flows in 2 windows" in done.stderr
    assert f"1 flows without a row: {IMPOSSIBLE}" in done.stderr


def test_no_flow_no_row(model: SequenceModel) -> None:
    """The end of an empty stream is no window."""
    scorer = SequenceScorer(model)
    assert not scorer.add(FlowBatch(0, {}), encode(FlowBatch(0, {}))).uids
    assert not scorer.end().uids
    assert scorer.windows == 0


def test_metatap_score_and_the_others(tmp_path: Path) -> None:
    """`score` serves it; options of packs, `replay`, `check` and `evaluate` refuse it by reason."""
    path = sequence_model(tmp_path / "m.onnx")
    done = metatap("score", OFFICE, "--model", path, "--out", "-")
    assert done.returncode == 0, done.stderr
    flows = len(LABELS.read_text().splitlines()) - 1
    assert len(done.stdout.splitlines()) == 1 + flows
    assert f"{flows:,} flows in" in done.stderr
    assert "class short:" in done.stderr
    assert metatap("score", OFFICE, "--model", path, "--rate", "0.01", "--out", "-").returncode == 2
    for words in (
        ("replay", OFFICE, "--model", path),
        ("check", "--model", path),
        ("evaluate", OFFICE, "--model", path, "--labels", LABELS),
    ):
        refused = metatap(*words)
        assert refused.returncode == 1
        assert "sequence models are scored offline: metatap score --model FILE" in refused.stderr
