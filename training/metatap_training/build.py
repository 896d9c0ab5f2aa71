"""The work behind the commands: clean, train, examine."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metatap_training.datasets import (
    BENIGN,
    MALICIOUS,
    Flows,
    Source,
    Terms,
    find_flows,
    load_sources,
    read_sources,
)
from metatap_training.export import Bundle, make_bundle
from metatap_training.export.graph import build_graph
from metatap_training.export.parity import check_parity, rounding
from metatap_training.export.runner import Runner
from metatap_training.export.speed import measure
from metatap_training.learners import Recipe
from metatap_training.learners.fit import fit
from metatap_training.preprocess import clean, read_groups
from metatap_training.preprocess.groups import require

PARITY_ROWS = 512
Step = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Data:
    """Cleaned flows and where they come from."""

    flows: Flows
    sources: tuple[Source, ...]
    dropped: dict[str, int]

    def under(self, *terms: Terms) -> Flows:
        """The flows of sources with one of the terms."""
        names = [source.name for source in self.sources if source.terms in terms]
        return self.flows.take(np.isin(self.flows.source, np.array(names)))

    @property
    def trainable(self) -> Flows:
        """Flows that may train a shipped model."""
        return self.under(Terms.YES, Terms.WEIGHTS)


def prepare(flows: Path | None, cache: Path | None) -> Data:
    """Read and clean all sources.

    Raises:
        DataError: the flows are not there or malformed.
        GroupError: a family has no group.
    """
    folder = find_flows(flows)
    sources = read_sources(folder)
    published = load_sources(folder, sources, cache)
    require(read_groups(), set(published.family[published.label == MALICIOUS]))
    cleaned = clean(published)
    return Data(cleaned.flows, tuple(sources), cleaned.dropped)


def train_final(data: Data, recipe: Recipe, seed: int, on_step: Step) -> Bundle:
    """The model of all groups, with its reference background and self-test."""
    torch.set_num_threads(1)
    model, scaling = fit(
        data.trainable, recipe, seed, lambda *_: on_step(1 / recipe.steps / recipe.members)
    )
    return make_bundle(model, scaling, data.under(Terms.YES))


def examine(bundle: Bundle, data: Data) -> dict[str, Any]:
    """Parity of the graph in float32 with PyTorch; what integers round, and cost of the file.

    Raises:
        DataError: the graph differs from PyTorch.
    """
    exact = Runner(build_graph(bundle.model, bundle.scaling))
    shipped = Runner(bundle.proto({}))
    rows = np.random.default_rng(0).permutation(len(data.flows))[:PARITY_ROWS]
    features = data.flows.features[rows]
    ground = bundle.background.astype(np.float32)
    benign = np.flatnonzero(data.flows.label == BENIGN)
    benign = np.random.default_rng(0).permutation(benign)[: len(ground)]
    parity = check_parity(exact.session, bundle.model, bundle.scaling, features, ground).require()
    return {
        "parity": max(parity.score, parity.embedding, parity.head, parity.whole),
        "rounding": rounding(exact, shipped, features, bundle.support, data.flows.features[benign]),
        **measure(shipped.session, features, ground),
    }


def command_line(arguments: Sequence[str]) -> str:
    """The command that was run, without the folder its program lies in."""
    return shlex.join(["metatap-train", *arguments])


class Clock:
    """Minutes since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def minutes(self) -> float:
        """Minutes, to a tenth."""
        return round((time.monotonic() - self._start) / 60, 1)


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
