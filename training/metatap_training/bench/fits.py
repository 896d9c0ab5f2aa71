"""Methods fitted to what a fold leaves: trained once, kept by a digest of all that made them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from metatap_training import baselines, episodes, learners, preprocess
from metatap_training.bench.cells import Table
from metatap_training.bench.entrants import SHIPPED, Entrant
from metatap_training.bench.folds import Fold
from metatap_training.bench.methods import Fitted, Trained
from metatap_training.bench.peers import Peer
from metatap_training.bench.world import World
from metatap_training.preprocess import Scaling, fit_scaling

HOME_TABLES = (Table.OWN, Table.TECHNIQUE)
"""Tables whose models have seen no network that a family of the fold lives in; so have those of
null packs of hosts, which are looked for in such a network."""


def code_digest(*packages: object) -> str:
    """Hash of the Python files of packages."""
    state = hashlib.sha256()
    for package in packages:
        for path in sorted(Path(str(getattr(package, "__file__", ""))).parent.glob("*.py")):
            state.update(path.name.encode())
            state.update(path.read_bytes())
    return state.hexdigest()[:16]


class Fits:
    """The fitted methods of a benchmark."""

    def __init__(self, world: World, digest: str, cache: Path, seed: int) -> None:
        """Nothing is fitted yet.

        Args:
            world: All flows.
            digest: Of the flows and of the code that trains.
            cache: Folder for trained models.
            seed: Seed of training.
        """
        self._world, self._digest, self._cache, self._seed = world, digest, cache, seed
        self._held: dict[tuple[str, str, bool], Fitted] = {}
        self._scaling: dict[tuple[str, bool], Scaling] = {}

    def get(self, entrant: Entrant, fold: Fold, *, home: bool) -> Fitted:
        """A method fitted without what a fold holds out.

        Args:
            entrant: The method and what may train it.
            fold: What is held out.
            home: Hold out the networks of its families as well.

        Raises:
            BenchError: what is held out is among the training flows.
        """
        key = entrant.name, fold.name, home
        if key not in self._held:
            method = entrant.method
            if isinstance(method, Trained):
                self._held[key] = self._trained(entrant, method, fold, home=home)
            elif isinstance(method, Peer):
                self._held[key] = method.with_scaling(self._scaled(fold, home=home))
            else:
                part = self._world.part(entrant.terms, fold, home=home)
                self._held[key] = method.fit(part, self._seed)
        return self._held[key]

    def path(self, entrant: Entrant, method: Trained, fold: Fold, *, home: bool) -> Path:
        """Where what a method learned is kept; methods that learn the same share it."""
        facts = (self._digest, method.training, entrant.terms, fold, home, self._seed)
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:20]
        return self._cache / "bench" / f"{name}.pt"

    def _trained(self, entrant: Entrant, method: Trained, fold: Fold, *, home: bool) -> Fitted:
        path = self.path(entrant, method, fold, home=home)
        if path.is_file():
            return method.read(path)
        fitted = method.fit(self._world.part(entrant.terms, fold, home=home), self._seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        fitted.save(part)
        part.replace(path)
        return fitted

    def _scaled(self, fold: Fold, *, home: bool) -> Scaling:
        key = fold.name, home
        if key not in self._scaling:
            part = self._world.part(SHIPPED, fold, home=home)
            self._scaling[key] = fit_scaling(part, self._seed)
        return self._scaling[key]


def trainers_digest(world: World) -> str:
    """Of the flows and of the code that trains."""
    return f"{world.digest(training=True)}-{code_digest(learners, episodes, preprocess, baselines)}"
