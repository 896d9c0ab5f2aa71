"""Packs tried on stored sources, for `test` and `diff`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metatap.cli.meter import Meter
from metatap.cli.past import learner
from metatap.cli.stored import losses
from metatap.context import Context
from metatap.detector import Model, Ready
from metatap.offline.background import FloatArray, sample_background
from metatap.offline.pack_trial import Difference, Trial, run_trial, trial_rules
from metatap.offline.scoring import score_batches
from metatap.offline.stream import flows, open_sources
from metatap.packs import Pack
from metatap.runtime.settings import Config


@dataclass(frozen=True, slots=True)
class Tried:
    """Packs made ready, and what they flagged.

    Attributes:
        ready: Each pack.
        trials: What each flagged; without sources there is nothing.
        difference: Of two packs, how their scores differ.
        background: Flows of the user's own background; 0: the model's reference.
    """

    ready: tuple[Ready, ...]
    trials: tuple[Trial, ...] = ()
    difference: Difference | None = None
    background: int = 0


def try_packs(
    packs: Sequence[Pack], texts: Sequence[str], benign: Sequence[str], config: Config
) -> Tried:
    """Make packs ready and score stored sources with them; what was lost of these is said.

    Args:
        packs: The packs.
        texts: The sources.
        benign: Sources of the background; none: that of the model.
        config: Says which model and which rate.

    Raises:
        MetatapError: a source, the model or the head of a pack is unusable.
    """
    model = learner(config)
    sources = open_sources(texts)
    background = _background(benign, model, config.detector.context_entries)
    rules, ready = trial_rules(model, packs, config.detector.false_positive_rate, background)
    rows = 0 if background is None else len(background)
    if not sources:
        return Tried(tuple(ready), background=rows)
    context = Context(config.detector.context_entries)
    with Meter("scoring", sources):
        batches = score_batches(sources, rules, context, config.detector.batch_rows)
        trials, difference = run_trial(batches, len(packs))
    losses(texts, sources)
    return Tried(tuple(ready), tuple(trials), difference, rows)


def _background(benign: Sequence[str], model: Model, entries: int) -> FloatArray | None:
    if not benign:
        return None
    sources = open_sources(benign)
    with Meter("background", sources) as meter:
        found = sample_background(flows(sources, Context(entries)), model, on_batch=meter.advance)
    losses([f"background {text}" for text in benign], sources)
    return found
