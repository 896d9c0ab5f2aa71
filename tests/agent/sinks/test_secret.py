"""metatap.sinks.secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from metatap.errors import ConfigError
from metatap.sinks import Authorization, Secret


def test_a_secret_is_read_from_a_file_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is at that time, without the line end that editors add."""
    path = tmp_path / "token"
    path.write_text(" a-token\n")
    assert Secret(file=path).read() == "a-token"
    path.write_text("another")
    assert Secret(file=path).read() == "another"
    monkeypatch.setenv("TOKEN", "third")
    assert Secret(variable="TOKEN").read() == "third"


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"a\nsecret", b"secret\x00", b"s\xc3\xa9cret", b"\xff", b"s" * 5000]
)
def test_what_no_header_can_hold_is_refused_without_being_shown(
    tmp_path: Path, content: bytes
) -> None:
    """The error names the file."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        Secret(file=path).read()
    assert str(path) in str(raised.value)
    assert "cret" not in str(raised.value).replace("secret", "")


def test_a_place_that_holds_none_is_named(tmp_path: Path) -> None:
    """A file that is not there, a variable that is not set, none or both."""
    with pytest.raises(ConfigError, match=str(tmp_path / "none")):
        Secret(file=tmp_path / "none").read()
    with pytest.raises(ConfigError, match=r"\$NOT_SET_HERE"):
        Secret(variable="NOT_SET_HERE").read()
    for secret in (Secret(), Secret(tmp_path, "X")):
        with pytest.raises(ConfigError, match="either"):
            secret.read()


def test_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Basic` is encoded by RFC 7617, whose own example this is; the others stand as they are."""
    monkeypatch.setenv("SECRET", "open sesame")
    secret = Secret(variable="SECRET")
    basic = Authorization("Basic", secret, "Aladdin")
    assert basic.header() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Authorization("ApiKey", secret).header() == "ApiKey open sesame"
    assert "sesame" not in repr(basic)
