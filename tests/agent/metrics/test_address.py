"""metatap.metrics.address: what may be written, and what is meant by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import ConfigError
from metatap.metrics import Address
from metatap.runtime.config import load_config


@pytest.mark.parametrize(
    ("text", "host", "port", "is_local"),
    [
        ("127.0.0.1:9650", "127.0.0.1", 9650, True),
        ("9650", "127.0.0.1", 9650, True),
        (":9650", "127.0.0.1", 9650, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:9650", "::1", 9650, True),
        ("[::]:9650", "::", 9650, False),
        ("0.0.0.0:9650", "0.0.0.0", 9650, False),
        ("sensor.example.org:9650", "sensor.example.org", 9650, False),
    ],
)
def test_what_is_meant(text: str, host: str, port: int, *, is_local: bool) -> None:
    """Without a host it is this machine alone."""
    found = Address.parse(text)
    assert (found.host, found.port, found.is_local) == (host, port, is_local)


NONE = (
    "|a|a:|a:b|a:65536|a:-1|a:+1|a:1_0|::1:9650|[::1:9650|::1]:9650|[a]:9650|[::g]:9650|a b:1|"
    "http://a:1|u@a:1|a:1:2|é:1"
)


@pytest.mark.parametrize("text", [*NONE.split("|"), "a" * 254 + ":1"])
def test_what_is_no_address_is_said(text: str) -> None:
    """Each with a reason that names what is wrong."""
    with pytest.raises(ValueError, match=r"HOST:PORT|IPv6|no name"):
        Address.parse(text)


@given(st.text(alphabet="0123456789abf:.[]%- \u0664", max_size=40))
def test_anything_is_read_or_refused(text: str) -> None:
    """What is read is written as it would be read again."""
    try:
        found = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(found)) == found


def test_the_configuration_names_what_is_wrong() -> None:
    """Off where nothing is set; a fault has the option's name."""
    assert load_config().metrics.listen is None
    assert load_config(flags={"metrics.listen": ":9650"}).metrics.listen == Address(
        "127.0.0.1", 9650
    )
    with pytest.raises(ConfigError, match=r"METRICS__LISTEN: metrics.listen: x: must be HOST"):
        load_config(env={"METATAP_METRICS__LISTEN": "x"})
