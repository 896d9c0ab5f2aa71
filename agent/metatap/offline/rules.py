"""Model and packs for work on stored flows, on a background of the user's own or the model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metatap.context import Context
from metatap.detector import Classifier, RuleSet, Scorer, open_scorer, shipped_model
from metatap.errors import ConfigError, PackError
from metatap.offline.background import FloatArray, sample_background
from metatap.offline.stream import flows
from metatap.runtime.build import load_packs, shipped_packs
from metatap.runtime.settings import Config
from metatap.sources import Source


@dataclass(frozen=True, slots=True)
class OfflineRules:
    """What stored flows are scored with.

    Attributes:
        rules: Model and packs, packs in order of their ids.
        faults: Files of the folder that are no pack.
        background: Flows of the user's own background; 0: the model's reference is used.
    """

    rules: RuleSet
    faults: tuple[PackError, ...]
    background: int = 0


def offline_rules(
    config: Config,
    background: Sequence[Source] = (),
    on_batch: Callable[[int], None] | None = None,
    model: Scorer | None = None,
) -> OfflineRules:
    """Load model and packs and make them ready.

    Args:
        config: Says which model, which packs and the rate of the thresholds.
        background: Open sources of benign flows; read to their end.
        on_batch: Told the number of flows of each batch of them.
        model: The model, loaded already; None: it is loaded.

    Raises:
        MetatapError: the model, the folder of packs or the background is unusable, no pack is
            in force, or packs or a background are given beside a classifier.
    """
    if model is None:
        model = open_scorer(config.model or shipped_model(), threads=config.detector.threads)
    if isinstance(model, Classifier):
        if background or config.packs is not None:
            raise ConfigError(f"{model.path}: a classifier takes neither packs nor a background")
        return OfflineRules(RuleSet.of_classes(model), ())
    packs, faults = load_packs(config)
    embedding: FloatArray | None = None
    if background:
        context = Context(config.detector.context_entries)
        embedding = sample_background(flows(background, context), model, on_batch=on_batch)
    packs.sort(key=lambda pack: pack.id)
    rules = RuleSet.build(model, packs, config.detector.false_positive_rate, embedding)
    if not rules.packs:
        why = [f"pack {name}: refused: {reason}" for name, reason in rules.refused.items()]
        why += [str(fault) for fault in faults]
        raise ConfigError(*why, f"{config.packs or shipped_packs()}: no pack is in force")
    return OfflineRules(rules, tuple(faults), 0 if embedding is None else len(embedding))
