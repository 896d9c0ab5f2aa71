"""Stored sources as one stream of flows, each with its context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import numpy.typing as npt

from metatap.context import Context
from metatap.errors import SourceError
from metatap.flow import FlowBatch
from metatap.sources import Source, open_source

FloatArray = npt.NDArray[np.float32]

LIVE = ("zeek+tcp", "zeek+ipc")
"""URL schemes of sources that have no end."""

_WAIT_S = 1.0


def open_sources(texts: Sequence[str]) -> list[Source]:
    """Sources that end, from URLs or file names, all open.

    Raises:
        SourceError: one is live or can't be opened, in which case none stays open; names it.
    """
    for text in texts:
        scheme, separator, _ = text.partition("://")
        if separator and scheme in LIVE:
            raise SourceError(
                f"{text}: a live source has no end; `metatap record` makes a recording of it"
            )
    with ExitStack() as opened:
        sources: list[Source] = []
        for text in texts:
            source = open_source(text)
            opened.callback(source.close)
            sources.append(source)
        opened.pop_all()
        return sources


@contextmanager
def closing_all(sources: Sequence[Source]) -> Iterator[Sequence[Source]]:
    """The sources, closed at the end, however it comes and whether they were read or not."""
    with ExitStack() as opened:
        for source in sources:
            opened.callback(source.close)
        yield sources


def read(source: Source) -> Iterator[FlowBatch]:
    """All batches of a source, which is closed afterwards.

    Raises:
        SourceError: the source itself failed.
    """
    try:
        while not source.done:
            batch = source.read(_WAIT_S)
            if batch is not None:
                yield batch
    finally:
        source.close()


def with_context(
    batches: Iterable[FlowBatch], context: Context
) -> Iterator[tuple[FlowBatch, FloatArray]]:
    """Each batch of n flows with the context of its flows, float32 [n, C]; takes it in."""
    for batch in batches:
        yield batch, context.update(batch)


def flows(sources: Sequence[Source], context: Context) -> Iterator[tuple[FlowBatch, FloatArray]]:
    """All batches of several sources in order, each with its context, float32 [n, C].

    Context starts anew with each source. Sources are closed when the stream ends, however it ends.

    Args:
        sources: Open sources.
        context: What is remembered; it is forgotten first.

    Raises:
        SourceError: a source itself failed.
    """
    with closing_all(sources):
        for source in sources:
            context.reset()
            yield from with_context(read(source), context)
