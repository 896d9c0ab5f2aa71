"""Frames of the Reliable Event Logging Protocol, RELP (librelp's doc/relp.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from metatap.errors import MetatapError

MAX_DATA = 131_072
"""Bytes of data of a frame, at most, by the specification."""

MAX_NUMBER = 999_999_999
"""The last transaction number; the next is 1."""

_HEADER = re.compile(rb"([0-9]{1,9}) ([a-zA-Z]{1,32}) ([0-9]{1,9})([ \n])")
_MAX_HEADER = 9 + 1 + 32 + 1 + 9 + 1
_RESPONSE = re.compile(rb"([0-9]{3})(?: ([^\n]*))?(?:\n(.*))?", re.DOTALL)
_MAX_TEXT = 200


class RelpError(MetatapError):
    """What came is no RELP."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A command, a response or a hint.

    Attributes:
        number: Of the transaction, 0 for a hint.
        command: 1 to 32 letters, e.g. `rsp`.
        data: What belongs to it.
    """

    number: int
    command: str
    data: bytes = b""

    def encode(self) -> bytes:
        """The frame as it travels."""
        head = b"%d %s %d" % (self.number, self.command.encode(), len(self.data))
        return b"%s %s\n" % (head, self.data) if self.data else head + b"\n"


@dataclass(frozen=True, slots=True)
class Response:
    """What a receiver answered.

    Attributes:
        code: 200 is good, all else is not.
        text: For people, at most 200 characters.
        data: What belongs to it, e.g. the offers.
    """

    code: int
    text: str
    data: bytes


class FrameParser:
    """Frames from a stream in parts of any size; holds one frame at most."""

    def __init__(self, max_data: int = MAX_DATA) -> None:
        """A parser at the start of a stream.

        Args:
            max_data: Bytes of data of a frame, at most.
        """
        self._max_data = max_data
        self._held = bytearray()

    def feed(self, content: bytes) -> list[Frame]:
        """The frames that are whole by now.

        Raises:
            RelpError: the stream breaks the protocol, and nothing after it can be understood.
        """
        self._held += content
        frames = []
        at = 0
        while (found := self._frame(at)) is not None:
            frame, at = found
            frames.append(frame)
        del self._held[:at]
        return frames

    def _frame(self, at: int) -> tuple[Frame, int] | None:
        """The frame that begins at an offset and the offset after it, None: not whole yet."""
        header = _HEADER.match(self._held, at, at + _MAX_HEADER)
        if header is None:
            if len(self._held) - at < _MAX_HEADER and _may_be_header(self._held[at:]):
                return None
            raise RelpError(f"no frame: {bytes(self._held[at : at + 32])!r}")
        number, size = int(header[1]), int(header[3])
        if size > self._max_data:
            raise RelpError(f"a frame of {size} bytes, more than {self._max_data}")
        begin = header.end() if size or header[4] == b" " else header.end() - 1
        if size and header[4] != b" ":
            raise RelpError(f"a frame of {size} bytes without data")
        end = begin + size
        if len(self._held) <= end:
            return None
        if self._held[end] != 0x0A:
            raise RelpError("a frame does not end where it says")
        return Frame(number, header[2].decode(), bytes(self._held[begin:end])), end + 1


def parse_response(data: bytes) -> Response:
    """The data of a `rsp` frame.

    Raises:
        RelpError: it has no code.
    """
    found = _RESPONSE.fullmatch(data)
    if found is None:
        raise RelpError(f"no response: {data[:32]!r}")
    text = (found[2] or b"").decode(errors="replace")[:_MAX_TEXT]
    return Response(int(found[1]), text, found[3] or b"")


def parse_offers(data: bytes) -> dict[str, list[str]]:
    """Name → values of the offers of an `open` or its response; what is no offer is left out."""
    offers = {}
    for line in data.decode(errors="replace").split("\n"):
        name, _, values = line.partition("=")
        if name:
            offers[name.strip()] = [value.strip() for value in values.split(",")]
    return offers


def _may_be_header(held: bytearray) -> bool:
    """Whether a header can begin like this."""
    parts = bytes(held).split(b" ")
    return len(parts) <= 3 and all(
        (part == b"" and at == len(parts) - 1)
        or (part.isalpha() and len(part) <= 32 if at == 1 else part.isdigit() and len(part) <= 9)
        for at, part in enumerate(parts)
    )
