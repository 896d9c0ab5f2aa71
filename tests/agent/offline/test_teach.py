"""metatap.offline.teach and its parts: from uids to a pack."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tests.agent.sources.logs.samples import conn

from metatap.context import Context
from metatap.demo import Labels, read_labels
from metatap.detector import Model, RuleSet, shipped_model
from metatap.errors import ModelError, TeachError
from metatap.flow import FlowBatch, from_rows
from metatap.offline.stream import flows, open_sources
from metatap.offline.teach import Lesson, check_lesson, check_out, draft_pack, make_pack
from metatap.offline.teach_check import hold_out
from metatap.offline.teach_pick import FloatArray, pick
from metatap.offline.teach_uids import check_stdin, read_uids, split_uids, uids_or_file
from metatap.offline.uids import uid_texts
from metatap.packs import Severity, load_pack

DATA = Path(__file__).parents[2] / "data" / "lab"
RATE = 1e-4

LESSON = Lesson(
    id="ssh-guess",
    name="SSH guessing",
    description="",
    author="",
    created=date(2026, 11, 24),
    severity=Severity.HIGH,
    attack=("T1110.001",),
    references=(),
    uids=("C1",),
)


@pytest.fixture(scope="module")
def labels() -> Labels:
    return read_labels(DATA / "office.labels.csv")


@pytest.fixture(scope="module")
def lab() -> list[tuple[FlowBatch, FloatArray]]:
    return list(flows(open_sources([str(DATA / "office.mtrec")]), Context()))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(shipped_model())


@pytest.fixture(scope="module")
def guesses(lab: list[tuple[FlowBatch, FloatArray]], labels: Labels) -> list[str]:
    """Uids of SSH brute force whose attempts were counted, in the order of the recording."""
    found = []
    for batch, _ in lab:
        tries = batch.numeric("ssh.auth_attempts")
        for row, uid in enumerate(uid_texts(batch)):
            if labels[uid].family == "ssh_bruteforce" and tries is not None and tries.values[row]:
                found.append(uid)
    return found


def test_uids_are_split_and_each_is_taken_once(tmp_path: Path) -> None:
    """Commas, spaces, comments and a file's blank lines; the order is kept."""
    assert split_uids(["C2,C1", "C1 C3,"]) == ["C2", "C1", "C3"]
    path = tmp_path / "uids"
    path.write_text("\ufeffC2 # the first\n\n# none\nC1\r\nC2\n")
    assert read_uids(str(path)) == ["C2", "C1"]
    assert uids_or_file([str(path), "C9,C8"]) == ["C2", "C1", "C9", "C8"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"C1\nC2 C3\n", ":2: 2 words, one uid a line"),
        (b"\xff\xfe", "not UTF-8"),
        (b"# none yet\n\n", "has no uid"),
        (b"#" * (2**20 + 1), "at most 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_list_is_an_error(tmp_path: Path, content: bytes, fault: str) -> None:
    """A file of something else is refused with its name, and so is one that is not there."""
    path = tmp_path / "uids"
    path.write_bytes(content)
    with pytest.raises(TeachError, match=fault) as caught:
        read_uids(str(path))
    assert str(path) in str(caught.value)
    with pytest.raises(TeachError, match="can't be read"):
        read_uids(str(tmp_path / "none"))


def test_a_list_of_uids_is_no_file_name() -> None:
    """With a comma or longer than a file's name it is a list, whatever the words look like."""
    many = " ".join(f"C{at:017d}" for at in range(64))
    assert len(uids_or_file([many])) == 64
    assert uids_or_file(["a/b,c.txt", "C1"]) == ["a/b", "c.txt", "C1"]
    assert uids_or_file(["C\x00"]) == ["C\x00"]


@pytest.mark.parametrize("name", ["folder/uids", "uids.txt", "uids.csv", "/"])
def test_a_file_of_uids_that_is_not_there_is_an_error(name: str) -> None:
    """A path is not taken for a uid."""
    with pytest.raises(TeachError, match=f"^{name}: no such file"):
        uids_or_file([name])


def test_standard_input_is_read_once() -> None:
    """Asked for twice it would be empty the second time."""
    check_stdin(["-", "C1", None])
    with pytest.raises(TeachError, match="only once"):
        check_stdin(["-", "C1", "-"])


def test_flows_are_picked_in_the_order_asked_for(lab: list[tuple[FlowBatch, FloatArray]]) -> None:
    """Whatever their order in the source, each with the context it had there."""
    known = {
        uid: context[row] for batch, context in lab for row, uid in enumerate(uid_texts(batch))
    }
    uids = [list(known)[at] for at in (3000, 7, 1500)]
    picked = pick(lab, uids)
    assert uid_texts(picked.flows) == uids
    assert picked.seen == len(known)
    np.testing.assert_array_equal(picked.context, [known[uid] for uid in uids])


def test_all_unknown_uids_are_named(lab: list[tuple[FlowBatch, FloatArray]]) -> None:
    """The error names each, and how many flows there were."""
    total = sum(batch.rows for batch, _ in lab)
    with pytest.raises(TeachError) as caught:
        pick(lab, ["Cx", *uid_texts(lab[0][0])[:1], "Cy"])
    assert str(caught.value) == f"not among the {total:,} flows of the source: uid Cx, Cy"


def _partials() -> list[tuple[FlowBatch, FloatArray]]:
    rows = [
        {"ts": 1.0, "uid": "C1", "partial": True, "orig_pkts": 5},
        {"ts": 1.0, "uid": "C2", "partial": True, "orig_pkts": 5},
        {"ts": 1.0, "uid": "C1", "partial": False, "orig_pkts": 9},
    ]
    return [(from_rows(rows), np.array([[np.nan], [np.nan], [1.0]], np.float32))]


def test_the_final_record_is_taken_not_the_partial_one() -> None:
    """Of a long connection with partial records, the flow is what it was in the end."""
    picked = pick(_partials(), ["C1"])
    packets = picked.flows.numeric("orig_pkts")
    assert packets is not None
    assert packets.values.tolist() == [9]
    assert picked.context.tolist() == [[1.0]]
    assert picked.repeated == {}


def test_a_uid_that_is_only_partial_is_told_apart() -> None:
    """The error says that the connection had not ended, which an unknown uid's does not."""
    with pytest.raises(TeachError) as caught:
        pick(_partials(), ["C2", "C3"])
    unknown, early = str(caught.value).splitlines()
    assert unknown.endswith("uid C3")
    assert early == "only a partial record of a connection that had not ended: uid C2"


def test_of_a_repeated_uid_the_first_flow_is_taken(tmp_path: Path) -> None:
    """Two captures with one uid: the first flow, and both captures are named."""
    lines = [conn(1, uid="C1", capture="monday"), conn(2, uid="C1", capture="tuesday")]
    (tmp_path / "conn.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    picked = pick(flows(open_sources([str(tmp_path)]), Context()), ["C1"])
    start = picked.flows.numeric("orig_bytes")
    assert start is not None
    assert start.values.tolist() == [1]
    assert picked.repeated == {"C1": ["monday", "tuesday"]}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": "SSH"}, "id: SSH: must be 3 to 64 of a-z, 0-9 and -"),
        ({"name": ""}, "name: missing"),
        ({"name": "a\nb"}, "name: must be one line"),
        ({"attack": ("T1",)}, "attack: T1: must be an ATT&CK technique"),
        ({"references": ("ftp://x",)}, "references: ftp://x: must be an http or https URL"),
        ({"author": "\x1b[31m"}, "author: has characters that can't be printed"),
        ({"description": "\ud800"}, "description: is not UTF-8"),
        ({"name": "a\udcff"}, "name: is not UTF-8"),
        ({"references": ("http://a/\udcff",)}, "reference: is not UTF-8"),
        ({"uids": ()}, "no uid is given"),
        ({"uids": tuple(f"C{at}" for at in range(65))}, "65 uids of support flows, at most 64"),
        ({"not_like": tuple(f"D{at}" for at in range(65))}, "65 uids of counter-examples, at most"),
        ({"not_like": ("C2", "C1")}, "given as support flow and as counter-example: uid C1"),
    ],
)
def test_what_can_not_become_a_pack_is_told_before_reading(
    changes: dict[str, object], fault: str
) -> None:
    """Each fault in the words of the option it came from."""
    check_lesson(LESSON)
    with pytest.raises(TeachError) as caught:
        check_lesson(replace(LESSON, **changes))  # type: ignore[arg-type]
    assert fault in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    """Three mistakes are three lines."""
    with pytest.raises(TeachError) as caught:
        check_lesson(replace(LESSON, id="X", attack=("T1",), not_like=("C1",)))
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("name", ["a.txt", ".a.yaml", "none/a.yaml", "folder.yaml", "there.yaml"])
def test_a_file_that_should_not_be_written_is_refused(tmp_path: Path, name: str) -> None:
    """A name the agent would not read, no folder, a folder, a file that exists."""
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "there.yaml").write_text("")
    with pytest.raises(TeachError, match=name):
        check_out(tmp_path / name, force=False)
    check_out(tmp_path / "there.yaml", force=True)
    check_out(tmp_path / "new.yaml", force=False)


def test_a_pack_that_would_not_load_leaves_nothing_behind(tmp_path: Path) -> None:
    """A fault found when the pack is read back: the old file stands, no other remains."""
    out = tmp_path / "a.yaml"
    out.write_text("old")
    pack = LESSON.pack(from_rows([{"uid": "C1"}]))
    with (
        pytest.raises(TeachError, match=r"^id: NO: must be"),
        draft_pack(replace(pack, id="NO"), out),
    ):
        pytest.fail("it was read back")
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_draft_that_is_not_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither if it is refused nor if the model fails on it; kept, it replaces the old file."""
    out = tmp_path / "a.yaml"
    out.write_text("old")
    pack = LESSON.pack(from_rows([{"uid": "C1"}]))
    with draft_pack(pack, out) as draft:
        assert draft.pack.path == out
        assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ModelError), draft_pack(pack, out):
        raise ModelError("no head")
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_text() == "old"
    with draft_pack(pack, out) as draft:
        draft.keep()
    assert list(tmp_path.iterdir()) == [out]
    assert load_pack(out).sha256 == draft.pack.sha256


def test_a_pack_of_five_flows_is_in_force(
    lab: list[tuple[FlowBatch, FloatArray]], model: Model, guesses: list[str], tmp_path: Path
) -> None:
    """Taught from five flows with counter-examples, written and loaded: the agent takes it."""
    own = tuple(guesses[:5])
    other = tuple(uid for uid in uid_texts(lab[0][0]) if uid not in guesses)[:2]
    pack, picked = make_pack(replace(LESSON, uids=own, not_like=other), lab)
    with draft_pack(pack, tmp_path / "a.yaml") as draft:
        draft.keep()
    loaded = load_pack(tmp_path / "a.yaml")
    assert draft.pack.sha256 == loaded.sha256
    assert uid_texts(loaded.flows) == list(own)
    assert loaded.not_like is not None
    assert uid_texts(loaded.not_like) == list(other)
    for got, known in (
        (loaded.context, picked.context[:5]),
        (loaded.not_like_context, picked.context[5:]),
    ):
        assert got is not None
        np.testing.assert_allclose(got, known, rtol=5.1e-5, atol=1e-6)
    verdict = hold_out(model, loaded, RATE)
    rules = RuleSet.build(model, [loaded], RATE)
    assert verdict.in_force
    assert not rules.refused
    assert verdict.threshold == pytest.approx(float(rules.thresholds[0]))


def test_a_flow_that_contradicts_the_others_is_named(
    lab: list[tuple[FlowBatch, FloatArray]], model: Model, guesses: list[str], labels: Labels
) -> None:
    """A DNS tunnel's flow among password guesses is below the threshold, and words say why."""
    odd = next(uid for uid, label in labels.items() if label.family == "dns_tunnel")
    pack, _ = make_pack(replace(LESSON, uids=(*guesses[:5], odd)), lab)
    verdict = hold_out(model, pack, RATE)
    (flow,) = (flow for flow in verdict.contradictions if flow.uid == odd)
    assert flow.score < verdict.threshold
    assert 1 <= len(flow.differences) <= 3
    assert all("(others " in words for words in flow.differences)
    assert verdict.in_force


def test_flows_that_have_nothing_in_common_are_no_pack(
    lab: list[tuple[FlowBatch, FloatArray]], model: Model, guesses: list[str]
) -> None:
    """A pack held against its own flows is not in force: the agent would refuse it."""
    pack, _ = make_pack(replace(LESSON, uids=tuple(guesses[:4])), lab)
    useless = replace(pack, not_like=pack.flows, not_like_context=pack.context)
    assert not hold_out(model, useless, RATE).in_force


def test_of_one_flow_nothing_can_be_said(
    lab: list[tuple[FlowBatch, FloatArray]], model: Model, guesses: list[str]
) -> None:
    """There are no others it could contradict."""
    pack, _ = make_pack(replace(LESSON, uids=(guesses[0],)), lab)
    verdict = hold_out(model, pack, RATE)
    assert len(verdict.flows) == 1
    assert verdict.contradictions == ()
