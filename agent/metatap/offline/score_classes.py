"""Flows of stored sources with the class of their window, in the order of the stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.context import Context
from metatap.detector import SequenceModel
from metatap.features import encode
from metatap.flow import FlowBatch
from metatap.offline.classified import Classified
from metatap.offline.score_windows import HELD, STEP, Due, Windows, pair_keys
from metatap.offline.stream import closing_all, read
from metatap.offline.uids import uid_texts
from metatap.offline.writers import Writer
from metatap.sources import Source

FloatArray = npt.NDArray[np.float32]


@dataclass(slots=True)
class WrittenClasses:
    """What was written.

    Attributes:
        rows: Rows written, one a flow that has a class.
        windows: Windows scored.
        flows_of: int64 [C], flows of each class.
        seconds: Time from the first read to the last write.
        unscored: Flows of windows the model gave no probabilities for; no row is written of them.
    """

    rows: int
    windows: int
    flows_of: npt.NDArray[np.int64]
    seconds: float
    unscored: int = 0


_WAITS, _UNSCORED = -1, -2
"""Instead of a class: of a flow whose window is not scored yet, or that can't be scored."""


class SequenceScorer:
    """Groups flows into windows, scores these, and gives the flows back in their order.

    Attributes:
        windows: Windows scored so far.
        unscored: Flows so far of windows the model gave no probabilities for; they are not given
            back.
    """

    def __init__(self, model: SequenceModel, *, held: int = HELD, step: int = STEP) -> None:
        """A scorer without flows; `held` and `step` as in `score_windows`."""
        self.windows = 0
        self.unscored = 0
        self._model = model
        self._held, self._step = held, step
        self._first = 0
        self._uids: list[str] = []
        self._code = np.zeros(0, np.intp)
        self._probability = np.zeros(0, np.float32)
        self._window = np.zeros(0, np.int64)
        self._waiting = self._fresh()

    def add(self, batch: FlowBatch, features: FloatArray) -> Classified:
        """Take a batch, with its full feature matrix; the flows whose turn has come.

        Raises:
            ModelError: the model fails.
        """
        rows = batch.rows
        self._uids += uid_texts(batch)
        self._code = np.r_[self._code, np.full(rows, _WAITS)]
        self._probability = np.r_[self._probability, np.zeros(rows, np.float32)]
        self._window = np.r_[self._window, np.zeros(rows, np.int64)]
        self._score(self._waiting.add(pair_keys(batch), self._model.select(features)))
        return self._given()

    def end(self) -> Classified:
        """All flows that are left; what comes later is another stream."""
        self._score(self._waiting.end())
        found = self._given()
        self._first, self._waiting = 0, self._fresh()
        return found

    def _fresh(self) -> Windows:
        meta = self._model.meta
        return Windows(meta.length, len(meta.features), held=self._held, step=self._step)

    def _score(self, windows: Iterable[Due]) -> None:
        for due in windows:
            probability = self._model.classify(due.sequences, due.mask)
            best = np.where(np.isnan(probability).any(1), _UNSCORED, probability.argmax(1))
            at = due.number - self._first
            self._code[at] = best[due.window]
            self._probability[at] = probability.max(1)[due.window]
            self._window[at] = self.windows + due.window
            self.windows += len(best)

    def _given(self) -> Classified:
        """The flows before the first one that still waits."""
        waiting = np.flatnonzero(self._code == _WAITS)
        count = int(waiting[0]) if len(waiting) else len(self._code)
        rows = np.flatnonzero(self._code[:count] != _UNSCORED)
        self.unscored += count - len(rows)
        found = Classified(
            [self._uids[row] for row in rows.tolist()],
            self._code[rows],
            self._probability[rows],
            self._window[rows],
        )
        self._first += count
        self._uids = self._uids[count:]
        self._code, self._probability = self._code[count:], self._probability[count:]
        self._window = self._window[count:]
        return found


def classify_sources(
    sources: Sequence[Source],
    scorer: SequenceScorer,
    context: Context,
    batch_rows: int,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[Classified]:
    """Every flow of the sources, in order; windows end with each source and capture.

    Sources are closed when the stream ends, however it ends.

    Args:
        sources: Open sources.
        scorer: Without flows.
        context: What is remembered of hosts; it is forgotten first.
        batch_rows: Flows taken at once, at most.
        on_batch: Told the number of flows of each batch.

    Raises:
        SourceError: a source itself failed.
        ModelError: the model fails.
    """
    with closing_all(sources):
        for source in sources:
            context.reset()
            capture = None
            for batch in read(source):
                if batch.origin.capture != capture:
                    capture = batch.origin.capture
                    yield scorer.end()
                for chunk in batch.chunks(batch_rows):
                    yield scorer.add(chunk, encode(chunk, context.update(chunk)))
                if on_batch is not None:
                    on_batch(batch.rows)
            yield scorer.end()


def write_classes(
    found: Iterable[Classified], scorer: SequenceScorer, classes: int, writer: Writer[Classified]
) -> WrittenClasses:
    """Write one row for each flow that has a class, in their order.

    Args:
        found: From `classify_sources`.
        scorer: What scores them.
        classes: C.
        writer: Open; it is not closed.
    """
    begin = time.perf_counter()
    written = WrittenClasses(0, 0, np.zeros(classes, np.int64), 0.0)
    for part in found:
        written.rows += writer.write(part)
        written.flows_of += np.bincount(part.code, minlength=classes)
    written.windows, written.unscored = scorer.windows, scorer.unscored
    written.seconds = time.perf_counter() - begin
    return written
