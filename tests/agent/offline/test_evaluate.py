"""`offline.evaluate`: every figure against a computation flow by flow."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import average_precision_score
from structlog.testing import capture_logs
from tests.agent.offline.written import (
    LABELS,
    OFFICE,
    conn_line,
    lab_rules,
    labelled,
    write_conn,
)

from metatap.context import Context
from metatap.detector import Detector, RuleSet
from metatap.errors import MetatapError, SourceError
from metatap.flow import from_rows, to_row
from metatap.offline.evaluate import evaluate
from metatap.offline.figures import Evaluation, Figure
from metatap.offline.judged import Judged, hold_against_labels
from metatap.offline.kept import open_kept
from metatap.offline.labels import (
    BENIGN,
    MALICIOUS,
    MAX_GROUPS,
    MAX_TEXTS,
    OTHER,
    FieldLabels,
    FileLabels,
    Label,
    LabelReader,
    Tally,
)
from metatap.offline.metrics import wilson
from metatap.offline.scoring import ScoredBatch, score_batches
from metatap.offline.stream import open_sources, read
from metatap.offline.tables import counted, document, notes, render


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return lab_rules()


def of_lab(rules: RuleSet, labels: Path = LABELS) -> tuple[Judged, Evaluation]:
    known = FileLabels(labels)
    batches = score_batches(open_sources([str(OFFICE)]), rules, Context(), 4096)
    judged = hold_against_labels(batches, rules, known)
    return judged, evaluate(judged, known.tally())


def of_log(rules: RuleSet, log: Path, **options: Any) -> Evaluation:
    labels = FieldLabels("label", "family", **options)
    batches = score_batches(open_kept([str(log)], labels.fields), rules, Context(), 4096)
    return evaluate(hold_against_labels(batches, rules, labels), labels.tally())


def drawn(seed: int, flows: int = 4000, hosts: int = 60) -> Judged:
    """Labelled flows with scores that tell them apart somewhat, alerts above 1."""
    rng = np.random.default_rng(seed)
    groups = (
        Label(BENIGN, "web"),
        Label(MALICIOUS, "scan"),
        Label(MALICIOUS, "worm"),
        Label(BENIGN, "dns"),
    )
    group = rng.choice(4, flows, p=[0.5, 0.15, 0.05, 0.3]).astype(np.int32)
    system = rng.normal(np.array([-1, 1, 2, -1])[group], 1).astype(np.float32)
    alerted = system >= 1
    alerts = np.array([[(alerted & (group == at)).sum()] for at in range(4)])
    host = rng.integers(0, hosts, flows).astype(np.int32)
    return Judged(("one",), groups, alerts, system, alerted, group, host, flows)


def figures(evaluation: Evaluation) -> list[Figure]:
    rows = [*evaluation.families, *([evaluation.total] if evaluation.total else [])]
    each = [figure for row in rows for figure in (row.recall, row.tpr, row.auprc)]
    return [*each, evaluation.precision, evaluation.f1, evaluation.false_per_10k]


def test_figures_of_the_lab_flow_by_flow(rules: RuleSet) -> None:
    """Counts, precision, recall, F1, AUPRC and TPR are those of a plain loop over the flows."""
    found = of_lab(rules)[1]
    lines = [line.split(",") for line in LABELS.read_text().splitlines()[1:]]
    truth = {line[0]: (line[1], line[2]) for line in lines}
    detector, packs = Detector(rules, Context()), len(rules.packs)
    system: dict[str, float] = {}
    hits: Counter[tuple[str, str, str]] = Counter()
    for batch in read(open_sources([str(OFFICE)])[0]):
        over = detector.detect(batch).scores[:, :packs] - rules.thresholds[:packs]
        for at in range(batch.rows):
            uid = str(to_row(batch, at)["uid"])
            system[uid] = float(over[at].max())
            for pack, by in zip(rules.packs, over[at], strict=True):
                hits[(pack.id, *truth[uid])] += bool(by >= 0)
    bad = {uid for uid in system if truth[uid][0] == MALICIOUS}
    good = system.keys() - bad
    alerted = {uid for uid in system if system[uid] >= 0}
    tp, fp = len(alerted & bad), len(alerted & good)
    assert found.total is not None
    assert (found.flows, found.malicious, found.benign) == (len(system), len(bad), len(good))
    assert found.precision.value == pytest.approx(tp / (tp + fp))
    assert found.total.recall.value == pytest.approx(tp / len(bad))
    assert found.f1.value == pytest.approx(2 * tp / (2 * tp + fp + len(bad) - tp))
    assert found.false_per_10k.value == pytest.approx(1e4 * fp / len(good))
    benign = sorted((system[uid] for uid in good), reverse=True)
    threshold = benign[len(benign) // 1000]
    assert [row.family for row in found.families] == sorted({truth[uid][1] for uid in bad})
    for row in found.families:
        own = [system[uid] for uid in bad if truth[uid][1] == row.family]
        assert row.flows == len(own)
        assert row.recall.value == pytest.approx(np.mean([score >= 0 for score in own]))
        assert row.tpr.value == pytest.approx(np.mean([score > threshold for score in own]))
        y = [1] * len(own) + [0] * len(benign)
        assert row.auprc.value == pytest.approx(average_precision_score(y, own + benign))
        each = {pack.id: hits[pack.id, MALICIOUS, row.family] for pack in rules.packs}
        assert row.best_flows == max(each.values())
    for line in found.packs:
        assert line.malicious == sum(
            n for (pack, label, _), n in hits.items() if (pack, label) == (line.pack, MALICIOUS)
        )
        assert line.alerts == line.malicious + line.benign + line.unknown
        top = [n for (pack, _, _), n in hits.most_common() if pack == line.pack and n][:3]
        assert [n for _, _, n in line.families] == top


def test_an_interval_holds_its_point(rules: RuleSet) -> None:
    """Every figure with an interval lies in it, and shares lie between 0 and 1."""
    evaluations = [of_lab(rules)[1], *(evaluate(drawn(seed), Tally()) for seed in range(3))]
    for evaluation in evaluations:
        for figure in figures(evaluation):
            if figure.interval is not None:
                assert figure.value is not None
                assert figure.low is not None
                assert figure.high is not None
                assert 0 <= figure.low <= figure.value <= figure.high
    assert any(figure.interval == "hosts" for figure in figures(evaluations[0]))


def test_permuted_labels_are_chance() -> None:
    """With labels dealt at random the TPR is near the FPR, the AUPRC near the prevalence."""
    judged = drawn(0, flows=20_000)
    group = np.random.default_rng(1).permutation(judged.group)
    dealt = Judged(
        judged.packs,
        judged.groups,
        judged.alerts,
        judged.system,
        judged.alerted,
        group,
        judged.host,
        judged.flows,
    )
    total, honest = evaluate(dealt, Tally()).total, evaluate(judged, Tally()).total
    assert total is not None
    assert honest is not None
    assert total.tpr.value is not None
    assert total.tpr.value < 0.005
    assert total.auprc.value == pytest.approx(0.2, abs=0.02)
    assert honest.auprc.value is not None
    assert honest.auprc.value > 0.7


def test_one_host_gives_wilson() -> None:
    """Where all flows are of one host the interval is Wilson's, and AUPRC has none."""
    judged = drawn(0)
    worm = judged.group == 2
    host = np.where(worm, 5, judged.host).astype(np.int32)
    one = Judged(
        judged.packs,
        judged.groups,
        judged.alerts,
        judged.system,
        judged.alerted,
        judged.group,
        host,
        judged.flows,
    )
    scan, other = evaluate(one, Tally()).families
    assert (scan.recall.interval, other.recall.interval) == ("hosts", "flows")
    assert (other.hosts, other.auprc.interval) == (1, None)
    assert other.auprc.value is not None


def test_hosts_that_agree_count_as_trials() -> None:
    """If every draw gives the same, Wilson's interval has as many trials as hosts, not flows."""
    judged = replace(drawn(0), alerted=np.ones(4000, np.bool_))
    found = evaluate(judged, Tally())
    scan, _ = found.families
    assert scan.flows > 2 * scan.hosts
    assert (scan.recall.value, scan.recall.interval) == (1.0, "hosts_alike")
    assert (scan.recall.low, scan.recall.high) == wilson(scan.hosts, scan.hosts)
    assert any(note.startswith("†") for note in notes(found))


def test_no_false_alert_is_judged_by_flows() -> None:
    """A share of hosts would say nothing of so rare an event: 0 of 8 hosts is no 32 %."""
    judged = drawn(0)
    is_benign = np.isin(judged.group, (0, 3))
    found = evaluate(replace(judged, alerted=~is_benign), Tally())
    benign = int(is_benign.sum())
    assert (found.false_per_10k.value, found.false_per_10k.interval) == (0.0, "flows")
    assert found.false_per_10k.high == pytest.approx(1e4 * wilson(0, benign)[1])


def by_file(
    rules: RuleSet, log: Path, lines: list[str], times: int = 1, head: str = "uid,label,family"
) -> Evaluation:
    """The log, read so many times, against the lines of a CSV."""
    path = log.with_name("labels.csv")
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    labels = FileLabels(path)
    batches = score_batches(open_sources([str(log)] * times), rules, Context(), 4096)
    return evaluate(hold_against_labels(batches, rules, labels), labels.tally())


def test_labels_without_a_flow_are_counted(rules: RuleSet, tmp_path: Path) -> None:
    """By family, or by the label where there is none; labels that have a flow are not."""
    log = write_conn(tmp_path / "conn.log", [conn_line(0), conn_line(1)])
    lines = ["C000000,malicious,scan", "X1,malicious,scan", "X2,malicious,scan", "X3,benign,"]
    found = by_file(rules, log, lines)
    assert found.unmatched == {"scan": 2, "benign": 1}
    assert (found.malicious, found.unknown, found.repeated) == (1, {"(none)": 1}, 0)


def test_uids_on_several_flows_are_counted(rules: RuleSet, tmp_path: Path) -> None:
    """A source given twice: each labelled uid is told, those without a label are not."""
    log = write_conn(tmp_path / "conn.log", [conn_line(at) for at in range(5)])
    found = by_file(rules, log, ["C000000,malicious,scan", "C000001,benign,"], times=2)
    assert (found.repeated, found.malicious, found.benign) == (2, 2, 2)


def test_partial_records_are_not_judged(rules: RuleSet) -> None:
    """An interim record has no label, no alert and makes its uid no repeated one."""
    batch = from_rows(
        [conn_line(0, partial=True), conn_line(0), conn_line(1), conn_line(2, partial=True)]
    )
    scored = ScoredBatch(
        open_sources([str(OFFICE)])[0],
        batch,
        np.tile(rules.thresholds[: len(rules.packs)], (4, 1)),
        np.ones((4, len(rules.packs)), np.bool_),
    )
    scored.source.close()
    labels = FileLabels(LABELS)
    labels._labels = {f"C00000{at}": (MALICIOUS, "scan") for at in range(3)}
    judged = hold_against_labels([scored], rules, labels)
    assert (judged.flows, judged.partial, len(judged.group)) == (4, 2, 2)
    assert judged.alerts.tolist() == [[2] * len(rules.packs)]
    assert labels.tally() == Tally(unmatched={"scan": 1})
    assert any("partial records: 2" in note for note in notes(evaluate(judged, labels.tally())))


def test_labels_are_read_without_spaces_and_mark(rules: RuleSet, tmp_path: Path) -> None:
    """A byte order mark and spaces around words are no part of them."""
    log = write_conn(tmp_path / "conn.log", [conn_line(0), conn_line(1)])
    lines = ["C000000 , malicious , scan ", "C000001,benign ,"]
    found = by_file(rules, log, lines, head="\ufeffuid,label,family")
    assert [(row.family, row.flows) for row in found.families] == [("scan", 1)]
    assert (found.benign, found.unmatched) == (1, {})


def test_fields_of_no_record_are_told(rules: RuleSet, tmp_path: Path) -> None:
    """A field that one record has is there."""
    log = write_conn(tmp_path / "conn.log", [conn_line(0), conn_line(1, label=" Benign ")])
    labels = FieldLabels("label", "family")
    batches = score_batches(open_kept([str(log)], labels.fields), rules, Context(), 4096)
    judged = hold_against_labels(batches, rules, labels)
    assert labels.tally().absent == ("family",)
    assert [judged.groups[at].label for at in judged.group] == [BENIGN]


def test_names_from_a_log_can_not_move_the_cursor(rules: RuleSet, tmp_path: Path) -> None:
    """Control characters are escaped, and what looks like markup is printed as it is."""
    odd = "[red]x\x1b[2J\u202e:smile:"
    records = [conn_line(0, label="malicious", family=odd), conn_line(1, label=odd)]
    found = of_log(rules, write_conn(tmp_path / "conn.log", records))
    file = io.StringIO()
    console = Console(file=file, width=200, highlight=False, markup=False, emoji=False)
    for part in render(found):
        console.print(part)
    assert file.getvalue().count("[red]x\\x1b[2J\\u202e:smile:") >= 2
    assert "\x1b" not in file.getvalue()


def test_many_names_are_cut() -> None:
    """The first eight are named, the others counted."""
    text = counted({f"n{at}": at + 1 for at in range(11)})
    assert text.startswith("n0 1, n1 2, ")
    assert text.endswith("n7 8, 3 more")


def test_labels_from_a_log(rules: RuleSet, tmp_path: Path) -> None:
    """The fields of a log count as the log says; other labels are left out and told."""
    records = labelled(1500)
    records += [conn_line(1500), conn_line(1501, label="Benign"), conn_line(1502, label="evil")]
    found = of_log(rules, write_conn(tmp_path / "conn.log", records))
    count = Counter(str(record.get("label")) for record in records)
    assert found.flows == 1503
    assert found.malicious == count["malicious"]
    assert found.benign == count["benign"] + 1
    assert found.unknown == {"unknown": count["unknown"], "(none)": 1, "evil": 1}
    families = Counter(r["family"] for r in records if r.get("label") == "malicious")
    assert {row.family: row.flows for row in found.families} == families
    assert any("left out" in note for note in notes(found))
    evil = of_log(rules, tmp_path / "conn.log", malicious="evil")
    assert [(row.family, row.flows) for row in evil.families] == [("(none)", 1)]


def test_hosts_are_of_one_capture(rules: RuleSet, tmp_path: Path) -> None:
    """The same address in two captures is two hosts."""
    records = [
        conn_line(at, capture=capture, label="benign", **{"id.orig_h": "192.0.2.1"})
        for capture in ("a", "b")
        for at in range(5)
    ]
    assert of_log(rules, write_conn(tmp_path / "conn.log", records)).hosts == 2


def test_benign_flows_only(rules: RuleSet, tmp_path: Path) -> None:
    """Without a threat there is a rate of false alerts and nothing else; few benign are told."""
    records = [conn_line(at, label="benign") for at in range(20)]
    found = of_log(rules, write_conn(tmp_path / "conn.log", records))
    assert found.total is None
    assert found.families == ()
    assert found.false_per_10k.value is not None
    assert found.at_highest_benign
    assert any("highest" in note for note in notes(found))


def test_threats_only(rules: RuleSet, tmp_path: Path) -> None:
    """Without benign flows neither TPR nor AUPRC is defined, recall is."""
    records = [conn_line(at, label="malicious", family="x") for at in range(20)]
    found = of_log(rules, write_conn(tmp_path / "conn.log", records))
    assert found.total is not None
    assert found.total.recall.value is not None
    assert found.total.tpr.value is None
    assert found.total.auprc.value is None
    assert found.false_per_10k.value is None


def test_the_machine_form_has_every_figure(rules: RuleSet) -> None:
    """JSON without NaN, with what the intervals rest on."""
    found = of_lab(rules)[1]
    text = json.loads(json.dumps(document(found), allow_nan=False))
    assert text["interval"] == {"level": 0.95, "unit": "host", "rounds": 1000, "seed": 0}
    assert text["total"]["recall"]["value"] == found.total.recall.value if found.total else None
    assert len(text["families"]) == len(found.families)


def test_bad_labels_are_named(tmp_path: Path) -> None:
    """A missing column and a uid with two labels are errors with file and line."""
    path = tmp_path / "labels.csv"
    path.write_text("uid,family\nC1,x\n")
    with pytest.raises(MetatapError, match=r"labels\.csv:1: no column label"):
        FileLabels(path)
    path.write_text("uid,label\nC1,benign\nC1,malicious\n")
    with pytest.raises(MetatapError, match=r"labels\.csv:3: C1"):
        FileLabels(path)


def test_label_lines_that_say_nothing_of_a_flow_are_named(tmp_path: Path) -> None:
    """A label without a uid, or with a field too many, is not passed over; an empty line is."""
    path = tmp_path / "labels.csv"
    path.write_text("uid,label\nC1,benign\n,malicious\n")
    with pytest.raises(MetatapError, match=r"labels\.csv:3: a label without a uid"):
        FileLabels(path)
    path.write_text("uid,label,family\nC1,malicious,scan, slow\n")
    with pytest.raises(MetatapError, match=r"labels\.csv:2: more fields than columns"):
        FileLabels(path)
    path.write_text("uid,label\nC1,benign\n,\n\n")
    assert len(FileLabels(path)) == 1


def test_labels_that_are_others_for_each_flow_do_not_pile_up(tmp_path: Path) -> None:
    """Texts beyond a bound are counted as one; as many families are an error."""
    log = write_conn(
        tmp_path / "conn.log",
        [conn_line(at, label=f"other {at}") for at in range(MAX_TEXTS + 50)],
    )
    labels = FieldLabels("label", None)
    for source in open_kept([str(log)], labels.fields):
        for batch in read(source):
            labels.of(source, batch, np.arange(batch.rows))
    unknown = labels.tally().unknown
    assert len(unknown) == MAX_TEXTS + 1
    assert unknown[OTHER] == 50
    reader = LabelReader(MALICIOUS)
    for at in range(MAX_GROUPS):
        reader.read("malicious", f"family {at}")
    reader.read("malicious", "family 0")
    with pytest.raises(MetatapError, match="more than 10,000 different families, new"):
        reader.read("malicious", "new")


def test_a_recording_has_no_fields() -> None:
    """Labels from a field need a log; the error says what else there is."""
    with pytest.raises(SourceError, match="not a log"):
        open_kept([str(OFFICE)], ("label",))
    with pytest.raises(SourceError, match="live"):
        open_kept(["zeek+tcp://127.0.0.1:5555"], ("label",))


def test_files_with_labels_are_looked_for_once(tmp_path: Path) -> None:
    """What a source says as it looks for its files, it says once; of a folder, of a file."""
    log = write_conn(tmp_path / "conn.log", [conn_line(1)])
    (tmp_path / "conn.log.zst").write_bytes(b"")
    for place, event in ((tmp_path, "logs_not_read"), (log, "logs_beside")):
        with capture_logs() as logs:
            (source,) = open_kept([str(place)], ("uid",))
            assert sum(batch.rows for batch in read(source)) == 1
        assert [entry["event"] for entry in logs] == [event]


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It is not called a recording."""
    with pytest.raises(SourceError, match=r"conn\.log: no such file"):
        open_kept([str(tmp_path / "conn.log")], ("label",))
