"""Streams of episodes side by side, each with its own draws and its own noise.

Lane 0 is what one process draws alone. Rank r of several draws lane r, and one process that takes
all lanes in turn takes the very same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from metatap_training.datasets.flows import IntArray
from metatap_training.episodes import Episode, Sampler


class Lanes:
    """Draws from each lane in turn; stands in for a `Sampler`.

    Attributes:
        scaled: float32 [n, F], normalised features of all flows.
    """

    def __init__(self, make: Callable[[int], Sampler], seed: int, lanes: Sequence[int]) -> None:
        """Make the samplers.

        Args:
            make: A sampler of the flows from its seed.
            seed: Seed of all lanes.
            lanes: Their numbers, at least one.
        """
        self._first = make(seed)
        self.scaled = self._first.scaled
        self._samplers = [make(_seed(seed, lane)) if lane else self._first for lane in lanes]
        for sampler in self._samplers:
            sampler.scaled = self.scaled
        self._noise = [
            torch.Generator().manual_seed(_seed(seed, lane)).get_state() if lane else None
            for lane in lanes
        ]
        self._turn: int | None = None

    def spread(self, per_network: int) -> IntArray:
        """Rows of all networks, at most `per_network` of each; the same ones in every rank."""
        return self._first.spread(per_network)

    def draw(self) -> Episode:
        """The next episode of the lane whose turn it is, whose noise PyTorch draws until the next.

        Raises:
            DataError: as `Sampler.draw`.
        """
        self._next_lane()
        return self._samplers[self._turn or 0].draw()

    def _next_lane(self) -> None:
        if self._turn is None:
            self._turn = 0
        else:
            self._noise[self._turn] = torch.get_rng_state()
            self._turn = (self._turn + 1) % len(self._samplers)
        noise = self._noise[self._turn]
        if noise is not None:
            torch.set_rng_state(noise)


def _seed(seed: int, lane: int) -> int:
    return int(np.random.SeedSequence([seed, lane]).generate_state(1)[0])
