"""Options of the wire sources."""

from __future__ import annotations

import pytest

from metatap.errors import SourceError
from metatap.sources import WireOptions


def test_text_is_turned_into_each_options_type() -> None:
    """As it comes from a URL."""
    options = WireOptions().with_text({"shards": "0,12", "rcvhwm": "0", "silent_s": "2.5"})
    assert options.shards == (0, 12)
    assert options.rcvhwm == 0
    assert options.silent_s == 2.5
    assert options.max_rows == WireOptions().max_rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rcvhmw", "1", "rcvhmw: no such option; there are shards, "),
        ("rcvhwm", "many", "rcvhwm: 'many' is not a number"),
        ("rcvhwm", "-1", "must be from 0"),
        ("shards", "1000", "a shard is 0 to 999"),
        ("shards", "a", "not a number"),
        ("max_message_bytes", "0", "must be above 0"),
        ("silent_s", "nan", "must be"),
        ("join_s", "inf", "must be"),
    ],
)
def test_a_wrong_option_is_named(name: str, text: str, message: str) -> None:
    """Unknown names list the known ones."""
    with pytest.raises(SourceError, match=message):
        WireOptions().with_text({name: text})
