"""One line of a log → its record, by what the line is: JSON, header, or below a header."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any

import msgspec

from metatap.flow.schema import STRING_MAX_BYTES
from metatap.sources.logs.faults import LineError
from metatap.sources.logs.fields import SECONDS_MAX, Form, as_text, flatten, layout, seconds_of
from metatap.sources.logs.summaries import TEXT_HELD
from metatap.sources.logs.tsv import TsvHeader

_AT = re.compile(r"at `\$\.?([^`]*)`")
_OUT_OF_BOUNDS = re.compile(r"(<=|>=) -?\d|out of range")

_ADDRESSES_HELD = 65_536
"""Addresses whose bytes are remembered: the same hosts come again and again."""

_LONG = 8192
"""Bytes of a conn line above which its texts are cut: Zeek's have some hundred."""

_MAPPED = b"\0" * 10 + b"\xff\xff"


class LineReader:
    """Reads the lines of one log."""

    def __init__(self, log: str, keep: tuple[str, ...] = ()) -> None:
        """Start at the head of a file.

        Args:
            log: Log name, a key of `FIELDS`.
            keep: Further fields to read, whatever their form.
        """
        self._layout = layout(log, keep)
        self._conn = log == "conn"
        self._texts = [
            self._layout.attributes[name]
            for name, form in self._layout.forms.items()
            if form in (Form.TEXT, Form.SERVICE, Form.ANY)
        ]
        self._decode = msgspec.json.Decoder(self._layout.struct).decode
        self._tsv = TsvHeader(self._layout)
        self._addresses: dict[str, bytes] = {}

    def restart(self) -> None:
        """Forget the header: another file begins."""
        self._tsv.restart()

    def read(self, line: bytes) -> Any:
        """What a line says, a struct of `layout`; None for an empty line, a header or a comment.

        `uid` is there; of a conn line the two ends are too, addresses as 16 bytes (IPv4 as
        ::ffff:a.b.c.d). `ts` is in seconds, a `service` of several words is joined by commas.

        Raises:
            LineError: the line can't be read.
        """
        found: Any = self._json(line) if line[:1] == b"{" else self._other(line)
        if found is None:
            return None
        if not found.uid:
            raise LineError("missing", "uid", "not there")
        if len(found.uid) > STRING_MAX_BYTES:
            raise LineError("range", "uid", f"more than {STRING_MAX_BYTES} characters")
        if found.capture is not None and len(found.capture) > STRING_MAX_BYTES:
            raise LineError("range", "capture", f"more than {STRING_MAX_BYTES} characters")
        ts = found.ts
        if ts is not None and (ts.__class__ is str or ts > SECONDS_MAX):
            found.ts = seconds_of(ts)
        if self._conn:
            self._settle(found, len(line))
        return found

    def _json(self, line: bytes) -> Any:
        try:
            return self._decode(line)
        except msgspec.ValidationError as error:
            text = str(error)
            at = _AT.search(text)
            reason = "range" if _OUT_OF_BOUNDS.search(text) else "type"
            raise LineError(reason, at[1] if at else "", text) from None
        except UnicodeDecodeError as error:
            raise LineError("line_not_utf8", "", str(error)) from None
        except RecursionError:
            raise LineError("too_deep", "", "JSON nested too deeply") from None
        except msgspec.DecodeError as error:
            raise LineError("not_json", "", str(error)) from None

    def _other(self, line: bytes) -> Any:
        if not line or line.isspace():
            return None
        stripped = line.lstrip()
        if stripped[:1] == b"{":
            return self._json(stripped)
        try:
            text = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise LineError("line_not_utf8", "", str(error)) from None
        if text[0] == "#":
            self._tsv.header(text)
            return None
        return self._tsv.record(text)

    def _settle(self, conn: Any, size: int) -> None:
        """Make the forms of a conn line one, and check its ends."""
        if conn.id is not None:
            flatten(conn)
        if conn.service.__class__ is list:
            conn.service = ",".join(word for word in conn.service if word)
        if conn.id_orig_p is None or conn.id_resp_p is None:
            raise LineError("missing", "id.orig_p, id.resp_p", "not there")
        conn.id_orig_h = self._address("id.orig_h", conn.id_orig_h)
        conn.id_resp_h = self._address("id.resp_h", conn.id_resp_h)
        if size > _LONG:
            # A batch holds many lines; of a text no more is used.
            for name in self._texts:
                text = as_text(getattr(conn, name))
                setattr(conn, name, None if text is None else text[:TEXT_HELD])

    def _address(self, field: str, text: str | None) -> bytes:
        if text is None:
            raise LineError("missing", field, "not there")
        packed = self._addresses.get(text)
        if packed is None:
            packed = _packed(field, text)
            if len(self._addresses) >= _ADDRESSES_HELD:
                self._addresses.clear()
            self._addresses[text] = packed
        return packed


def _packed(field: str, text: str) -> bytes:
    """The 16 bytes of an address."""
    try:
        return _MAPPED + socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        pass
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise LineError("type", field, f"{text[:60]!r}: not an address") from None
    return address.packed if address.version == 6 else _MAPPED + address.packed
