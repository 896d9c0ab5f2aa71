"""Tables of an ablation, the rate they are read at, and their draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from metatap_training.evaluate.draws import Draw, Drawer

RATE = 1e-3
"""False-positive rate that a threshold is read at, on the query negatives."""

SUPPORTS = (1, 5, 10)
NULL_SUPPORT = 5

Table = str
OPEN, NULL, HOME = "main", "null", "home"
"""Families in held-out networks; null packs; the first again, looked for among the benign flows of
the very networks the threat is in."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Size of an ablation.

    Attributes:
        draws: Support draws a family and K.
        supports: Values of K.
        seed: Seed of draws and training.
    """

    draws: int = 10
    supports: tuple[int, ...] = SUPPORTS
    seed: int = 0


def tables(drawer: Drawer, settings: Settings, table: Table) -> Iterator[tuple[Table, Draw]]:
    """The draws of `OPEN` or `HOME`; those of null packs come with `OPEN`."""
    for k in settings.supports:
        for draw in drawer.threats(k, settings.draws):
            chosen = drawer.at_home(draw) if table == HOME else draw
            if chosen is not None:
                yield table, chosen
    if table == OPEN:
        yield from ((NULL, draw) for draw in drawer.nulls(NULL_SUPPORT, settings.draws))
