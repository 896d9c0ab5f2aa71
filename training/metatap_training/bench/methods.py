"""What a method is: fitted once on what a fold leaves, asked once a problem."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from metatap_training.bench.problem import Answer, Problem
from metatap_training.datasets import Flows


class Fitted(Protocol):
    """A method that has seen the training flows of a fold."""

    def answer(self, problem: Problem) -> Answer:
        """Adapt to support and background, score the queries."""
        ...


class Method(Protocol):
    """A way to learn from a few examples."""

    @property
    def name(self) -> str:
        """As in the results."""
        ...

    def fit(self, flows: Flows, seed: int) -> Fitted:
        """Learn from flows in which nothing of the fold is; the same for the same arguments."""
        ...


class Kept(Fitted, Protocol):
    """A fitted method that can be written to a file."""

    def save(self, path: Path) -> None:
        """Write it, without code."""
        ...


@runtime_checkable
class Trained(Protocol):
    """A method whose training takes long enough to keep what comes of it."""

    @property
    def training(self) -> object:
        """All that what it learns depends on, flows and seed aside; told by its `repr`."""
        ...

    def fit(self, flows: Flows, seed: int) -> Kept:
        """See `Method`."""
        ...

    def read(self, path: Path) -> Kept:
        """A file of `Kept.save`."""
        ...
