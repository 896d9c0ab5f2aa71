"""The page as text: what it shows, what it escapes, that it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from metatap_training.report.command import report
from metatap_training.report.page import Extras, page, read_embedding, read_extra
from metatap_training.report.read import ReportError, from_arrow
from metatap_training.report.results import Results
from tests.training.report import synthetic

SECTIONS = (
    *("bar", "random", "capture", "own", "technique", "rates", "learning", "det", "pr"),
    *("families", "calibration", "map", "ablations", "single", "founding", "cells", "how"),
)

FOUNDING = {
    "model": "CNN", "classes": ["made-up-a", "made-up-b"], "confusion": [[8, 2], [1, 9]],
    "accuracy": 0.85, "precision": [0.889, 0.818], "recall": [0.8, None],
    "train_sequences": 100, "test_sequences": 20, "command": "made up",
}  # fmt: skip
BINS = {"method": "metatap", "score": [0.1, 0.9], "share": [0.05, 0.95], "count": [10, 10]}


@pytest.fixture(scope="module")
def results() -> Results:
    return from_arrow(synthetic.table(synthetic.rows()))


@pytest.fixture(scope="module")
def text(results: Results) -> str:
    """Their page."""
    return page(results)


class _Elements(HTMLParser):
    """Collects (tag, attributes)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _extra(tmp_path: Path, **content: Any) -> Path:
    path = tmp_path / "extra.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def _section(text: str, name: str) -> str:
    start = text.index(f'<section id="{name}"')
    return text[start : text.find('<section id="', start + 1)]


def test_every_section_is_there_and_linked(text: str) -> None:
    """Also those that were not measured, which say so."""
    for name in SECTIONS:
        assert f'<a href="#{name}"' in text
        assert f'<section id="{name}"' in text
    for name in ("map", "calibration", "founding"):
        assert "Not measured" in _section(text, name)
    for name in ("bar", "random", "rates", "det", "pr", "families", "ablations", "single"):
        assert "Not measured" not in _section(text, name)


def test_side_files_fill_their_sections(results: Results, tmp_path: Path) -> None:
    """The map, calibration and confusion appear."""
    points = tmp_path / "map.parquet"
    pq.write_table(pa.table({"x": [0.0, 1], "y": [1.0, 0], "family": ["", "made-up-a"]}), points)
    extra = read_extra(_extra(tmp_path, founding=[FOUNDING], calibration=[BINS]))
    text = page(results, Extras(read_embedding(points), [extra]))
    for name in ("map", "calibration", "founding"):
        assert "Not measured" not in _section(text, name)
    assert "Accuracy 0.850 over 20 test sequences" in text


def test_the_page_asks_for_nothing(text: str) -> None:
    """No element that loads, no handler or style in an attribute, a policy that pins the rest."""
    elements = _Elements(text).found
    assert not {tag for tag, _ in elements} & {"link", "img", "iframe", "object", "base", "form"}
    for _, attributes in elements:
        assert not {"src", "style", "onclick", "srcset"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for t, a in elements if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_names_from_data_are_escaped(tmp_path: Path) -> None:
    """A family, method or command is text, wherever it stands."""
    evil = '<script>alert("x")</script>'
    rows = [
        synthetic.row(family=evil, network=evil, method=method, group=evil)
        for method in ("metatap", "logistic regression", evil)
    ]
    extra = _extra(
        tmp_path,
        founding=[FOUNDING | {"model": evil, "classes": [evil, "b"]}],
        calibration=[BINS | {"method": evil}],
    )
    text = page(from_arrow(synthetic.table(rows, command=evil)), Extras(None, [read_extra(extra)]))
    assert evil not in text
    assert "&lt;script&gt;" in text
    assert text.count("<script>") == 1


def test_nulls_stand_beside_every_mode(text: str) -> None:
    """A column of null packs a K."""
    for name in ("random", "capture", "own", "technique", "ablations", "single"):
        for k in (1, 5, 10):
            assert f">null {k}</button>" in _section(text, name)


def test_a_page_of_one_row_is_a_page() -> None:
    """A run just begun shows what it has."""
    text = page(from_arrow(synthetic.table([synthetic.row()])))
    assert "not measured" in text
    assert "The bar is not met in full" in text


def test_a_method_the_report_does_not_know_is_shown() -> None:
    """After those it knows; a run never measures in vain."""
    rows = [synthetic.row(method=name) for name in ("zeroth guess", "metatap")]
    section = _section(page(from_arrow(synthetic.table(rows))), "random")
    assert 0 < section.index("<td>metatap</td>") < section.index("<td>zeroth guess</td>")


@pytest.mark.parametrize(("rate", "met"), [(1e-3, True), (3e-3, False), (None, False)])
def test_the_head_counts_realised_rates_too(rate: float | None, met: bool) -> None:
    """The bar is met in full only if thresholds from the background hold their rate as well."""
    rows = [
        synthetic.row(table=name, k=k, method=method, tpr=tpr, fpr_background=rate)
        for name in ("own", "random", "capture")
        for k in (1, 5, 10)
        for method, tpr in (("metatap", 0.9), ("LightGBM", 0.5))
    ]
    assert ("The bar is met in full" in page(from_arrow(synthetic.table(rows)))) is met


def test_validation_cells_stay_out_of_the_bar() -> None:
    """They show in their own place alone."""
    rows = [synthetic.row(role="validation", method=m) for m in ("metatap", "random forest")]
    text = page(from_arrow(synthetic.table(rows)))
    assert "Not measured" in _section(text, "bar")
    assert "Validation cells" in text


def test_the_command_writes_the_file(tmp_path: Path) -> None:
    """A real file in, a page under 5 MB out."""
    source, out = tmp_path / "results.parquet", tmp_path / "report.html"
    pq.write_table(synthetic.table(synthetic.rows()), source)
    extra = _extra(tmp_path, founding=[FOUNDING])
    done = CliRunner().invoke(
        report, [str(source), "--out", str(out), "--extra", str(extra)], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert out.read_text("utf-8").lstrip().lower().startswith("<!doctype html>")
    assert out.stat().st_size < 5_000_000


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            {"founding": [FOUNDING | {"confusion": [[1, 2]]}]},
            r"founding\[0\]\.confusion: not 2 × 2",
        ),
        ({"founding": [FOUNDING | {"recall": [0.5]}]}, r"founding\[0\]\.recall: not 2 values"),
        ({"founding": [FOUNDING | {"accuracy": 2}]}, r"founding\[0\]\.accuracy: a value outside"),
        ({"founding": [FOUNDING | {"classes": 3}]}, r"classes"),
        ({"founding": [FOUNDING | {"model": "x" * 201}]}, r"founding\[0\]: a text longer"),
        ({"calibration": [BINS | {"share": [0.5]}]}, r"calibration\[0\]: score and share"),
        ({"calibration": [BINS] * 51}, r"more than 50 entries"),
    ],
)
def test_a_wrong_side_file_names_its_field(
    tmp_path: Path, content: dict[str, Any], fault: str
) -> None:
    """File, list and field."""
    with pytest.raises(ReportError, match=rf"extra\.json: .*{fault}|extra\.json: {fault}"):
        read_extra(_extra(tmp_path, **content))


def test_a_map_must_be_finite(tmp_path: Path) -> None:
    """A point nowhere can't be drawn."""
    path = tmp_path / "map.parquet"
    pq.write_table(pa.table({"x": [float("nan")], "y": [0.0], "family": ["a"]}), path)
    with pytest.raises(ReportError, match=r"map\.parquet: column x or y"):
        read_embedding(path)
    pq.write_table(pa.table({"x": [0.0]}), path)
    with pytest.raises(ReportError, match=r"map\.parquet: no map of x, y and family"):
        read_embedding(path)
