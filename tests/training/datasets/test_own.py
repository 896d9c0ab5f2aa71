"""`datasets.own`: a user's logs and labels become flows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metatap.errors import MetatapError
from metatap.features.table import INDEX
from metatap.offline.labels import ANY, FieldLabels, FileLabels
from metatap_training.datasets import BENIGN, MALICIOUS, UNKNOWN, load_source
from metatap_training.datasets.own import LabelledLogs, load_logs
from metatap_training.datasets.sources import DataError, Source, Terms

LAB = Path(__file__).parents[2] / "data" / "lab"


def conn(at: int, **fields: Any) -> dict[str, Any]:
    return {
        "ts": 1_700_000_000.0 + at, "uid": f"C{at}", "id.orig_h": "10.0.0.1", "id.orig_p": 4000,
        "id.resp_h": "10.0.0.2", "id.resp_p": 53, "proto": "udp", "conn_state": "SF",
    } | fields  # fmt: skip


def write_logs(folder: Path, *records: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "conn.log").write_text(text, "utf-8")
    return folder


def test_labels_in_a_field(tmp_path: Path) -> None:
    """A family where the flow has a label; whatever says neither is unknown."""
    folder = write_logs(
        tmp_path / "site",
        conn(0, label="Normal", family="dns"),
        conn(1, label="MALICIOUS", family="worm"),
        conn(2, label="malicious"),
        conn(3, label="background", family="x"),
        conn(4),
    )
    flows = load_logs(folder, FieldLabels("label", "family", benign=("benign", "normal")))
    assert flows.label.tolist() == [BENIGN, MALICIOUS, MALICIOUS, UNKNOWN, UNKNOWN]
    assert flows.family.tolist() == ["dns", "worm", "unnamed", "", ""]
    assert set(flows.network) == set(flows.source) == {"site"}
    assert set(flows.capture) == {"site/2023-11-14"}
    assert flows.service.tolist() == ["udp/53"] * 5
    assert flows.host.tolist() == ["10.0.0.1"] * 5
    assert flows.ts.tolist() == [1_700_000_000.0 + at for at in range(5)]
    assert len(set(flows.uid_hash.tolist())) == 5


def test_every_other_label_may_be_a_threat_and_its_family(tmp_path: Path) -> None:
    """As where the label's field holds the name of the attack."""
    folder = write_logs(
        tmp_path / "site",
        conn(0, Label="BENIGN"),
        conn(1, Label="PortScan"),
        conn(2, Label="unknown"),
        conn(3, Label="-"),
    )
    flows = load_logs(folder, FieldLabels("Label", None, ANY))
    assert flows.label.tolist() == [BENIGN, MALICIOUS, UNKNOWN, UNKNOWN]
    assert flows.family.tolist() == ["", "PortScan", "", ""]


def test_labels_in_a_file_of_uids(tmp_path: Path) -> None:
    """The file may name captures, the log a network."""
    folder = write_logs(tmp_path / "site", conn(0, net="lan"), conn(1), conn(90_000))
    labels = tmp_path / "labels.csv"
    labels.write_text("uid,label,family,capture\nC0,benign,dns,monday\nC1,malicious,worm,\n")
    flows = load_logs(folder, FileLabels(labels), name="office", network_field="net")
    assert flows.label.tolist() == [BENIGN, MALICIOUS, UNKNOWN]
    assert flows.network.tolist() == ["lan", "office", "office"]
    assert flows.capture.tolist() == ["office/monday", "office/2023-11-14", "office/2023-11-15"]


def test_the_lab_s_office_is_read_with_its_context() -> None:
    """The same flows and labels as its files hold; hosts have a past."""
    flows = load_logs(LAB / "office-logs", FileLabels(LAB / "office.labels.csv"), name="office")
    counts = np.unique(flows.family[flows.label == MALICIOUS], return_counts=True)
    lines = (LAB / "office.labels.csv").read_text().splitlines()[1:]
    threats = [line.split(",")[2] for line in lines if line.split(",")[1] == "malicious"]
    assert dict(zip(*(part.tolist() for part in counts), strict=True)) == {
        family: threats.count(family) for family in set(threats)
    }
    assert len(flows) == len(lines)
    assert set(flows.source) == {"office"}
    past = flows.features[:, INDEX["context.host.flows.s"]]
    assert not np.isnan(past).any()
    assert past.max() > 10


def test_a_uid_hash_is_that_of_the_published_reader(tmp_path: Path) -> None:
    """Splits by hash take the same side whoever reads the log."""
    record = conn(0, label="benign", network="n", label_scope="flow", capture="a")
    write_logs(tmp_path / "s", record)
    published = load_source(tmp_path, Source("s", "MIT", Terms.YES, ""))
    own = load_logs(tmp_path / "s", FieldLabels("label", None))
    assert own.uid_hash.tolist() == published.uid_hash.tolist()
    assert own.capture.tolist() == published.capture.tolist()
    assert np.array_equal(own.features, published.features, equal_nan=True)


def test_lines_that_cannot_be_read_are_left_out_and_told(tmp_path: Path) -> None:
    """A real archive has some."""
    folder = write_logs(tmp_path / "site", conn(0, label="benign"), conn(1, uid=None))
    logs = LabelledLogs(folder, FieldLabels("label", None))
    assert sum(len(part) for part in logs.batches()) == 1
    assert logs.remarks() == [f"{folder}: 1 conn lines dropped: missing"]


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (FieldLabels("kind", None), {}, "field kind: in no record"),
        (FieldLabels("label", None, "evil", benign=("good",)), {}, "labels found: benign 1"),
        (FieldLabels("label", None), {"network_field": "net"}, "field net: in no record"),
        (FieldLabels("label", "long"), {}, "family: longer than 256 characters"),
    ],
)
def test_labels_that_say_nothing_are_an_error(
    tmp_path: Path, labels: FieldLabels, options: dict[str, str], said: str
) -> None:
    """That names what was looked for and what was found."""
    folder = write_logs(tmp_path / "site", conn(0, label="benign", long="x" * 300))
    with pytest.raises(DataError, match=said):
        load_logs(folder, labels, **options)


def test_logs_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    """And so is a file of labels without its columns, by file and line."""
    with pytest.raises(DataError, match="no conn log"):
        load_logs(tmp_path, FieldLabels("label", None))
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n")
    with pytest.raises(MetatapError, match=r"labels\.csv:1: no column uid"):
        FileLabels(path)
