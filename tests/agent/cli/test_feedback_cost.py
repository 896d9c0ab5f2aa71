"""`metatap feedback` on a pack that one counter-example would destroy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.agent.commands import metatap

from metatap.alerts import Aggregator, Alert, AlertKind, encode_ecs
from metatap.context import Context
from metatap.demo import read_labels
from metatap.detector import Detector, Model, RuleSet, shipped_model
from metatap.offline.stream import open_sources, read
from metatap.offline.uids import uid_texts
from metatap.packs import load_pack
from metatap.state.history import AlertHistory

ROOT = Path(__file__).parents[3]
OFFICE = ROOT / "tests" / "data" / "lab" / "office-logs"
DATA = ROOT / "agent" / "metatap" / "demo" / "data"
BRANCH = DATA / "branch.mtrec"

UIDS = (
    "CHfZiA4eInJoCk97qg,CoMLU848EO94bjDxc1,CCcG7Eqz04mNimmY5,CaMKl82Fb4zPvmJnKi,CyykSD3FkoG0vN9mie"
)
"""Five flows of an implant in the office; the pack of them errs on the branch's web shop."""

GUESSER = (
    "C4Jeffv3AN5ndgPqd,CIjrAq3hFmZoAym0v,CfSO2giFQ9JFrrFY7,C9ytBDoJTbAQA1iNk,CpgVLH2r5cNJJ9eYwb"
)
"""Five flows of a password guesser in the office; in the branch its first flow tries none."""


@dataclass(frozen=True)
class Site:
    """A pack, and what an agent with it left behind.

    Attributes:
        folder: `packs/beacon.yaml`; `state`, its history.
        true: Alerts on the implant, in the order they were raised.
        false: Alerts on the web shop.
    """

    folder: Path
    true: list[str]
    false: list[str]

    @property
    def pack(self) -> Path:
        return self.folder / "packs" / "beacon.yaml"

    @property
    def options(self) -> tuple[str | Path, ...]:
        """What says where it is."""
        return "--state", self.folder / "state", "--packs", self.folder / "packs"


def make(folder: Path, uids: str, window: float) -> Site:
    """The branch's recording scored with a pack of flows of the office.

    Args:
        folder: Where the site is made.
        uids: The flows.
        window: Length of a window of alerts, seconds.
    """
    (folder / "packs").mkdir()
    path = folder / "packs" / "beacon.yaml"
    done = metatap("teach", "--id", "beacon", "--from", OFFICE, "--uid", uids, "--out", path)
    assert done.returncode == 0, done.stderr
    rules = RuleSet.build(Model(shipped_model()), [load_pack(path)], 1e-4)
    detector, aggregator = Detector(rules, Context(1 << 16)), Aggregator("tap-1", window=window)
    opened: list[Alert] = []
    for batch in read(open_sources([str(BRANCH)])[0]):
        found = detector.detect(batch)
        rows = {uid: row for row, uid in enumerate(uid_texts(batch))}
        for alert in aggregator.add(found):
            if alert.kind is AlertKind.OPENED:
                features = found.features[rows[str(alert.flow.get("uid"))]].copy()
                opened.append(replace(alert, features=features))
    with_history(folder / "state", opened)
    labels = read_labels(DATA / "branch.labels.csv")
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for alert in opened:
        kinds[labels[str(alert.flow["uid"])].label == "malicious"].append(alert.id)
    true, false = (list(dict.fromkeys(kinds[kind])) for kind in (True, False))
    return Site(folder, true, false)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The implant, in short windows: of both kinds there are several alerts."""
    site = make(tmp_path_factory.mktemp("site"), UIDS, 10.0)
    assert len(site.true) >= 5
    assert len(site.false) >= 2
    return site


def with_history(folder: Path, alerts: list[Alert]) -> None:
    """Leave a history of some alerts in a folder."""
    history = AlertHistory.open(folder)
    history.add(alerts, [encode_ecs(alert) for alert in alerts])
    history.close()


@pytest.fixture
def site(made: Site, tmp_path: Path) -> Site:
    """A copy, nothing judged yet."""
    shutil.copytree(made.folder, tmp_path / "site")
    return replace(made, folder=tmp_path / "site")


def judge(site: Site, verdict: str, *ids: str) -> None:
    done = metatap("feedback", *ids, "--verdict", verdict, *site.options)
    assert done.returncode == 0, done.stderr


def row(text: str, name: str) -> str:
    """What a row of the table has beside its name."""
    (line,) = (line for line in text.splitlines() if line.startswith(name))
    return " ".join(line.removeprefix(name).split())


def test_a_counter_example_that_costs_the_threat_is_refused(site: Site) -> None:
    """One alert judged true is enough to hold on to; the verdict is kept, the pack untouched."""
    before = site.pack.read_bytes()
    judge(site, "true", site.true[0])
    words = ("feedback", site.false[0], "--verdict", "false", *site.options)
    done = metatap(*words, "--apply")
    assert done.returncode == 1
    assert f"not written: alerts judged true: 1 of 1 would go: {site.true[0][:8]}" in done.stderr
    assert f"metatap feedback {site.false[0][:8]} ID … --verdict false" in done.stderr
    assert row(done.stdout, "raises of alerts judged true") == "1 of 1 0 of 1"
    assert row(done.stdout, "raises of alerts judged false") == "1 of 1 0 of 1"
    unjudged = len(site.true) + len(site.false) - 2
    assert row(done.stdout, "raises of alerts not judged").startswith(f"{unjudged} of {unjudged} ")
    assert row(done.stdout, "recognises of its own flows, held out") == "5 of 5 4 of 5"
    assert site.pack.read_bytes() == before
    assert "judged false" in metatap("explain", site.false[0], *site.options[:2]).stdout
    offered = metatap(*words)
    assert (offered.returncode, "--apply" in offered.stdout) == (0, False)
    assert "it would not be written: alerts judged true: 1 of 1 would go" in offered.stderr
    anyway = metatap(*words, "--apply", "--anyway")
    assert anyway.returncode == 0
    assert "written all the same: alerts judged true" in anyway.stderr
    counters = load_pack(site.pack).not_like
    assert counters is not None
    assert counters.rows == 1


def test_all_alerts_that_nobody_judged_are_a_reason_too(site: Site) -> None:
    """Where nothing was judged true; once they are judged false, they may go."""
    judge(site, "false", *site.false[1:])
    done = metatap("feedback", site.false[0], "--verdict", "false", *site.options, "--apply")
    assert done.returncode == 1
    told = f"alerts that nobody judged: all {len(site.true)} would go, and none judged true stays"
    assert f"not written: {told}" in done.stderr
    assert "- verdicts on the others: metatap alerts --pack beacon --verdict none" in done.stderr
    judge(site, "false", *site.true)
    again = metatap("feedback", site.false[0], "--verdict", "false", *site.options, "--apply")
    assert again.returncode == 0, again.stderr


def test_what_a_source_would_give_is_counted(site: Site) -> None:
    """As `metatap packs diff` counts it."""
    words = ("feedback", site.false[0], "--verdict", "false", *site.options)
    done = metatap(*words, "--check", BRANCH)
    assert done.returncode == 0, done.stderr
    shutil.copy(site.pack, site.folder / "before.yaml")
    assert metatap(*words, "--apply", "--anyway").returncode == 0
    told = metatap("packs", "diff", site.folder / "before.yaml", site.pack, BRANCH)
    flags = [line.split()[-2] for line in told.stdout.splitlines() if line.endswith("4,301 ")]
    assert len(flags) == 2
    assert row(done.stdout, f"flags on {BRANCH}") == " ".join(f"{n} of 4,301" for n in flags)
    assert metatap(*words, "--check", site.folder / "none.mtrec").returncode == 0
    assert metatap(*words, "--apply", "--check", site.folder / "none.mtrec").returncode == 1


def test_a_source_shows_that_only_the_first_flow_is_lost(tmp_path: Path) -> None:
    """An alert is known by that flow; one whose pair is still flagged is not lost."""
    site = make(tmp_path, GUESSER, 3600.0)
    judge(site, "true", *site.true)
    words = ("feedback", site.false[0], "--verdict", "false", *site.options, "--apply")
    refused = metatap(*words)
    assert "not written: alerts judged true: 1 of 1 would go" in refused.stderr
    assert "- --check SOURCE, a recording or logs of that time" in refused.stderr
    done = metatap(*words, "--check", BRANCH)
    assert (done.returncode, "not written" in done.stderr) == (0, False), done.stderr
    assert row(done.stdout, "raises of alerts judged true") == "1 of 1 0 of 1"
    assert "1 counter-example" in done.stdout


def test_several_at_once(site: Site) -> None:
    """All become counter-examples in one edit; the same alert twice is one."""
    first, second = site.false[:2]
    words = ("feedback", first, second, first[:10], "--verdict", "false", *site.options)
    done = metatap(*words, "--apply", "--anyway")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("judged false") - done.stdout.count("alerts judged false") == 2
    assert "beacon.yaml: 2 counter-examples" in done.stdout
    assert "their flows score at most" in done.stdout
    again = metatap("feedback", second, "--verdict", "false", *site.options, "--apply")
    assert (again.returncode, "is a counter-example of pack beacon already" in again.stderr) == (
        1,
        True,
    )


def test_wrong_use_changes_nothing(site: Site) -> None:
    """An alert that is not there, one of many: no verdict is kept; a pack that is gone: it is."""
    done = metatap("feedback", site.false[0], "ffffffff", "--verdict", "false", *site.options)
    assert (done.returncode, done.stdout) == (1, "")
    assert "judged" not in metatap("explain", site.false[0], *site.options[:2]).stdout
    words = ("feedback", site.true[0], "--verdict", "true", *site.options)
    assert metatap(*words, "--check", BRANCH).returncode == 2
    site.pack.unlink()
    gone = metatap("feedback", site.false[0], "--verdict", "false", *site.options)
    assert gone.returncode == 0
    assert "no counter-example can be made of it: " in gone.stderr
    assert "has no pack beacon" in gone.stderr
