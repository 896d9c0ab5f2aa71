"""metatap.packs.signature and metatap.packs.keys."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import PackError
from metatap.packs.keys import PublicKey, key_id, load_keys, make_keys, read_private, read_public
from metatap.packs.signature import (
    PREFIX,
    parse_signature,
    read_signature,
    sign,
    signature_path,
    verifies,
    write_signature,
)

PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PublicKey("us", key_id(PRIVATE.public_key()), PRIVATE.public_key())

TEXT = """\
metatap-signature: 1
key: 56475aa75463474c
signature: {}
"""

SIGNATURE = (
    "J0O8kgW+GOuWvhiuJ+j7/nfZlMl5nV7Jz82D2Nd8hkt3JJOFbUgSnIhE749f1ktXAwN1jl8457vurvuq3vRuCw=="
)
"""What `openssl pkeyutl -sign -rawin` gives for the prefix and `pack: 1`, a newline after it."""


def test_the_form_of_a_signature() -> None:
    """Ed25519 is deterministic: these bytes by this key give this file, for all time."""
    text = sign(b"pack: 1\n", PRIVATE)
    assert text == TEXT.format(SIGNATURE)


@given(st.binary(max_size=200))
def test_a_signature_is_of_these_bytes_by_this_key(content: bytes) -> None:
    """Other bytes, another key and the bytes without the prefix do not verify."""
    signature = parse_signature(sign(content, PRIVATE).encode(), "p.sig")
    assert signature.key == PUBLIC.id
    assert verifies(signature, content, PUBLIC)
    assert not verifies(signature, content + b"\n", PUBLIC)
    assert not verifies(signature, PREFIX + content, PUBLIC)
    other = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    assert not verifies(signature, content, PublicKey("other", key_id(other), other))


@given(st.integers(0, 63), st.integers(1, 255))
def test_a_changed_signature_does_not_verify(at: int, change: int) -> None:
    """Not one byte of the 64 may differ."""
    signature = parse_signature(sign(b"pack", PRIVATE).encode(), "p.sig")
    content = bytearray(signature.content)
    content[at] ^= change
    changed = type(signature)(signature.key, bytes(content))
    assert not verifies(changed, b"pack", PUBLIC)


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_signature_or_an_error(content: bytes) -> None:
    """Whatever the file holds, nothing but `PackError` is raised."""
    with pytest.raises(PackError, match=r"^p\.sig"):
        parse_signature(content, "p.sig")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("signature: 1", "signature: 2", "p.sig:1: metatap-signature: version 2, this agent reads"),
        ("signature: 1", "signature: 0", "not a signature"),
        ("key: ", "kez: ", "not a signature"),
        ("key: 5", "key: X", "not a signature"),
        ("==", "", "not a signature"),
        ("==\n", "==\nmore: 1\n", "not a signature"),
        ("==\n", "==" + "\n" * 2000, "not a signature"),
    ],
)
def test_a_malformed_signature_is_refused(old: str, new: str, said: str) -> None:
    text = sign(b"pack", PRIVATE)
    assert old in text
    with pytest.raises(PackError, match=said):
        parse_signature(text.replace(old, new, 1).encode(), "p.sig")


def test_a_signature_is_written_in_one_step(tmp_path: Path) -> None:
    """One that is there is replaced, nothing else is left; none is no error."""
    path = signature_path(tmp_path / "p.yaml")
    assert path.name == "p.yaml.sig"
    assert read_signature(path) is None
    for content in (b"a", b"b"):
        write_signature(path, sign(content, PRIVATE))
        signature = read_signature(path)
        assert signature is not None
        assert verifies(signature, content, PUBLIC)
    assert [item.name for item in tmp_path.iterdir()] == ["p.yaml.sig"]
    with pytest.raises(PackError, match="can't be written"):
        write_signature(tmp_path / "none" / "p.yaml.sig", "x")


def test_keys_are_made_once(tmp_path: Path) -> None:
    """The private one is its owner's only; neither is ever overwritten."""
    made = make_keys(tmp_path / "us")
    secret, public = tmp_path / "us.key", tmp_path / "us.pub"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert read_public(public).id == made.id == key_id(read_private(secret).public_key())
    before = secret.read_bytes(), public.read_bytes()
    for gone in (None, public, secret):
        if gone is not None:
            kept = gone.read_bytes()
            gone.unlink()
        with pytest.raises(PackError, match="never overwritten"):
            make_keys(tmp_path / "us")
        if gone is not None:
            assert not gone.exists()
            gone.write_bytes(kept)
    assert before == (secret.read_bytes(), public.read_bytes())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_reads_the_keys(tmp_path: Path) -> None:
    """The files are PEM as everybody has it, and so are keys that openssl makes."""
    make_keys(tmp_path / "us")
    command = ["openssl", "pkey", "-in", str(tmp_path / "us.key"), "-pubout"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == (tmp_path / "us.pub").read_bytes()
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "their.key")]
    subprocess.run(command, capture_output=True, check=True)
    assert len(key_id(read_private(tmp_path / "their.key").public_key())) == 16


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """Each file that is none is an error that names it; the other keys are read."""
    folder = tmp_path / "keys"
    folder.mkdir()
    made = make_keys(folder / "us")
    (folder / "text.pub").write_text("not a key")
    (folder / "large.pub").write_bytes(b"x" * 5000)
    (folder / "folder.pub").mkdir()
    (folder / "README").write_text("not looked at")
    (folder / ".hidden.pub").write_text("neither")
    curve = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = curve.public_key().public_bytes(serialization.Encoding.PEM, form)
    (folder / "curve.pub").write_bytes(pem)
    keys, errors = load_keys(folder)
    assert [(key.name, key.id) for key in keys.values()] == [("us", made.id)]
    text = "\n".join(map(str, errors))
    assert len(errors) == 4
    for said in (
        "text.pub: not a public key",
        "large.pub: larger",
        "folder.pub: can't be read: not a file",
        "curve.pub: not an Ed25519 key",
    ):
        assert said in text
    assert "can't be read" in str(load_keys(tmp_path / "none")[1][0])


def test_private_keys_that_can_t_be_used(tmp_path: Path) -> None:
    """An encrypted one, another kind, a public one: the error says what is wrong."""
    path = tmp_path / "x.key"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked = PRIVATE.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"secret"))
    path.write_bytes(locked)
    with pytest.raises(PackError, match="passphrase"):
        read_private(path)
    curve = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(curve.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    with pytest.raises(PackError, match="not an Ed25519 key"):
        read_private(path)
    path.write_text("x")
    with pytest.raises(PackError, match="not a private key"):
        read_private(path)
