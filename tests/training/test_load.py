"""`datasets`: the logs of a source become its matrix and its labels."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metatap.features.table import INDEX
from metatap_training.datasets import (
    BENIGN,
    MALICIOUS,
    UNKNOWN,
    Flows,
    Source,
    Terms,
    find_flows,
    load_source,
    read_sources,
)
from metatap_training.datasets.sources import ENVIRONMENT, DataError

CONN: dict[str, Any] = {
    "ts": 1.5, "uid": "C1", "id.orig_h": "10.0.0.1", "id.orig_p": 4000, "id.resp_h": "10.0.0.2",
    "id.resp_p": 53, "proto": "udp", "conn_state": "SF", "capture": "a",
}  # fmt: skip


def write_source(folder: Path, records: list[dict[str, Any]]) -> Source:
    """A source of one conn.log and one dns.log."""
    (folder / "s").mkdir(exist_ok=True)
    with gzip.open(folder / "s" / "conn.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    with gzip.open(folder / "s" / "dns.jsonl.gz", "wt") as file:
        file.write(json.dumps({"uid": "C1", "capture": "a", "query": "abc", "qtype": 1}) + "\n")
    return Source("s", "MIT", Terms.YES, "")


@pytest.fixture
def labelled() -> Callable[..., dict[str, Any]]:
    """A conn record with labels."""

    def make(**changes: Any) -> dict[str, Any]:
        base = {"label": "benign", "family": "dns", "network": "n", "label_scope": "flow"}
        return CONN | base | changes

    return make


def test_a_source_becomes_a_matrix_with_labels(
    tmp_path: Path, labelled: Callable[..., dict[str, Any]]
) -> None:
    """An unknown flow has no family."""
    source = write_source(
        tmp_path,
        [
            labelled(),
            labelled(uid="C2", label="malicious", family="worm"),
            labelled(uid="C3", label="unknown"),
        ],
    )
    flows = load_source(tmp_path, source)
    assert flows.label.tolist() == [BENIGN, MALICIOUS, UNKNOWN]
    assert flows.family.tolist() == ["dns", "worm", ""]
    assert flows.service.tolist() == ["udp/53"] * 3
    assert flows.capture.tolist() == ["s/a"] * 3
    assert flows.features[0, INDEX["dns.queries"]] == 1
    assert np.isnan(flows.features[1, INDEX["dns.queries"]])


def test_the_cache_is_read_until_a_log_changes(
    tmp_path: Path, labelled: Callable[..., dict[str, Any]]
) -> None:
    """A file of the cache is keyed by what it was made from."""
    cache = tmp_path / "cache"
    source = write_source(tmp_path, [labelled()])
    first = load_source(tmp_path, source, cache)
    assert len(list(cache.iterdir())) == 1
    again = load_source(tmp_path, source, cache)
    np.testing.assert_array_equal(first.features, again.features)
    write_source(tmp_path, [labelled(), labelled(uid="C2")])
    assert len(load_source(tmp_path, source, cache)) == 2


def test_a_record_without_a_label_names_the_file(tmp_path: Path) -> None:
    """The message is for the one who made the data."""
    source = write_source(tmp_path, [CONN])
    with pytest.raises(DataError, match=r"conn\.jsonl\.gz.*label"):
        load_source(tmp_path, source)


@pytest.mark.parametrize(
    ("changes", "told"), [({"label": "good"}, "good"), ({"orig_bytes": -1}, "range")]
)
def test_a_wrong_label_and_a_wrong_line_are_errors(
    tmp_path: Path, labelled: Callable[..., dict[str, Any]], changes: dict[str, Any], told: str
) -> None:
    """What is skipped on a sensor must not go missing in training."""
    source = write_source(tmp_path, [labelled(), labelled(**changes)])
    with pytest.raises(DataError, match=told):
        load_source(tmp_path, source)


def test_a_missing_log_or_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder comes from the option, else the environment."""
    nothing = Source("nothing", "", Terms.NO, "")
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(DataError, match="nothing: no such"):
            load_source(tmp_path, nothing, cache)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="nothing: no conn log"):
        load_source(tmp_path, nothing)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    with pytest.raises(DataError, match=r"no sources\.tsv"):
        find_flows()
    (tmp_path / "sources.tsv").write_text(
        "source\tlicence\tpublishable\tnote\nb\tMIT\tyes\t\na\t\tno\tx\n"
    )
    assert find_flows() == tmp_path
    assert [s.terms for s in read_sources(tmp_path)] == [Terms.NO, Terms.YES]
    (tmp_path / "sources.tsv").write_text("source\tlicence\tpublishable\tnote\nb\tMIT\tmaybe\t\n")
    with pytest.raises(DataError, match="maybe"):
        read_sources(tmp_path)


def test_flows_survive_a_file(tmp_path: Path, labelled: Callable[..., dict[str, Any]]) -> None:
    """No pickle: a cache file is data, never code."""
    flows = load_source(tmp_path, write_source(tmp_path, [labelled()]))
    flows.save(tmp_path / "x.npz")
    again = Flows.read(tmp_path / "x.npz")
    assert again.family.tolist() == flows.family.tolist()
