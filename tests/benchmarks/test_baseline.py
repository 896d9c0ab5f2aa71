"""The comparison with an earlier state, and the table."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from benchmarks.result import Report, Result, ResultError, Row

from benchmarks import baseline, catalogue

SPEED, COST = "whole / bare", "64 packs / 1"


def results(speed: float, cost: float) -> dict[str, Result]:
    rows = (
        Row(SPEED, speed, target=0.6, spread=(0.1, 0.2)),
        Row(COST, cost, target=1.2, bound="at most"),
        Row("flows", 9.0, "flows/s"),
    )
    return {"whole_path": Result("whole_path", "python -m x", {"cpu": "A"}, Report(rows))}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    baseline.write(results(0.6, 1.1), path)
    return path


def judged(place: Path, speed: float, cost: float) -> dict[str, bool]:
    verdicts = baseline.compare(baseline.read(place), results(speed, cost))
    return {verdict.what: verdict.is_good for verdict in verdicts}


def test_only_ratios_are_kept(place: Path) -> None:
    assert baseline.read(place)["whole_path"].keys() == {SPEED, COST}


def test_noise_is_let_pass_and_what_is_much_worse_is_not(place: Path) -> None:
    assert judged(place, 0.6 / 1.49, 1.1 * 1.49) == {SPEED: True, COST: True}
    assert judged(place, 0.6 / 1.51, 1.1) == {SPEED: False, COST: True}
    assert judged(place, 0.6, 1.1 * 1.51) == {SPEED: True, COST: False}


def test_better_is_never_bad(place: Path) -> None:
    assert judged(place, 6.0, 0.1) == {SPEED: True, COST: True}


def test_a_ratio_of_nothing_is_bad(place: Path) -> None:
    assert not judged(place, 0.0, 1.1)[SPEED]


def test_what_was_skipped_is_told(place: Path) -> None:
    skipped = {"whole_path": Result("whole_path", "c", {}, Report(skipped="no"))}
    verdicts = baseline.compare(baseline.read(place), skipped)
    assert [verdict.is_good for verdict in verdicts] == [False, False]
    assert all(baseline.told(verdict).startswith("MISSING") for verdict in verdicts)
    assert baseline.compare(baseline.read(place), {}) == []


def test_a_margin_outlives_a_new_baseline(place: Path) -> None:
    found = json.loads(place.read_text())
    found["whole_path"][SPEED]["margin"] = 2.5
    place.write_text(json.dumps(found))
    baseline.write(results(0.7, 1.0), place)
    known = baseline.read(place)["whole_path"][SPEED]
    assert (known.ratio, known.margin) == (0.7, 2.5)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("3", "not an object"),
        ('{"ratio": 0, "bound": "at least"}', "ratio"),
        ('{"ratio": "fast", "bound": "at least"}', "ratio"),
        ('{"ratio": 1, "bound": "over"}', "bound"),
        ('{"ratio": 1, "bound": "at least", "margin": 0.5}', "margin"),
    ],
)
def test_a_broken_row_is_named(row: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(f'{{"packs": {{"w": {row}}}}}')
    with pytest.raises(ResultError, match=f"packs: w.*{named}"):
        baseline.read(tmp_path / "b.json")


def test_the_committed_baseline_is_of_what_there_is() -> None:
    assert baseline.read().keys() <= set(catalogue.RATIOS) <= set(catalogue.NAMES)


def test_each_name_is_a_module() -> None:
    assert all(importlib.util.find_spec(f"benchmarks.{name}") for name in catalogue.NAMES)


def test_the_table_marks_what_is_missed_and_names_the_machine() -> None:
    table = catalogue.markdown(results(0.5, 1.1))
    assert f"| {SPEED} | ≥ 0.6 | **0.5** | 0.1 … 0.2 | `python -m x` |" in table
    assert f"| {COST} | ≤ 1.2 | 1.10 |" in table
    assert "flows/s" not in table
    assert "Measured on: A" in table


def test_the_table_says_what_was_skipped() -> None:
    skipped = Result("zeek_overhead", "c", {}, Report(skipped="needs Zeek"))
    assert "skipped: needs Zeek" in catalogue.markdown({"zeek_overhead": skipped})


def test_the_table_goes_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "p.md"
    page.write_text(f"before\n{catalogue.BEGIN}\nold\n{catalogue.END}\nafter\n")
    for _ in range(2):
        catalogue.put(page, "new\n")
    assert page.read_text() == f"before\n{catalogue.BEGIN}\nnew\n{catalogue.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no lines"):
        catalogue.put(page, "new\n")
    assert page.read_text() == "no marks"
