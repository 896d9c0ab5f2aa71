"""`metatap packs`, run as a user runs it; what docs/packs.md shows is what it prints."""

from __future__ import annotations

import json
import re
import shutil
import stat
from pathlib import Path

import pytest
from tests.agent.commands import Done, metatap
from tests.console import ROOT, prepare, run, steps

from metatap.packs import load_pack
from metatap.packs.keys import make_keys
from metatap.runtime.build import shipped_packs

PAGE = ROOT / "docs" / "packs.md"
LAB = ROOT / "tests" / "data" / "lab"

VARIES = re.compile(r"\d+\.\d+%?|\b[0-9a-f]{16}\b")
"""Scores, which another processor may round otherwise, and the ids of keys."""


def packs(*words: str | Path, **env: str) -> Done:
    return metatap("packs", *words, cwd=None, **env)


def plain(line: str) -> str:
    """Without what varies, and the widths it gives."""
    return re.sub(r"[\s─]+", " ", VARIES.sub("#", line)).strip()


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    """Every command of the page prints the lines the page shows, no more and no less."""
    prepare(tmp_path)
    shown = steps(PAGE)
    assert {command.split()[2] for command, _ in shown if command.startswith("metatap packs")} == {
        *("keygen", "sign", "verify", "list", "show", "test", "diff")
    }
    for command, lines in shown:
        done = run(command, tmp_path)
        assert done.returncode == (1 if "packs diff" in command else 0), done.stderr
        printed = [plain(line) for line in (done.stdout + done.stderr).splitlines()]
        assert printed == [plain(line) for line in lines], command
    secret = tmp_path / "build" / "packs" / "alice.key"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one pack and the keys `us`."""
    shutil.copy(shipped_packs() / "port-scan.yaml", tmp_path)
    make_keys(tmp_path / "us")
    return tmp_path


def test_keys_are_not_overwritten(folder: Path) -> None:
    before = (folder / "us.key").read_bytes()
    done = packs("keygen", folder / "us")
    assert done.returncode == 1
    assert "never overwritten" in done.stderr
    assert (folder / "us.key").read_bytes() == before


def test_what_is_not_to_be_signed(folder: Path) -> None:
    """What the agent would not read is not signed, the others are; status 1 says so."""
    (folder / "bad.yaml").write_text("pack: 1\n")
    names = [folder / name for name in ("bad.yaml", "none.yaml", "port-scan.yaml")]
    done = packs("sign", "--key", folder / "us.key", *names)
    assert done.returncode == 1
    assert "bad.yaml:1: id: missing" in done.stderr
    assert "none.yaml: can't be read" in done.stderr
    assert sorted(path.name for path in folder.glob("*.sig")) == ["port-scan.yaml.sig"]
    (folder / "us.key").chmod(0o644)
    done = packs("sign", "--key", folder / "us.key", folder / "port-scan.yaml")
    assert done.returncode == 0
    assert "can be read by others" in done.stderr
    assert packs("sign", "--key", folder / "us.pub", names[2]).returncode == 1


def test_verify_tells_a_changed_pack(folder: Path) -> None:
    """Signed, changed, by nobody: status 0 only if all are signed."""
    path = folder / "port-scan.yaml"
    packs("sign", "--key", folder / "us.key", path)
    assert packs("verify", "--keys", folder, path).returncode == 0
    assert packs("verify", path, METATAP_TRUST__KEYS=str(folder)).returncode == 0
    without = packs("verify", path)
    assert without.returncode == 2
    assert "trust.keys" in without.stderr
    (folder / "text.pub").write_text("no key")
    path.write_text(path.read_text() + "\n")
    done = packs("verify", "--keys", folder, path)
    assert done.returncode == 1
    assert "text.pub: not a public key" in done.stderr
    assert "not the signature of port-scan.yaml by us" in done.stderr
    (folder / "port-scan.yaml.sig").unlink()
    done = packs("verify", "--keys", folder, path)
    assert "port-scan.yaml: not signed" in done.stderr


def test_list_for_machines(folder: Path) -> None:
    """One object a pack; without `--state` none of them is made ready."""
    (folder / "bad.yaml").write_text("pack: 1\n")
    done = packs("list", folder, "--json")
    found = {item["id"]: item for item in map(json.loads, done.stdout.splitlines())}
    assert found["bad"]["fault"] == "file"
    assert (found["port-scan"]["state"], found["port-scan"]["threshold"]) == ("loading", None)
    done = packs("list", folder, "--json", "--unsigned", "refuse")
    assert {json.loads(line)["fault"] for line in done.stdout.splitlines()} == {"unsigned"}
    assert (
        "4 packs, 4 would be in force, 0 quarantined"
        in packs("list", "--state", "--unsigned", "refuse").stdout
    )
    assert packs("list", folder / "none").returncode == 1


def test_a_pack_that_is_unfit(folder: Path) -> None:
    """`test` says why, shows what it would flag all the same, and ends with status 1."""
    text = (folder / "port-scan.yaml").read_text()
    flows = text.partition("flows:\n")[2].partition("not_like:")[0]
    path = folder / "torn.yaml"
    head = text.partition("not_like:")[0]
    path.write_text(f"{head}not_like:\n{re.sub(r'uid: C', 'uid: D', flows)}")
    assert load_pack(path).not_like is not None
    done = packs("test", path, LAB / "office.mtrec")
    assert done.returncode == 1
    assert "would be quarantined: contradiction: contradicts itself" in done.stdout
    assert "of 3,930 flows" in done.stdout
    wide = packs("test", folder / "port-scan.yaml", LAB / "office.mtrec", "--top", "1")
    assert wide.returncode == 0
    assert "flows of other pairs" in wide.stdout
    assert "more than 5%" in wide.stdout


def test_a_pack_held_against_ones_own_traffic(folder: Path) -> None:
    """With a background of the network, it is that which is named."""
    background = ("--background", LAB / "clinic-logs")
    done = packs("test", folder / "port-scan.yaml", *background)
    assert re.search(r"background: [\d,]+ flows of yours", done.stdout)


def test_hostile_names_do_not_reach_the_terminal(folder: Path) -> None:
    """A uid may hold any byte; what can't be printed is escaped."""
    path = folder / "port-scan.yaml"
    path.write_text(re.sub(r"uid: C\w+", 'uid: "\\\\e[31mX"', path.read_text(), count=1))
    shown = packs("show", path).stdout
    assert "\x1b" not in shown
    assert "\\x1b[31mX" in shown


def test_packs_that_do_not_differ(folder: Path) -> None:
    path = folder / "port-scan.yaml"
    done = packs("diff", path, path)
    assert (done.returncode, done.stdout) == (0, "no difference\n")
