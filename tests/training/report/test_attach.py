"""`metatap-train build` and `card`: a card in a file, with a benchmark and without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result

from metatap.detector import Model
from metatap.errors import MetatapError, ModelError
from metatap_training import build, cli
from metatap_training.datasets import Source, Terms
from metatap_training.episodes import Sizes
from metatap_training.learners import Recipe
from metatap_training.learners.model import Shape
from metatap_training.report import attach as work
from metatap_training.report.attach import CardError, attach, read_card, settled
from metatap_training.report.benchmark import read_benchmark
from metatap_training.report.benchmark_markdown import NONE
from metatap_training.report.markdown import card_markdown
from tests.training import synthetic
from tests.training.report.synthetic import row, table

RECIPE = Recipe(
    shape=Shape(dense=8, stumps=8, linear=4),
    sizes=Sizes(tasks=4, background=96, negatives=128, queries=12, own=8, networks=1),
    members=2,
    steps=2,
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of one cell."""
    path = tmp_path_factory.mktemp("bench") / "results.parquet"
    rows = [row(tpr=0.875), row(method="logistic regression", tpr=0.25)]
    pq.write_table(table(rows, command="metatap-train bench"), path)
    return path


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Made-up flows of two sources, and a recipe that is trained in a moment."""
    flows = synthetic.flows(60)
    names = sorted(set(flows.source))
    sources = tuple(
        Source(name, "MIT", Terms.YES if at else Terms.WEIGHTS, "") for at, name in enumerate(names)
    )
    data = build.Data(flows, sources, {"duplicate": 7})
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "prepare", lambda *_: data)
        patch.setattr(cli, "_recipe", lambda _: RECIPE)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def built(small: None, results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """Folder of `bare.onnx` and `with.onnx`, built without and with results, and their pages."""
    folder = tmp_path_factory.mktemp("built")
    for name, more in (("bare", ()), ("with", ("--results", results))):
        out = ("--out", folder / f"{name}.onnx", "--card", folder / f"{name}.md")
        result = run("build", *out, *more)
        assert result.exit_code == 0, result.output
    return folder


def test_build_writes_a_model_and_its_page(built: Path, results: Path) -> None:
    """The agent takes the file; the card in it says how large it is and what was measured."""
    path = built / "with.onnx"
    card = Model(path).meta.card
    assert card["measured"]["bytes"] == path.stat().st_size
    assert card["benchmark"] == read_benchmark(results)
    assert card["chosen_on"] == ["scan", "windows-lateral", "smb-exploit"]
    page = (built / "with.md").read_text("utf-8")
    assert page == card_markdown(card) == run("card", path).stdout
    assert "87.5% of a threat's flows" in page
    assert "A committee of\n2 members, each a trunk of 20 units" in page
    assert "7 duplicate" in page
    assert "| source-north | MIT |" in page


def test_without_results_the_card_says_so(built: Path) -> None:
    """And has no figures."""
    assert Model(built / "bare.onnx").meta.card["benchmark"] is None
    assert (built / "bare.md").read_text("utf-8").count(NONE) == 2


def test_results_that_come_later_need_no_training(
    built: Path, results: Path, tmp_path: Path
) -> None:
    """Only the card changes, to what a build with them would have said."""
    path = tmp_path / "m.onnx"
    shutil.copy(built / "bare.onnx", path)
    before = path.read_bytes()
    shown = run("card", path, "--results", results).stdout
    assert "87.5% of a threat's flows" in shown
    assert path.read_bytes() == before
    written = run("card", path, "--results", results, "--write")
    assert written.exit_code == 0, written.output
    card = Model(path).meta.card
    assert written.stdout == card_markdown(card) == run("card", path).stdout
    assert card["measured"]["bytes"] == path.stat().st_size
    assert card["benchmark"] == read_benchmark(results)
    old, new = onnx.load_model_from_string(before), onnx.load(path)
    assert _but_card(old) == _but_card(new)


def test_a_benchmark_is_replaced_not_added(built: Path, results: Path, tmp_path: Path) -> None:
    """Writing the same again changes no byte."""
    path = tmp_path / "m.onnx"
    shutil.copy(built / "with.onnx", path)
    before = path.read_bytes()
    attach(path, read_benchmark(results))
    assert path.read_bytes() == before


def _but_card(proto: onnx.ModelProto) -> bytes:
    for item in proto.metadata_props:
        if item.key == "metatap.card":
            item.value = ""
    return bytes(proto.SerializeToString(deterministic=True))


def _with_card(path: Path, out: Path, text: str) -> Path:
    proto = onnx.load(path)
    for item in proto.metadata_props:
        if item.key == "metatap.card":
            item.value = text
    onnx.save(proto, out)
    return out


def test_a_user_s_own_model_gets_no_benchmark(built: Path, results: Path, tmp_path: Path) -> None:
    """It was not what was measured."""
    path = _with_card(built / "bare.onnx", tmp_path / "m.onnx", '{"kind": "own data"}')
    for more in ((), ("--write",)):
        result = run("card", path, "--results", results, *more)
        assert isinstance(result.exception, CardError)
        assert str(result.exception).startswith(f"{path}: trained on a user's own flows")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[]", "metatap.card: no object"),
        ("{", "metatap.card: "),
        ("{}", "its card lacks the field 'benchmark'"),
        ('{"benchmark": 3}', "its card lacks the field 'measured'"),
        ('{"benchmark": null, "measured": [], "recipe": {}}', "its card lacks the field 'shape'"),
        ('{"benchmark": null, "measured": [], "recipe": []}', "is of another kind"),
    ],
)
def test_a_card_that_can_t_be_shown_is_refused(
    built: Path, tmp_path: Path, text: str, fault: str
) -> None:
    """By file and field; a file with an older card among them."""
    path = _with_card(built / "bare.onnx", tmp_path / "m.onnx", text)
    result = run("card", path)
    assert isinstance(result.exception, MetatapError)
    assert str(result.exception).startswith(f"{path}: ")
    assert fault in str(result.exception)


def test_a_file_that_would_be_too_large_stays_as_it_was(
    built: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attaching checks before it writes."""
    path = tmp_path / "m.onnx"
    shutil.copy(built / "bare.onnx", path)
    before = path.read_bytes()
    monkeypatch.setattr(work, "MAX_BYTES", len(before) + 10)
    with pytest.raises(CardError, match="with this benchmark"):
        attach(path, read_benchmark(results))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    """By name."""
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"m\.onnx"):
        read_card(path)


def test_write_needs_results(built: Path) -> None:
    """There is nothing else to write."""
    result = run("card", built / "bare.onnx", "--write")
    assert result.exit_code == 2
    assert "--write: needs --results" in result.output


@pytest.mark.parametrize("base", [0, 90, 95, 98, 99, 995, 999_999])
def test_the_size_a_card_says_settles(base: int) -> None:
    """Also where one digit more makes the file large enough for another."""
    said: list[int] = []

    def write(size: int) -> int:
        said.append(size)
        return base + len(json.dumps({"bytes": size}))

    assert settled(write) == said[-1] == base + len(json.dumps({"bytes": said[-1]}))
