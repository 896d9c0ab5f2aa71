"""`metatap explain`, `feedback` and `teach --alert`, run as a user runs them beside an agent."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.agent.commands import metatap

from metatap.alerts import Aggregator, Alert, AlertKind, encode_ecs
from metatap.context import Context
from metatap.detector import Detector, Model, RuleSet, make_ready, shipped_model
from metatap.features import encode
from metatap.offline.past import examples_of
from metatap.offline.stream import open_sources, read
from metatap.offline.uids import uid_texts
from metatap.packs import load_folder, load_pack
from metatap.runtime.shipped import shipped_packs
from metatap.state.history import AlertHistory

LAB = Path(__file__).parents[2] / "data" / "lab"
OFFICE = LAB / "office.mtrec"
RATE = 1e-4


@dataclass(frozen=True)
class Site:
    """What an agent left behind: its alerts in a history and in a file.

    Attributes:
        state: Folder of its state.
        file: Its alerts.
        opened: Pack → an alert of it whose flow is no example of the pack.
    """

    state: Path
    file: Path
    opened: dict[str, Alert]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The office's recording, scored with the starter packs."""
    folder = tmp_path_factory.mktemp("site")
    packs, _ = load_folder(shipped_packs())
    rules = RuleSet.build(Model(shipped_model()), packs, RATE)
    detector, aggregator = Detector(rules, Context(1 << 16)), Aggregator("tap-1")
    history = AlertHistory.open(folder / "state")
    alerts: list[Alert] = []
    for batch in read(open_sources([str(OFFICE)])[0]):
        found = detector.detect(batch)
        rows = {uid: row for row, uid in enumerate(uid_texts(batch))}
        for alert in aggregator.add(found):
            features = found.features[rows[str(alert.flow.get("uid"))]].copy()
            alerts.append(replace(alert, features=features))
    history.add(alerts, [encode_ecs(alert) for alert in alerts])
    history.close()
    alerts += aggregator.flush()
    (folder / "alerts.jsonl").write_bytes(b"".join(encode_ecs(a) + b"\n" for a in alerts))
    uids = {pack.id: set(uid_texts(pack.flows)) for pack in packs}
    opened = {
        alert.rule.id: alert
        for alert in alerts
        if alert.kind is AlertKind.OPENED and alert.flow["uid"] not in uids[alert.rule.id]
    }
    return Site(folder / "state", folder / "alerts.jsonl", opened)


def test_an_alert_is_explained_from_history_and_file(site: Site) -> None:
    """The same text; with --json the same as an object, all of it."""
    alert = site.opened["ssh-bruteforce"]
    there = metatap("explain", alert.id[:8], "--state", site.state)
    assert there.returncode == 0, there.stderr
    sentence = there.stdout.splitlines()[0]
    assert sentence.startswith(f"SSH brute force: {alert.orig} → {alert.resp}:22 (ssh); ")
    assert " 1 in 2,043 flows of the model's background score as high; most like " in sentence
    assert "; to check: whether a login succeeded" in sentence
    assert f'uid == "{alert.flow["uid"]}"' in there.stdout
    here = metatap("explain", alert.id[:8], "--alert-file", site.file)
    assert here.stdout == there.stdout
    variable = metatap("explain", alert.event_id, METATAP_STATE=str(site.state))
    assert variable.stdout == there.stdout
    whole = json.loads(metatap("explain", alert.id, "--state", site.state, "--json").stdout)
    assert whole["sentence"] == sentence
    values = {pair["field"]: pair for pair in whole["values"]}
    assert values["id.orig_h"]["flow"] == alert.orig
    assert values["service"] == {"field": "service", "flow": "ssh", "example": "ssh"}
    assert whole["over"] == pytest.approx(alert.score - alert.threshold)


def test_what_can_not_be_explained_is_told(site: Site, tmp_path: Path) -> None:
    """No history, no such alert: status 1 and one line."""
    for words, fault in (
        (("explain", "ffffffff", "--state", site.state), "no such alert"),
        (("explain", "ffffffff", "--state", tmp_path), "no agent has kept alerts there"),
        (("explain", "ffffffff"), "name the agent's folder with --state"),
        (("feedback", "ffffffff", "--verdict", "true"), "name the agent's folder with --state"),
    ):
        done = metatap(*words)
        assert done.returncode == 1
        assert fault in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_false_alarm_is_marked_and_goes(site: Site, tmp_path: Path) -> None:
    """The verdict is kept; the command shown writes the flow into the pack: it scores below."""
    alert = site.opened["ssh-bruteforce"]
    packs = tmp_path / "packs"
    shutil.copytree(shipped_packs(), packs)
    words = ("feedback", alert.id[:8], "--verdict", "false", "--note", "our own audit")
    done = metatap(*words, "--state", site.state, "--packs", packs)
    assert done.returncode == 0, done.stderr
    path = packs / "ssh-bruteforce.yaml"
    before = path.read_text()
    offered = done.stdout.splitlines()[-1].strip()
    assert offered.endswith("--apply")
    applied = metatap(*shlex.split(offered)[1:])
    assert applied.returncode == 0, applied.stderr
    assert before in path.read_text()
    assert "under the threshold" in applied.stdout
    judged = metatap("explain", alert.id, "--state", site.state)
    assert "judged false on " in judged.stdout
    assert ": our own audit" in judged.stdout
    pack = load_pack(path)
    assert pack.not_like is not None
    assert uid_texts(pack.not_like)[-1] == alert.flow["uid"]
    model = Model(shipped_model())
    ready = make_ready(model, pack, RATE)
    history = AlertHistory.look(site.state)
    example = examples_of([history.find(alert.id)])
    history.close()
    features = model.select(encode(example.flows, example.context))
    assert model.score(features, model.stack([ready.head]))[0][0, 0] < ready.threshold
    again = metatap(*words, "--state", site.state, "--packs", packs, "--apply")
    assert again.returncode == 1
    assert "counter-example of pack ssh-bruteforce already" in again.stderr


def test_a_pack_of_the_package_is_copied_first(site: Site, tmp_path: Path) -> None:
    """It is never changed where it is; --into copies it, and changes the copy the next time."""
    alert = site.opened["port-scan"]
    words = ("feedback", alert.id, "--verdict", "false", "--state", site.state, "--anyway")
    shipped = (shipped_packs() / "port-scan.yaml").read_bytes()
    refused = metatap(*words, "--apply")
    assert refused.returncode == 1
    assert "comes with the agent, so it is not changed; --into FOLDER" in refused.stderr
    done = metatap(*words, "--into", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["port-scan.yaml"]
    assert load_pack(tmp_path / "port-scan.yaml").not_like is not None
    assert (shipped_packs() / "port-scan.yaml").read_bytes() == shipped
    assert "already" in metatap(*words, "--into", tmp_path).stderr


def test_a_true_alert_changes_no_pack(site: Site) -> None:
    """The verdict is kept and nothing offered; wrong use is status 2."""
    words = ("feedback", site.opened["port-scan"].id, "--verdict", "true", "--state", site.state)
    done = metatap(*words)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert metatap(*words, "--apply").returncode == 2


def test_a_pack_of_a_query_and_an_alert(site: Site, tmp_path: Path) -> None:
    """A diverse few of what the query finds, said how many; the alert brings its context along."""
    alert = site.opened["ssh-bruteforce"]
    out = tmp_path / "a.yaml"
    done = metatap(
        *("teach", "--id", "ssh-guess", "--from", OFFICE, "--out", out, "--most", "9"),
        *("--where", f'service == "ssh" and id.orig_h == {alert.orig}', "--alert", alert.id[:10]),
        *("--not-like-where", 'service == "dns" and dns.queries > 50', "--state", site.state),
    )
    assert done.returncode == 0, done.stderr
    assert "flows found, 8 unlike each other taken: service ==" in done.stdout
    pack = load_pack(out)
    assert pack.flows.rows == 9
    assert uid_texts(pack.flows)[0] == alert.flow["uid"]
    assert pack.context is not None
    assert not any(bool((row != row).all()) for row in pack.context)  # noqa: PLR0124 - NaN
    assert pack.not_like is not None


def test_a_pack_of_alerts_of_a_file(site: Site, tmp_path: Path) -> None:
    """No source is read; a line holds no context, which is said."""
    out = tmp_path / "a.yaml"
    words = ("teach", "--id", "ssh-guess", "--out", out, "--alert-file", site.file)
    alert = site.opened["ssh-bruteforce"]
    done = metatap(*words, "--alert", alert.id)
    assert done.returncode == 0, done.stderr
    assert f"without context, since it is not known: {alert.flow['uid']}" in done.stdout
    assert metatap(*words[:-2], "--uid", "C1").returncode == 2


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("service = 'dns'", "query, column 9: =: write == to compare"),
        ("uid == 'C'", "no flow of 3,930 matches: uid == 'C'"),
    ],
)
def test_a_query_that_is_none_is_told(tmp_path: Path, query: str, fault: str) -> None:
    """With its column; one that finds nothing likewise; nothing is written."""
    out = tmp_path / "a.yaml"
    done = metatap("teach", "--id", "some", "--from", OFFICE, "--out", out, "--where", query)
    assert done.returncode == 1
    assert fault in done.stderr
    assert not out.exists()
