"""metatap.packs.load and metatap.packs.flows."""

from __future__ import annotations

import hashlib
import os
import random
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.errors import PackError
from metatap.flow import to_row
from metatap.packs import Pack, Severity, load_folder, load_pack
from metatap.packs.load import _pack
from metatap.yamlfile import MAX_BYTES, Faults

TEXT = """\
pack: 1
id: ssh-bruteforce
name: SSH brute force
description: Password guessing against an SSH server.
author: metatap
created: 2026-11-24
severity: high
attack: [T1110.001]
references: [https://attack.mitre.org/techniques/T1110/001/]
flows:
  - {uid: C1, id.orig_h: 10.0.0.1, id.orig_p: 40000, id.resp_h: 10.0.0.2, id.resp_p: 22, proto: tcp,
     service: ssh, duration: 2.1, orig_bytes: 2000, conn_state: SF, ssh.auth_success: false}
  - {uid: C2, ts: 1700000000.123456789, id.orig_h: 2001:db8::1, proto: tcp, missed_bytes: ~}
not_like: []
"""


def _load(text: str | bytes, path: str = "p.yaml") -> Pack:
    content = text if isinstance(text, bytes) else text.encode()
    return _pack(content, Path(path), Faults(path))


def _faults(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(PackError) as caught:
        _load(text)
    return caught.value.faults


def test_a_pack_is_read_whole(tmp_path: Path) -> None:
    """Every field arrives, with the hash of the file's bytes."""
    path = tmp_path / "ssh.yaml"
    path.write_text(TEXT)
    pack = load_pack(path)
    assert (pack.id, pack.name, pack.author) == ("ssh-bruteforce", "SSH brute force", "metatap")
    assert pack.created == date(2026, 11, 24)
    assert pack.severity is Severity.HIGH
    assert pack.attack == ("T1110.001",)
    assert pack.references == ("https://attack.mitre.org/techniques/T1110/001/",)
    assert pack.path == path
    assert pack.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert pack.not_like is None
    assert to_row(pack.flows, 0) == {
        "uid": "C1",
        "id.orig_h": "10.0.0.1",
        "id.orig_p": 40000,
        "id.resp_h": "10.0.0.2",
        "id.resp_p": 22,
        "proto": "tcp",
        "service": "ssh",
        "duration": 2.1,
        "orig_bytes": 2000,
        "conn_state": "SF",
        "partial": False,
        "ssh.auth_success": False,
    }


def test_what_is_missing_is_absent() -> None:
    """A field that a flow lacks, or that is null, is masked; only `partial` is false."""
    flows = _load(TEXT).flows
    assert flows.numeric("missed_bytes") is None
    duration = flows.numeric("duration")
    assert duration is not None
    np.testing.assert_array_equal(duration.mask(), [True, False])
    partial = flows.numeric("partial")
    assert partial is not None
    assert partial.mask().all()
    assert not partial.values.any()


def test_times_are_exact() -> None:
    """Nine decimals of a second survive, which a float would round."""
    ts = _load(TEXT).flows.numeric("ts")
    assert ts is not None
    assert ts.values[1] == 1_700_000_000_123_456_789


def test_binary_is_for_texts_that_are_not_utf8() -> None:
    """A text may be given as bytes, a number may not, and a title may not either."""
    flows = _load(TEXT.replace("service: ssh", "service: !!binary /w==")).flows
    service = flows.strings("service")
    assert service is not None
    assert service.item(0) == b"\xff"
    assert _faults(TEXT.replace("name: SSH brute force", "name: !!binary /w=="))
    assert _faults(TEXT.replace("orig_bytes: 2000", "orig_bytes: !!binary /w=="))
    assert _faults(TEXT.replace("service: ssh", 'service: "\\uD800"'))


def test_an_empty_text_is_absent() -> None:
    """An empty string is what Zeek does not set."""
    flows = _load(TEXT.replace("service: ssh", 'service: ""')).flows
    assert flows.strings("service") is None


def test_counter_examples_are_read() -> None:
    """`not_like` holds flows of the same form."""
    pack = _load(TEXT.replace("not_like: []", "not_like:\n  - {uid: C3, proto: udp}"))
    assert pack.not_like is not None
    assert pack.not_like.rows == 1


def test_only_what_is_needed_must_be_there() -> None:
    """Description, author, techniques, references and counter-examples may be left out."""
    pack = _load(
        "pack: 1\nid: abc\nname: A\ncreated: 2026-01-01\nseverity: low\nflows: [{proto: tcp}]\n"
    )
    assert (pack.description, pack.author, pack.attack, pack.references) == ("", "", (), ())


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("pack: 1", "pack: 2", "p.yaml:1: pack: version 2, this agent reads 1"),
        ("pack: 1", "pack: x", "p.yaml:1: pack: must be 1"),
        ("pack: 1\n", "", "p.yaml:1: pack: missing"),
        ("id: ssh", "id: SSH", "p.yaml:2: id: SSH-bruteforce: must be 3 to 64 of a-z, 0-9 and -"),
        ("name: SSH brute force", "name:", "p.yaml:3: name: is empty"),
        ("name: SSH brute force", "name: ' '", "p.yaml:3: name: is empty"),
        ("name: SSH brute force", "name: [a]", "p.yaml:3: name: must be text, is a list"),
        ("name: SSH brute", 'name: "\\e[31m"#', "p.yaml:3: name: has characters that can't be"),
        ("name: SSH brute", 'name: "a\\nb"#', "p.yaml:3: name: must be one line"),
        ("author: metatap", f"author: {'x' * 129}", "p.yaml:5: author: 129 characters, at most"),
        ("2026-11-24", "2026-13-24", "p.yaml:6: created: 2026-13-24: must be a date, YYYY-MM-DD"),
        ("severity: high", "severity: hgih", "must be one of low, medium, high, critical, did you"),
        ("severity:", "severty:", "p.yaml:7: severty: unknown key, did you mean severity?"),
        ("[T1110.001]", "[T1110.01]", "p.yaml:8: attack: T1110.01: must be an ATT&CK technique"),
        ("[T1110.001]", "T1110.001", "p.yaml:8: attack: must be a list, is text"),
        ("[T1110.001]", "[T1110, T1110]", "p.yaml:8: attack: has an entry twice"),
        ("[T1110.001]", f"[{'T1110,' * 33}]", "p.yaml:8: attack: 33 entries, at most 32"),
        ("[https:", "[javascript:", "must be an http or https URL"),
        ("proto: tcp,\n", "proto: tpc,\n", "p.yaml:11: flows[0].proto: tpc: must be one of"),
        (
            "service: ssh",
            "servce: ssh",
            "flows[0].servce: not a field of a flow, did you mean serv",
        ),
        ("service: ssh", "service: [ssh]", "p.yaml:12: flows[0].service: must be one value"),
        ("service: ssh", f"service: {'é' * 129}", "flows[0].service: ééé"),
        ("id.orig_p: 40000", "id.orig_p: 65536", "id.orig_p: 65536: must be from 0 to 65535"),
        ("orig_bytes: 2000", "orig_bytes: -1", "must be from 0 to 18446744073709551615"),
        ("orig_bytes: 2000", "orig_bytes: 2.5", "orig_bytes: 2.5: must be a whole number"),
        ("orig_bytes: 2000", "orig_bytes: true", "orig_bytes: true: must be a whole number"),
        ("duration: 2.1", "duration: soon", "duration: soon: must be a number of seconds"),
        ("duration: 2.1", "duration: 1e12", "must be from -9000000000 to 9000000000 seconds"),
        ("ts: 17", "ts: -17", "flows[1].ts: -1700000000.123456789: must be from 0 to"),
        ("10.0.0.1,", "10.0.0.256,", "flows[0].id.orig_h: 10.0.0.256: must be an IPv4 or IPv6"),
        ("2001:db8::1", "fe80::1%eth0", "must be an address without a zone"),
        ("success: false", "success: no", "ssh.auth_success: no: must be true or false"),
        ("uid: C2", "uid: C1", "p.yaml:13: flows[1].uid: C1 is also that of flows[0]"),
        ("not_like: []", "not_like: [{uid: C1}]", "not_like[0].uid: C1 is also that of flows[0]"),
        ("not_like: []", "not_like: {}", "p.yaml:14: not_like: must be a list of flows, is a map"),
        ("not_like: []", "not_like: [1]", "not_like[0]: must be a mapping of Zeek's fields, is a"),
        ("not_like: []", "not_like: [{}]", "p.yaml:14: not_like[0]: has no fields"),
        ("not_like: []", f"not_like: [{'{},' * 65}]", "not_like: 65 flows, at most 64"),
    ],
)
def test_a_fault_names_line_flow_and_field(old: str, new: str, fault: str) -> None:
    """Each fault says where it is and what would be right."""
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    assert any(fault in found for found in _faults(text)), _faults(text)


@pytest.mark.parametrize(
    ("flows", "fault"),
    [("flows: []", "flows: at least one is needed"), ("flows:", "flows: must be a list of flows")],
)
def test_a_pack_without_examples_is_refused(flows: str, fault: str) -> None:
    """A rule by example needs an example."""
    head = TEXT.partition("flows:")[0]
    assert any(fault in found for found in _faults(head + flows))
    assert "p.yaml:1: flows: missing" in _faults(head)


def test_all_faults_are_told_at_once() -> None:
    """A file with three mistakes need not be corrected three times."""
    text = TEXT.replace("severity: high", "severity: hi").replace("proto: tcp", "proto: x")
    assert [re.sub(r": .*", "", fault) for fault in _faults(text)] == [
        "p.yaml:7",
        "p.yaml:11",
        "p.yaml:13",
    ]


def test_a_file_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    """Not a mapping, not there, too large, a name with NUL, a pipe: each is one `PackError`."""
    assert _faults("[1, 2]") == ("p.yaml:1: must be a mapping, is a list",)
    assert _faults(b"a: \xff") == ("p.yaml:1: not UTF-8",)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (large, tmp_path / "none.yaml", Path("a\0b"), tmp_path, pipe):
        with pytest.raises(PackError, match=r"large|can't be read"):
            load_pack(path)


def test_a_folder_gives_packs_by_id_and_errors_apart(tmp_path: Path) -> None:
    """A faulty file does not keep the others from being read; other files are not looked at."""
    (tmp_path / "b.yaml").write_text(TEXT.replace("ssh-bruteforce", "zzz"))
    (tmp_path / "c.yml").write_text(TEXT.replace("ssh-bruteforce", "aaa"))
    (tmp_path / "bad.yaml").write_text("id: x\n")
    for name in (".hidden.yaml", "b.yaml~", ".b.yaml.swp", "b.swp", "README.md", "#b.yaml"):
        (tmp_path / name).write_text("not a pack")
    (tmp_path / "folder.yaml").mkdir()
    packs, errors = load_folder(tmp_path)
    assert [pack.id for pack in packs] == ["aaa", "zzz"]
    assert len(errors) == 1
    assert all("bad.yaml" in fault for fault in errors[0].faults)


def test_of_packs_with_one_id_none_is_taken(tmp_path: Path) -> None:
    """The error names all files, since it can't be told which one is meant."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(TEXT)
    packs, errors = load_folder(tmp_path)
    assert packs == []
    assert [str(tmp_path / name) in str(errors[0]) for name in ("a.yaml", "b.yaml")] == [True, True]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """No packs and one error."""
    packs, errors = load_folder(tmp_path / "none")
    assert packs == []
    assert "can't be read" in str(errors[0])


YAML_LIKE = st.text(st.sampled_from("{}[]:,-#&*!|>'\"%@` \n\tabTrue01.~<?=\\x\0é"), max_size=200)


@settings(deadline=None)
@given(YAML_LIKE | st.text(max_size=200) | st.binary(max_size=200))
def test_fuzzed_files_are_packs_or_pack_errors(content: str | bytes) -> None:
    """Whatever a file contains, nothing but `PackError` is raised."""
    try:
        _load(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    except PackError as error:
        assert error.faults  # noqa: PT017 - most inputs raise, some need not


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_mutated_packs_are_packs_or_pack_errors(seed: int, edits: int) -> None:
    """Bytes of a valid pack deleted, doubled, changed or moved: a pack or a `PackError`."""
    rng = random.Random(seed)
    content = bytearray(TEXT.encode())
    for _ in range(edits):
        at, size = rng.randrange(len(content)), rng.randrange(1, 30)
        piece = content[at : at + size]
        match rng.randrange(4):
            case 0:
                del content[at : at + size]
            case 1:
                content[at:at] = piece
            case 2:
                content[at : at + 1] = rng.randbytes(1)
            case _:
                other = rng.randrange(len(content))
                content[other:other] = piece
        content = content or bytearray(b" ")
    try:
        pack = _load(bytes(content))
    except PackError as error:
        assert all(fault.startswith("p.yaml") for fault in error.faults)  # noqa: PT017
    else:
        assert 1 <= pack.flows.rows <= 64
