"""metatap.packs.folder: which packs of a folder are taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from metatap.bounded import read_bounded
from metatap.errors import PackError
from metatap.packs import (
    Fault,
    Folder,
    PackCache,
    PackState,
    Trust,
    Unsigned,
    parse_pack,
    read_folder,
)
from metatap.packs import folder as folder_module
from metatap.packs.keys import make_keys, read_private
from metatap.packs.signature import sign, signature_path
from metatap.runtime.build import shipped_packs

TEXT = (shipped_packs() / "port-scan.yaml").read_text()


def write(folder: Path, name: str, text: str = TEXT) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def faults(found: Folder) -> dict[str, Fault | None]:
    """File → why it is quarantined."""
    return {status.path.name: status.fault for status in found.quarantined}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the key pair `us`."""
    folder = tmp_path / "keys"
    folder.mkdir()
    make_keys(folder / "us")
    return folder


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    folder = tmp_path / "packs"
    folder.mkdir()
    return folder


def signed(path: Path, keys: Path) -> Path:
    text = sign(path.read_bytes(), read_private(keys / "us.key"))
    signature_path(path).write_text(text)
    return path


def trust(keys: Path, unsigned: Unsigned = Unsigned.ALLOW) -> Trust:
    found, errors = Trust.load(unsigned, keys)
    assert not errors
    return found


def test_a_file_that_is_no_pack_is_quarantined_under_its_name(packs: Path) -> None:
    """Its status has the first fault, the error has all."""
    write(packs, "port-scan.yaml")
    bad = write(packs, "bad.yaml", TEXT.replace("severity: medium", "severity: x\nmore: 1"))
    found = read_folder(packs)
    assert [pack.id for pack in found.packs] == ["port-scan"]
    status = found.quarantined[0]
    assert (status.id, status.path, status.state) == ("bad", bad, PackState.QUARANTINED)
    assert status.reason.startswith(f"{bad}:")
    assert status.reason.endswith("(and 1 more)")
    assert len(found.errors[0].faults) == 2


def test_of_packs_with_one_id_the_one_of_that_name_is_taken(packs: Path) -> None:
    """A copy under another name does not take the pack down."""
    write(packs, "aaa.yaml")
    write(packs, "port-scan.yaml")
    found = read_folder(packs)
    assert [pack.path.name for pack in found.packs] == ["port-scan.yaml"]
    assert faults(found) == {"aaa.yaml": Fault.DUPLICATE}
    assert "port-scan.yaml is taken" in found.quarantined[0].reason


def test_of_packs_with_one_id_the_one_in_force_stays(packs: Path) -> None:
    """What is in force goes before a name, so that a running agent does not change its mind."""
    write(packs, "mine.yaml")
    before = read_folder(packs).packs[0]
    write(packs, "port-scan.yaml", TEXT.replace("author: metatap", "author: other"))
    found = read_folder(packs, in_force=[before.sha256])
    assert [pack.path.name for pack in found.packs] == ["mine.yaml"]


def test_of_packs_with_one_id_a_signed_one_goes_first(packs: Path, keys: Path) -> None:
    """Nobody without a key takes the place of a signed pack."""
    signed(write(packs, "ours.yaml"), keys)
    write(packs, "port-scan.yaml", TEXT.replace("author: metatap", "author: other"))
    found = read_folder(packs, trust(keys))
    assert [(pack.path.name, pack.signed_by) for pack in found.packs] == [("ours.yaml", "us")]


def test_of_packs_with_one_id_that_are_alike_none_is_taken(packs: Path) -> None:
    """Which one is meant can't be told."""
    for name in ("a.yaml", "b.yaml"):
        write(packs, name)
    found = read_folder(packs)
    assert not found.packs
    assert faults(found) == {"a.yaml": Fault.DUPLICATE, "b.yaml": Fault.DUPLICATE}


@pytest.mark.parametrize("unsigned", Unsigned)
def test_the_policy(packs: Path, keys: Path, unsigned: Unsigned) -> None:
    """A bad signature is never let pass; no signature, and one by a stranger, are as policy says.

    A key that is not known could be anybody's, so that its signature counts as none.
    """
    signed(write(packs, "port-scan.yaml"), keys)
    for name in ("none", "stranger", "tampered", "malformed", "piped"):
        write(packs, f"{name}.yaml", TEXT.replace("id: port-scan", f"id: {name}"))
    make_keys(keys.parent / "other")
    other = read_private(keys.parent / "other.key")
    stranger = packs / "stranger.yaml"
    signature_path(stranger).write_text(sign(stranger.read_bytes(), other))
    tampered = signed(packs / "tampered.yaml", keys)
    tampered.write_text(tampered.read_text() + "# changed\n")
    signature_path(packs / "malformed.yaml").write_text("trust me\n")
    signature_path(packs / "piped.yaml").mkdir()
    with capture_logs() as logs:
        found = read_folder(packs, trust(keys, unsigned))
    bad = {f"{name}.yaml": Fault.SIGNATURE for name in ("tampered", "malformed", "piped")}
    out = {f"{name}.yaml": Fault.UNSIGNED for name in ("none", "stranger")}
    assert faults(found) == (bad | out if unsigned is Unsigned.REFUSE else bad)
    warned = {Path(log["file"]).name for log in logs if log["event"] == "pack_unsigned"}
    assert warned == (set(out) if unsigned is Unsigned.WARN else set())
    by = {pack.id: pack.signed_by for pack in found.packs}
    allowed = {} if unsigned is Unsigned.REFUSE else {"none": "", "stranger": ""}
    assert by == {"port-scan": "us"} | allowed


def test_a_signature_holds_for_the_bytes_that_were_read(packs: Path, keys: Path) -> None:
    """With a cache too: a signature that goes bad, or goes, is noticed though the pack is known."""
    path = signed(write(packs, "port-scan.yaml"), keys)
    cache, policy = PackCache(), trust(keys, Unsigned.REFUSE)
    assert read_folder(packs, policy, cache=cache).packs
    signature_path(path).unlink()
    found = read_folder(packs, policy, cache=cache)
    assert faults(found) == {"port-scan.yaml": Fault.UNSIGNED}


def test_what_did_not_change_is_not_parsed_again(
    packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packs and faults are remembered by path and content."""
    parsed: list[str] = []
    parse = parse_pack

    def counted(content: bytes, name: str) -> object:
        parsed.append(Path(name).name)
        return parse(content, name)

    monkeypatch.setattr(folder_module, "parse_pack", counted)
    write(packs, "port-scan.yaml")
    write(packs, "bad.yaml", "pack: 1\n")
    cache = PackCache()
    first, again = (read_folder(packs, cache=cache) for _ in range(2))
    assert sorted(parsed) == ["bad.yaml", "port-scan.yaml"]
    assert again.quarantined == first.quarantined
    assert again.packs[0].sha256 == first.packs[0].sha256
    write(packs, "port-scan.yaml", TEXT.replace("author: metatap", "author: other"))
    assert read_folder(packs, cache=cache).packs[0].author == "other"
    assert len(parsed) == 3
    (packs / "port-scan.yaml").rename(packs / "moved.yaml")
    assert read_folder(packs, cache=cache).packs[0].path.name == "moved.yaml"


def test_a_folder_that_can_t_be_read_raises(tmp_path: Path) -> None:
    """So that who runs rules of its packs keeps them."""
    with pytest.raises(PackError, match="can't be read"):
        read_folder(tmp_path / "none")


def test_a_huge_file_is_not_read(packs: Path) -> None:
    """Of a TiB one MiB is read at most."""
    path = packs / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)
    assert len(read_bounded(path, 2**20)) == 2**20 + 1
    found = read_folder(packs)
    assert faults(found) == {"huge.yaml": Fault.FILE}
    assert "larger than" in found.quarantined[0].reason


def test_a_link_that_leads_nowhere_is_its_own_fault_alone(tmp_path: Path) -> None:
    """A name too long for the system makes one file unreadable, not the folder."""
    (tmp_path / "port-scan.yaml").write_text(TEXT)
    (tmp_path / "x.yaml").symlink_to("a" * 300)
    found = read_folder(tmp_path)
    assert [pack.id for pack in found.packs] == ["port-scan"]
    assert [status.id for status in found.quarantined] == ["x"]
