"""metatap.sinks.relp_frame."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.sinks.relp_frame import (
    MAX_NUMBER,
    Frame,
    FrameParser,
    RelpError,
    Response,
    parse_offers,
    parse_response,
)

FRAMES = st.builds(
    Frame,
    st.integers(min_value=0, max_value=MAX_NUMBER),
    st.from_regex(r"[a-zA-Z]{1,32}", fullmatch=True),
    st.binary(max_size=300),
)


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(min_value=1, max_value=40), max_size=80))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[Frame], cuts: list[int]
) -> None:
    """Data may hold anything, line ends and what looks like a frame among it."""
    content = b"".join(frame.encode() for frame in frames)
    parser, got = FrameParser(), []
    for cut in cuts:
        got += parser.feed(content[:cut])
        content = content[cut:]
    got += parser.feed(content)
    assert got == frames


@given(
    st.lists(st.one_of(st.binary(max_size=80), st.from_regex(rb"[0-9a-z \n]{0,80}")), max_size=9)
)
def test_anything_else_is_an_error_or_held_within_bounds(parts: list[bytes]) -> None:
    """No other exception, and never more than a frame in memory."""
    parser = FrameParser(max_data=64)
    with contextlib.suppress(RelpError):
        for part in parts:
            parser.feed(part)
            assert len(parser._held) <= 64 + 54


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b" ",
        b"1 rsp x",
        b"1 r2p 0\n",
        b"1  0\n",
        b"1234567890 rsp 0\n",
        b"1 rsp 1234567890",
        b"1 rsp 3\n",
        b"1 rsp 3 abcd",
        b"1 rsp 0 x",
        b"-1 rsp 0\n",
        b"1 " + b"a" * 33,
        b"1 rsp 65 ",
    ],
)
def test_what_can_not_become_a_frame_is_noticed_at_once(content: bytes) -> None:
    """Not only once the bytes of a frame are there, which might never come."""
    with pytest.raises(RelpError):
        FrameParser(max_data=64).feed(content)


def test_a_frame_without_data_has_two_forms() -> None:
    """With a space before the line end, as the grammar allows to read it, and without."""
    assert FrameParser().feed(b"0 serverclose 0\n7 rsp 0 \n") == [
        Frame(0, "serverclose"),
        Frame(7, "rsp"),
    ]
    assert Frame(3, "close").encode() == b"3 close 0\n"
    assert Frame(3, "syslog", b"a\nb").encode() == b"3 syslog 3 a\nb\n"


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"200", Response(200, "", b"")),
        (b"200 OK", Response(200, "OK", b"")),
        (
            b"200 OK\nrelp_version=0\ncommands=syslog",
            Response(200, "OK", b"relp_version=0\ncommands=syslog"),
        ),
        (b"500 no room\xff", Response(500, "no room\ufffd", b"")),
        (b"500 " + b"x" * 999, Response(500, "x" * 200, b"")),
    ],
)
def test_responses_are_read(data: bytes, want: Response) -> None:
    """Code, text, data; the text is bounded."""
    assert parse_response(data) == want


@given(st.binary(max_size=60))
def test_a_response_without_a_code_is_an_error(data: bytes) -> None:
    """And nothing else is one."""
    has_code = data[:3].isdigit() and len(data) >= 3 and data[3:4] in {b"", b" ", b"\n"}
    if has_code:
        assert parse_response(data).code == int(data[:3])
    else:
        with pytest.raises(RelpError):
            parse_response(data)


def test_offers_are_read() -> None:
    """Names with their values; what is none is left out."""
    assert parse_offers(b"\nrelp_version=0\n\ncommands=syslog, other\nodd\n=x") == {
        "relp_version": ["0"],
        "commands": ["syslog", "other"],
        "odd": [""],
    }
