"""Model and packs made ready: one head and one threshold a pack, stacked for scoring.

A classifier's classes are rules of the same form, without flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from metatap.detector.cache import ReadyCache
from metatap.detector.classifier import Classifier
from metatap.detector.life import RECENT_LIMIT, Life, tell
from metatap.detector.load import Scorer
from metatap.detector.model import Model
from metatap.detector.ready import Ready
from metatap.packs import Pack, PackState, PackStatus

FloatArray = npt.NDArray[np.float32]

REFERENCE = "reference"
"""`threshold_source` of thresholds from the background inside the model file."""

LOCAL = "local"
"""`threshold_source` of thresholds from a background of the user's own."""

IN_MODEL = "model"
"""`threshold_source` of thresholds that a classifier's description states."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything one batch is scored with; replaced as a whole, never changed.

    Attributes:
        model: The model.
        packs: The P packs in force.
        heads: float32 [D, P'], from the model's `stack`; P' ≥ P, padded.
        thresholds: float32 [P'], +inf for padding: a score at or above it is a hit.
        support: For each pack, embeddings float32 [k, d] of its support flows; k = 0 for a class.
        refused: Pack id → why it is not in force.
        threshold_source: Where the thresholds come from: `reference`, `local` or `model`, or what
            `with_thresholds` was told.
        states: What became of every pack that was seen, those in quarantine too.
        background: float32 [m, d], flows of the user's own that heads and thresholds are of; None:
            those of the reference background in the model file alone.
    """

    model: Scorer
    packs: tuple[Pack, ...]
    heads: FloatArray
    thresholds: FloatArray
    support: tuple[FloatArray, ...]
    refused: dict[str, str]
    threshold_source: str = REFERENCE
    states: tuple[PackStatus, ...] = ()
    background: FloatArray | None = None

    @classmethod
    def of_classes(cls, model: Classifier) -> RuleSet:
        """The rules of a classifier: its classes, with the thresholds of its description."""
        rules = model.meta.rules
        return cls(
            model,
            tuple(rule.pack for rule in rules),
            model.stack([rule.column for rule in rules]),
            np.array([rule.threshold for rule in rules], np.float32),
            tuple(np.zeros((0, len(model.meta.classes)), np.float32) for _ in rules),
            {},
            IN_MODEL,
        )

    @classmethod
    def build(
        cls,
        model: Model,
        packs: Sequence[Pack],
        rate: float,
        background: FloatArray | None = None,
        *,
        recent: FloatArray | None = None,
        limit: float | None = None,
        cache: ReadyCache | None = None,
        quarantined: Sequence[PackStatus] = (),
        local: FloatArray | None = None,
    ) -> RuleSet:
        """Adapt a head to each pack and set its threshold on a background of benign flows.

        A pack is quarantined, the others unaffected, if its head is not finite, if it is unfit (see
        `judge.weakness`), or if it is new and would have flagged more than `limit` of `recent`. A
        pack that passed this once with the model, by the `cache`, does not have to again: an attack
        going on must not end its detection.

        Args:
            model: The model.
            packs: The packs, ids unique.
            rate: Target share of flows over each pack's threshold.
            background: float32 [m, d], embeddings of benign flows, m ≥ 1; None: the reference
                background in the model file.
            recent: float32 [r, d], embeddings of flows seen lately; fewer than
                `life.RECENT_LEAST` are reported on, but quarantine nothing. None: there are none.
            limit: Most share of `recent` a new pack may flag; None: `RECENT_LIMIT`.
            cache: What became of packs before.
            quarantined: Packs that were not taken when they were read, for `states`.
            local: float32 [l, d], embeddings of the network's own flows; they join the background,
                see `trim`. A pack that would be unfit with them is made without.
        """
        own = background if local is None else local
        if background is None:
            background = model.meta.background.embedding
        most = RECENT_LIMIT if limit is None else limit
        life = Life(model, rate, background, recent, most, cache, local)
        kept: list[Ready] = []
        states = list(quarantined)
        for pack in packs:
            status, ready = life.lead(pack)
            states.append(status)
            if ready is not None:
                kept.append(ready)
        tell(states, cache)
        return cls.of_ready(
            model,
            kept,
            refused={s.id: s.reason for s in states[len(quarantined) :] if s.fault},
            source=REFERENCE if own is None else LOCAL,
            states=tuple(states),
            background=own,
        )

    @classmethod
    def of_ready(
        cls,
        model: Model,
        ready: Sequence[Ready],
        *,
        refused: dict[str, str] | None = None,
        source: str = REFERENCE,
        states: tuple[PackStatus, ...] = (),
        background: FloatArray | None = None,
    ) -> RuleSet:
        """The rules of P packs made ready, whether or not they are fit to be in force.

        Args:
            model: The model they were made with.
            ready: The packs.
            refused: As the attribute.
            source: Where the thresholds come from.
            states: As the attribute.
            background: As the attribute.
        """
        heads = model.stack([each.head for each in ready])
        thresholds = np.full(heads.shape[1], np.inf, np.float32)
        thresholds[: len(ready)] = [each.threshold for each in ready]
        return cls(
            model,
            tuple(each.pack for each in ready),
            heads,
            thresholds,
            tuple(each.support for each in ready),
            refused or {},
            source,
            states,
            background,
        )

    def with_thresholds(self, thresholds: FloatArray, source: str) -> RuleSet:
        """The same rules with other thresholds.

        Args:
            thresholds: float32 [P'], finite or +inf; what stands for padding is not looked at.
            source: Where they come from, as `threshold_source`.

        Raises:
            ValueError: they are of another shape, or one is NaN or −inf.
        """
        count = len(self.packs)
        given = np.asarray(thresholds, np.float32)
        if given.shape != self.thresholds.shape or not (given[:count] > -np.inf).all():
            raise ValueError(f"thresholds: not {len(self.thresholds)} numbers above -inf")
        new = np.full_like(self.thresholds, np.inf)
        new[:count] = given[:count]
        at = {pack.id: float(value) for pack, value in zip(self.packs, new, strict=False)}
        states = tuple(
            replace(status, threshold=at[status.id])
            if status.state is PackState.ACTIVE and status.id in at
            else status
            for status in self.states
        )
        return replace(self, thresholds=new, threshold_source=source, states=states)
