"""A source by what a person writes: a URL, or the name of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from metatap.errors import SourceError
from metatap.sources.base import Source
from metatap.sources.logs import LogOptions, ZeekLogs
from metatap.sources.logs.files import is_conn
from metatap.sources.options import WireOptions
from metatap.sources.recording import RecordingSource
from metatap.sources.recording_file import SUFFIX
from metatap.sources.zeek_zeromq import ZeekZeroMQ

LOGS = ZeekLogs.name

Opener = Callable[[str, dict[str, Any]], Source]
"""Text and options → source; raises `SourceError`."""


def _zeek(text: str, options: dict[str, Any]) -> Source:
    return ZeekZeroMQ.from_url(text, WireOptions().with_values(options))


def _recording(text: str, options: dict[str, Any]) -> Source:
    return RecordingSource(Path(text), WireOptions().with_values(options))


def _logs(text: str, options: dict[str, Any]) -> Source:
    path, _, query = text.removeprefix(f"{LOGS}://").partition("?")
    try:
        values = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        return ZeekLogs(Path(path), LogOptions().with_values(options).with_text(values))
    except (SourceError, ValueError) as error:
        named = text == path and str(error).startswith(str(Path(path)))
        raise SourceError(str(error) if named else f"{text}: {error}") from None


SCHEMES: dict[str, Opener] = {
    "zeek+tcp": _zeek,
    "zeek+ipc": _zeek,
    LOGS: _logs,
}
"""URL scheme → how to open it. A new kind of source adds a line here or below."""

SUFFIXES: dict[str, Opener] = {
    SUFFIX: _recording,
}
"""End of a file's name → how to open it."""


def open_source(text: str, **options: Any) -> Source:
    """A source from a URL or a file name.

    Args:
        text: E.g. `zeek+tcp://127.0.0.1:5556?bind=1` (see `endpoint`), `lab.mtrec`, a folder of
            Zeek's logs, a conn log, or `zeek+logs://PATH?batch_rows=512`.
        **options: Fields of `WireOptions`, for logs of `LogOptions`; those in the URL come first.

    Raises:
        SourceError: an unknown kind of source or option, or the source can't be opened.
    """
    scheme, separator, _ = text.partition("://")
    if separator:
        opener = SCHEMES.get(scheme)
    elif text and (Path(text).is_dir() or is_conn(Path(text).name)):
        opener = _logs
    else:
        opener = next((make for end, make in SUFFIXES.items() if text.endswith(end)), None)
    if opener is None:
        known = [f"{name}://" for name in SCHEMES] + [f"*{end}" for end in SUFFIXES]
        known += ["conn*.log", "conn*.jsonl", "a folder with such files"]
        raise SourceError(f"{text}: not a source that is known: {', '.join(known)}")
    return opener(text, options)
