"""`metatap teach`, run as a user runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.agent.commands import Done, metatap

from metatap.context import Context
from metatap.demo import read_labels
from metatap.offline.stream import flows, open_sources
from metatap.offline.uids import uid_texts
from metatap.packs import Severity, load_pack

LAB = Path(__file__).parents[2] / "data" / "lab"
OFFICE = LAB / "office.mtrec"


def teach(*words: str | Path, text: str = "", **variables: str) -> Done:
    return metatap("teach", *words, cwd=None, text=text, **variables)


@pytest.fixture(scope="module")
def guesses() -> list[str]:
    labels = read_labels(LAB / "office.labels.csv")
    return [uid for uid, label in labels.items() if label.family == "ssh_bruteforce"]


def test_a_pack_from_five_uids(guesses: list[str], tmp_path: Path) -> None:
    """The pack says what the options said, and each flow's context is what `Context` gives."""
    out = tmp_path / "ssh.yaml"
    about = ["--name", "Guessing", "--severity", "high", "--attack", "T1110.001", "--author", "me"]
    about += ["--reference", "https://example.org/a", "--description", "Passwords: guessed."]
    uids = guesses[1:6]
    done = teach(
        "--id", "ssh-guess", *about, "--from", OFFICE, "--uid", ",".join(uids), "--out", out
    )
    assert done.returncode == 0, done.stderr
    total = len(read_labels(LAB / "office.labels.csv"))
    assert f"5 flows of {total:,}, threshold" in done.stdout
    assert all(uid in done.stdout for uid in uids)
    pack = load_pack(out)
    assert (pack.id, pack.name, pack.author) == ("ssh-guess", "Guessing", "me")
    assert (pack.severity, pack.attack) == (Severity.HIGH, ("T1110.001",))
    assert (pack.references, pack.description) == (
        ("https://example.org/a",),
        "Passwords: guessed.",
    )
    assert uid_texts(pack.flows) == uids
    known = {
        uid: context[row]
        for batch, context in flows(open_sources([str(OFFICE)]), Context())
        for row, uid in enumerate(uid_texts(batch))
        if uid in uids
    }
    assert pack.context is not None
    np.testing.assert_allclose(pack.context, [known[uid] for uid in uids], rtol=5.1e-5, atol=1e-6)
    assert not np.isnan(pack.context).all(axis=1).any()


def test_uids_from_standard_input_and_counter_examples(guesses: list[str], tmp_path: Path) -> None:
    """`--uid-file -` reads a list with comments; a name is made of the id."""
    out = tmp_path / "ssh.yaml"
    words = ("--id", "ssh-guess", "--from", OFFICE, "--not-like", guesses[0], "--out", out)
    text = "# picked by hand\n" + "\n".join(guesses[1:5])
    done = teach(*words, "--uid-file", "-", text=text)
    assert done.returncode == 0, done.stderr
    pack = load_pack(out)
    assert pack.name == "Ssh guess"
    assert uid_texts(pack.flows) == guesses[1:5]
    assert pack.not_like is not None
    assert uid_texts(pack.not_like) == guesses[:1]
    assert "4 flows and 1 counter-example of" in done.stdout


def test_a_contradiction_is_a_warning_and_with_strict_an_error(
    guesses: list[str], tmp_path: Path
) -> None:
    """The flow is named with its score and what sets it apart; with --strict nothing is written."""
    labels = read_labels(LAB / "office.labels.csv")
    odd = next(uid for uid, label in labels.items() if label.family == "dns_tunnel")
    uids = ",".join([*guesses[1:6], odd])
    words = ("--id", "ssh-guess", "--from", OFFICE, "--uid", uids)
    done = teach(*words, "--out", tmp_path / "a.yaml")
    assert done.returncode == 0
    assert f"uid {odd} contradicts the others: score" in done.stderr
    assert "what sets it apart: " in done.stderr
    strict = teach(*words, "--out", tmp_path / "b.yaml", "--strict")
    assert strict.returncode == 1
    assert "b.yaml: not written" in strict.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]
    assert teach(*words, "--out", tmp_path / "b.yaml", "--strict", "--anyway").returncode == 2


def test_a_pack_the_agent_would_refuse_is_not_written(guesses: list[str], tmp_path: Path) -> None:
    """Flows that do not recognise each other: status 1, an old file stands, but with --anyway."""
    labels = read_labels(LAB / "office.labels.csv")
    kinds = {label.family: uid for uid, label in labels.items() if label.family}
    out = tmp_path / "a.yaml"
    out.write_text("old")
    uids = ",".join([guesses[1], *list(kinds.values())[:4]])
    other = ("--not-like", ",".join(guesses[2:8]))
    words = ("--id", "mixed", "--from", OFFICE, "--uid", uids, *other, "--out", out, "--force")
    done = teach(*words)
    assert done.returncode == 1
    assert "the agent would refuse this pack" in done.stderr
    assert done.stdout.startswith("not written: 5 flows")
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_text() == "old"
    assert teach(*words, "--anyway").returncode == 0
    assert load_pack(out).flows.rows == 5


def test_the_configuration_counts(guesses: list[str], tmp_path: Path) -> None:
    """The rate moves the threshold, by option or environment; a wrong variable is an error."""
    words = ("--id", "ssh-guess", "--from", OFFICE, "--uid", ",".join(guesses[1:4]))
    found = []
    for at, (rest, value) in enumerate((((), ""), (("--rate", "0.1"), ""), ((), "0.1"))):
        known = {"METATAP_DETECTOR__FALSE_POSITIVE_RATE": value} if value else {}
        done = teach(*words, "--out", tmp_path / f"{at}.yaml", *rest, **known)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.splitlines()[0].partition("threshold ")[2])
    assert found[1] == found[2] != found[0]
    known = {"METATAP_DETECTOR__CONTEXT_ENTRIES": "many"}
    done = teach(*words, "--out", tmp_path / "x.yaml", **known)
    assert (done.returncode, "METATAP_DETECTOR__CONTEXT_ENTRIES" in done.stderr) == (1, True)


def test_one_flow_can_not_be_held_out(guesses: list[str], tmp_path: Path) -> None:
    """A pack of one flow is written, and nothing is claimed of it."""
    words = ("--id", "ssh-guess", "--from", OFFICE, "--uid", guesses[1])
    done = teach(*words, "--out", tmp_path / "a.yaml", "--strict")
    assert done.returncode == 0, done.stderr
    assert "nothing can be held out" in done.stdout
    assert "contradicts" not in done.stderr


def test_errors_name_what_is_wrong_and_write_nothing(guesses: list[str], tmp_path: Path) -> None:
    """Unknown uids, a bad id, a live source, an existing file: status 1, no traceback, no file."""
    there = tmp_path / "there.yaml"
    there.write_text("mine")
    good = ("--id", "ssh-guess", "--from", OFFICE)
    new = tmp_path / "new.yaml"
    for words, fault in (
        ((*good, "--uid", f"{guesses[0]},Cx,Cy", "--out", new), "uid Cx, Cy"),
        ((*good, "--out", new), "no uid is given"),
        (("--id", "SSH", "--from", OFFICE, "--uid", "C1", "--out", new), "id: SSH: must be"),
        ((*good, "--from", "zeek+tcp://x:1", "--uid", "C1", "--out", new), "live source"),
        ((*good, "--uid", guesses[0], "--out", there), "there.yaml: exists; --force"),
        ((*good, "--uid", "C1", "--not-like", "C1", "--out", new), "counter-example: uid C1"),
        ((*good, "--uid", "C1", "--name", "a\udcff", "--out", new), "name: is not UTF-8"),
        ((*good, "--uid-file", "-", "--not-like", "-", "--out", new), "only once"),
        ((*good, "--uid", "C1", "--not-like", "no.txt", "--out", new), "no.txt: no such file"),
    ):
        done = teach(*words)
        assert done.returncode == 1
        assert fault in done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [there]
    assert there.read_text() == "mine"
    assert teach(*good, "--uid", guesses[1], "--out", there, "--force").returncode == 0
    assert load_pack(there).flows.rows == 1
