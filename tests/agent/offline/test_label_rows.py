"""metatap.offline.label_rows."""

from __future__ import annotations

import csv
import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import MetatapError
from metatap.offline import label_rows as module
from metatap.offline.label_rows import COLUMNS, MAX_FIELD, MAX_LINE, label_rows

HEAD = "uid,label,family\n"


def rows(folder: Path, content: str | bytes) -> list[tuple[str, dict[str, str]]]:
    path = folder / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(label_rows(path))


def test_a_line_without_end_is_never_held(tmp_path: Path) -> None:
    """Not even where it is one of a column that is not read; file and line are named."""
    for head in (HEAD, "uid,label,note\n"):
        with pytest.raises(MetatapError, match=rf"labels\.csv:3: a line of more than {MAX_LINE:,}"):
            rows(tmp_path, f"{head}C1,benign,a\nC2,benign,{'x' * MAX_LINE}\nC3,benign,a\n")


def test_a_quote_that_is_not_closed_ends_soon(tmp_path: Path) -> None:
    """The rest of the file is no field; the line it was given up at is named."""
    lines = ["C1,benign,a", 'C2,"benign,a', *(f"C{at},benign,{'a' * 90}" for at in range(5000))]
    with pytest.raises(MetatapError, match=r"labels\.csv:[0-9]+: field larger than field limit"):
        rows(tmp_path, HEAD + "\n".join(lines))


@pytest.mark.parametrize("column", ["uid", "label", "family"])
def test_a_long_field_is_named(tmp_path: Path, column: str) -> None:
    """With its file, line and column."""
    values = {"uid": "C1", "label": "benign", "family": "web"} | {column: "x" * (MAX_FIELD + 1)}
    with pytest.raises(MetatapError, match=rf"labels\.csv:3: {column}: 513 characters"):
        rows(tmp_path, HEAD + "C0,benign,\n" + ",".join(values.values()) + "\n")


def test_rows_and_bytes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over the bound is an error that names the line, not a part of the labels."""
    text = HEAD + "C1,benign,a\nC2,benign,a\nC3,benign,a\n"
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    with pytest.raises(MetatapError, match=r"labels\.csv:4: more than 2 labels; .*conn\.log"):
        rows(tmp_path, text)
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    assert len(rows(tmp_path, text)) == 3
    monkeypatch.setattr(module, "MAX_BYTES", len(text) - 1)
    with pytest.raises(MetatapError, match=r"labels\.csv:4: more than .* bytes"):
        rows(tmp_path, text)


def test_what_is_not_utf8_is_named_by_its_own_line(tmp_path: Path) -> None:
    """However far into the file it is."""
    lines = [f"C{at},benign,web".encode() for at in range(3000)]
    lines[2000] = b"C2000,benign,\xff"
    with pytest.raises(MetatapError, match=r"labels\.csv:2002: not UTF-8"):
        rows(tmp_path, HEAD.encode() + b"\n".join(lines))


def test_a_mark_of_utf8_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    """As spreadsheets write it."""
    [(place, row)] = rows(tmp_path, "\ufeff" + HEAD + "C1, Benign ,\r\n")
    assert place.endswith("labels.csv:2")
    assert row == {"uid": "C1", "label": "Benign", "family": "", "capture": ""}


def test_a_pipe_will_do(tmp_path: Path) -> None:
    """Labels may come from another program."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=(tmp_path / "pipe").write_text, args=(HEAD + "C1,benign,web\n",)
    )
    writer.start()
    assert [row["uid"] for _, row in label_rows(tmp_path / "pipe")] == ["C1"]
    writer.join()


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), max_size=8))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, ...]]
) -> None:
    """Commas, quotes and any letter, each row under its own line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *values])
    found = rows(tmp_path_factory.mktemp("labels"), text.getvalue())
    assert [tuple(row.values()) for _, row in found] == [
        tuple(value.strip() for value in each) for each in values
    ]
    assert [int(place.rpartition(":")[2]) for place, _ in found] == list(range(2, 2 + len(values)))


@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_an_error_with_the_place(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Never another error."""
    said = "labels.csv:"
    try:
        rows(tmp_path_factory.mktemp("labels"), HEAD.encode() + content)
    except MetatapError as error:
        said = str(error)
    assert "labels.csv:" in said
