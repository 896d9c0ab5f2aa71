"""The JSON file of a benchmark."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from benchmarks.result import Report, Result, ResultError, Row, read, read_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import harness, machine

numbers = st.floats(allow_nan=False, allow_infinity=False)
rows = st.builds(
    Row,
    what=st.text(min_size=1),
    measured=numbers,
    unit=st.sampled_from(["", "ms", "flows/s a core"]),
    target=st.none() | numbers,
    bound=st.just("at least"),
    spread=st.none() | st.tuples(numbers, numbers),
)


@given(found=st.lists(rows, min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(found: list[Row], tmp_path: Path) -> None:
    report = Report(tuple(found), {"packs": 64, "context": "compiled"})
    result = Result("whole_path", "python -m benchmarks.whole_path", {"cpu": "x"}, report)
    result.write(tmp_path / "deep" / "whole_path.json")
    assert read(tmp_path / "deep" / "whole_path.json") == result
    assert read_folder(tmp_path / "deep") == {"whole_path": result}


def test_the_file_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    ratio = Row("a / b", 0.5, target=0.6, spread=(0.4, 0.55))
    value = Row("p99", 12.0, "ms", 50.0, "at most")
    Result("x", "c", machine.machine(), Report((ratio, value))).write(tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["ratio"] == 0.5
    assert (found["target"], found["unit"], found["spread"]) == (0.6, "", [0.4, 0.55])
    assert found["met"] is False
    assert found["also"] == [
        {
            "what": "p99",
            "value": 12.0,
            "unit": "ms",
            "target": 50.0,
            "bound": "at most",
            "met": True,
        }
    ]
    assert {"cpu", "cores", "python", "numpy", "onnxruntime"} <= found["machine"].keys()


def test_the_machine_has_no_name() -> None:
    known = machine.machine()
    assert platform.node() not in machine.line(known).split()
    assert not any("/" in value for name, value in known.items() if name != "cpu")


@pytest.mark.parametrize(
    ("bound", "measured", "met"),
    [
        *(("at least", 1.0, True), ("at least", 0.9, False)),
        *(("at most", 1.0, True), ("at most", 1.1, False)),
        *(("below", 0.9, True), ("below", 1.0, False)),
    ],
)
def test_a_target_has_a_good_side(bound: Any, measured: float, *, met: bool) -> None:
    assert Row("x", measured, target=1.0, bound=bound).met is met
    assert Row("x", measured).met is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ("{}", "benchmark"),
        ('{"benchmark": "x", "command": "c", "machine": {}}', "unit"),
        ('{"benchmark": "x", "command": "c", "machine": {}, "unit": "ms", "ratio": 1}', "value"),
        (
            '{"benchmark":"x","command":"c","machine":{},"unit":"","ratio":1,"what":"w","spread":[1]}',
            "spread",
        ),
        (
            '{"benchmark":"x","command":"c","machine":{},"unit":"","ratio":1,"what":"w","bound":"?"}',
            "bound",
        ),
        (
            '{"benchmark":"x","command":"c","machine":{},"unit":"","ratio":NaN,"what":"w"}',
            "ratio",
        ),
        (
            '{"benchmark":"x","command":"c","machine":{},"unit":"","ratio":1,"what":"w","also":[3]}',
            "also",
        ),
    ],
)
def test_a_broken_file_names_its_fault(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ResultError, match=named) as fault:
        read(tmp_path / "x.json")
    assert "x.json" in str(fault.value)


def test_a_figure_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    result = Result("x", "c", {}, Report((Row("w", float("nan")),)))
    with pytest.raises(ValueError, match="JSON"):
        result.write(tmp_path / "x.json")


def test_the_frame_prints_writes_and_keeps_paths_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(given: harness.Options) -> Report:
        assert given.turns == 3
        return Report((Row("w", 0.25, target=0.5),), {"flows": 12345})

    file = tmp_path / "w.json"
    argv = ["--turns", "3", "--json", str(file), "--from", "/secret/place"]

    def options(parser: Any) -> None:
        parser.add_argument("--turns", type=int)
        parser.add_argument("--from")

    harness.run("w", "doc", options, measure, argv)
    out = capsys.readouterr().out
    assert "0.25" in out
    assert "MISSED" in out
    assert "12,345" in out
    assert read(file).command == "python -m benchmarks.w --turns 3 --from FILE"


def test_what_could_not_be_run_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "w.json"
    harness.run(
        "w", None, harness.no_options, lambda _: Report(skipped="needs Zeek"), ["--json", str(file)]
    )
    assert read(file).report == Report(skipped="needs Zeek")
    assert "skipped: needs Zeek" in capsys.readouterr().out
