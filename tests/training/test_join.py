"""`datasets`: log lines of one connection become its row, its matrix and its labels."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metatap.features.table import INDEX
from metatap.flow import from_rows
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
from metatap_training.datasets.join import join
from metatap_training.datasets.sources import ENVIRONMENT, DataError
from metatap_training.datasets.summaries import (
    summarise_dns,
    summarise_http,
    summarise_ssh,
    summarise_ssl,
)

CONN: dict[str, Any] = {
    "ts": 1.5, "uid": "C1", "id.orig_h": "10.0.0.1", "id.orig_p": 4000, "id.resp_h": "10.0.0.2",
    "id.resp_p": 53, "proto": "udp", "conn_state": "SF", "capture": "a",
}  # fmt: skip


def test_dns_lines_add_up_and_the_longest_name_gives_its_type() -> None:
    """Bytes are UTF-8 bytes; a missing query type is not a rare one."""
    lines = [
        {"query": "a.example", "qtype": 1, "rcode": 0, "answers": ["192.0.2.1", "x.example"]},
        {"query": "ä.longer.example", "qtype": 16, "rcode": 3},
        {"query": "b", "rcode": 3},
    ]
    assert summarise_dns(lines) == {
        "dns.queries": 3,
        "dns.query_bytes": 9 + 17 + 1,
        "dns.query": "ä.longer.example",
        "dns.qtype": 16,
        "dns.rare_qtypes": 1,
        "dns.nxdomain": 2,
        "dns.answers": 2,
        "dns.answer_bytes": 18,
    }


def test_http_keeps_the_first_request_and_the_last_status() -> None:
    """Errors are answers of 400 and above; writes are all methods but the safe ones."""
    lines = [
        {"method": "GET", "host": "h", "uri": "/ab", "user_agent": "x", "status_code": 404},
        {"method": "POST", "uri": "/c", "request_body_len": 5, "response_body_len": 7,
         "status_code": 200},
    ]  # fmt: skip
    assert summarise_http(lines) == {
        "http.requests": 2,
        "http.method": "GET",
        "http.host": "h",
        "http.uri": "/ab",
        "http.user_agent": "x",
        "http.status_code": 200,
        "http.errors": 1,
        "http.writes": 1,
        "http.uri_bytes": 5,
        "http.request_body_len": 5,
        "http.response_body_len": 7,
    }


def test_certificates_not_seen_are_absent_and_not_none() -> None:
    """TLS 1.3 hides the chain: no field, no count; an empty chain counts as no certificates."""
    assert summarise_ssl([{"version": "TLSv13", "established": True}])["ssl.certs"] is None
    assert summarise_ssl([{"cert_chain_fps": []}])["ssl.certs"] == 0
    assert summarise_ssl([{"cert_chain_fps": ["a", "b"]}])["ssl.certs"] == 2


def test_ssh_takes_the_first_line() -> None:
    """A login whose outcome Zeek could not tell has no `auth_success`."""
    summary = summarise_ssh([{"auth_attempts": 4, "client": "c"}, {"auth_attempts": 9}])
    assert summary["ssh.auth_attempts"] == 4
    assert summary["ssh.auth_success"] is None


def test_logs_are_joined_by_capture_and_uid() -> None:
    """The same uid in another capture is another connection."""
    line = {"uid": "C1", "capture": "b", "query": "elsewhere", "qtype": 1}
    rows = join([CONN, CONN | {"capture": "b"}], {"dns": [line]})
    assert "dns.queries" not in rows[0]
    assert rows[1]["dns.query"] == "elsewhere"
    assert from_rows(rows).rows == 2


def test_values_outside_a_vocabulary_are_absent() -> None:
    """An odd state or protocol must not stop the reading of a source."""
    [row] = join([CONN | {"proto": "sctp", "conn_state": "??"}], {})
    assert row["proto"] == "unknown_transport"
    assert row["conn_state"] is None


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
    """Partial records are dropped; an unknown flow has no family."""
    source = write_source(
        tmp_path,
        [
            labelled(),
            labelled(uid="C2", label="malicious", family="worm"),
            labelled(uid="C3", label="unknown"),
            labelled(uid="C4", partial=True),
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


def test_a_missing_log_or_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder comes from the option, else the environment."""
    with pytest.raises(DataError, match=r"no conn\.jsonl\.gz"):
        load_source(tmp_path, Source("nothing", "", Terms.NO, ""))
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
