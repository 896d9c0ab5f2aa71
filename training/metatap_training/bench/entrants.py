"""Who takes part: each method with what may train it, its draws and its tables."""

from __future__ import annotations

from dataclasses import dataclass, replace

from metatap_training.baselines.maml import MamlRecipe
from metatap_training.bench.cells import Table
from metatap_training.bench.gradient import Maml
from metatap_training.bench.learner import Head, Learner
from metatap_training.bench.methods import Method
from metatap_training.bench.peers import PEERS, SINGLE
from metatap_training.datasets import Terms
from metatap_training.learners import Recipe

OWN = "metatap"
DRAWS, PEER_DRAWS = 50, 5

SHIPPED = (Terms.YES, Terms.WEIGHTS)
"""What may train a shipped model."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A method in the benchmark.

    Attributes:
        method: The method.
        draws: The first so many draws are its.
        terms: Terms of the sources that may train it.
        tables: Where it is measured.
        attacked: Measured under attack as well.
    """

    method: Method
    draws: int = PEER_DRAWS
    terms: tuple[Terms, ...] = SHIPPED
    tables: tuple[Table, ...] = tuple(Table)
    attacked: bool = False

    @property
    def name(self) -> str:
        """As in the results."""
        return self.method.name


_MAIN = (Table.RANDOM, Table.CAPTURE, Table.OWN)


def entrants(
    recipe: Recipe, draws: int = DRAWS, peer_draws: int = PEER_DRAWS, maml: MamlRecipe | None = None
) -> list[Entrant]:
    """All of them, the own learner first.

    Args:
        recipe: How the own learner is trained.
        draws: Draws of the own learner.
        peer_draws: Most draws of everybody else.
        maml: How MAML and ANIL are trained.
    """
    maml = maml or MamlRecipe()
    untrained = replace(recipe, steps=0)
    parts: list[Method] = [
        Learner(f"{OWN} (float32)", recipe, Head.OWN),
        Learner("trunk + logistic regression", recipe, Head.LOGISTIC),
        Learner("trunk + prototypes", recipe, Head.PROTOTYPES),
        Learner("no pre-training", untrained, Head.OWN),
        Maml("MAML", maml, recipe),
        Maml("ANIL", replace(maml, last=True), recipe),
    ]
    others = [
        Entrant(Learner(f"{OWN} (all data)", recipe), terms=tuple(Terms), tables=_MAIN),
        Entrant(Learner(f"{OWN} (open licences)", recipe), terms=(Terms.YES,), tables=_MAIN),
        *(Entrant(peer) for peer in PEERS),
        *(Entrant(peer, draws=1, tables=_MAIN) for peer in SINGLE),
        *(Entrant(part, tables=_MAIN) for part in parts),
    ]
    own = Entrant(Learner(OWN, recipe), draws, attacked=True)
    return [own, *(replace(one, draws=min(one.draws, peer_draws)) for one in others)]
