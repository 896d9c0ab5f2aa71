"""Sources opened so that they keep fields beside their batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from metatap.errors import SourceError
from metatap.offline.stream import open_sources
from metatap.sources import Source, open_source


def open_kept(texts: Sequence[str], fields: tuple[str, ...]) -> list[Source]:
    """Logs whose fields are kept as text beside each batch, all open.

    Args:
        texts: URLs or file names.
        fields: Names of fields of conn.log.

    Raises:
        SourceError: one is live, no log or can't be opened, in which case none stays open; names
            it.
    """
    with ExitStack() as opened:
        sources: list[Source] = []
        for text in texts:
            try:
                source = open_source(text, keep=fields)
            except SourceError:
                # What can't be opened anyway is refused in the words for that.
                open_sources([text])[0].close()
                raise SourceError(
                    f"{text}: not a log, so it has no field {fields[0]}; a CSV file can give labels"
                ) from None
            opened.callback(source.close)
            sources.append(source)
        opened.pop_all()
        return sources
