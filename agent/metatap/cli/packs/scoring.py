"""Packs tried on stored sources, for `test` and `diff`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metatap.cli import say
from metatap.cli.meter import Meter
from metatap.cli.model import learner
from metatap.cli.stored import losses, own_background
from metatap.context import Context
from metatap.detector import Ready, RuleSet
from metatap.detector.detector import IMPOSSIBLE
from metatap.offline.pack_trial import Difference, Trial, run_trial, trial_rules
from metatap.offline.scoring import score_batches
from metatap.offline.stream import closing_all, open_sources
from metatap.packs import Pack
from metatap.runtime.settings import Config
from metatap.sources import Source


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
    with closing_all(open_sources(texts)) as sources:
        background = own_background(benign, model, config)
        rules, ready = trial_rules(model, packs, config.detector.false_positive_rate, background)
        rows = 0 if background is None else len(background)
        if not sources:
            return Tried(tuple(ready), background=rows)
        trials, difference = _score(rules, texts, sources, config)
    return Tried(tuple(ready), tuple(trials), difference, rows)


def score_sources(
    rules: RuleSet, texts: Sequence[str], config: Config
) -> tuple[list[Trial], Difference | None]:
    """Score stored sources with rules made ready; what was lost of the sources is said.

    Args:
        rules: Of P packs.
        texts: The sources.
        config: Says how many flows are scored at once, and what is remembered of hosts.

    Returns:
        What each pack flagged; of two packs, how they differ too.

    Raises:
        MetatapError: a source is unusable, or the model can't score it.
    """
    with closing_all(open_sources(texts)) as sources:
        return _score(rules, texts, sources, config)


def _score(
    rules: RuleSet, texts: Sequence[str], sources: Sequence[Source], config: Config
) -> tuple[list[Trial], Difference | None]:
    context = Context(config.detector.context_entries)
    with Meter("scoring", sources) as meter:
        batches = score_batches(sources, rules, context, config.detector.batch_rows)
        trials, difference = run_trial(batches, len(rules.packs), meter.advance)
    losses(texts, sources)
    if trials[0].unscored:
        say(f"{trials[0].unscored:,} flows left out: {IMPOSSIBLE}")
    return trials, difference
