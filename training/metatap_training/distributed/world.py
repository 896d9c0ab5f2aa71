"""The processes that train together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

from metatap_training.datasets.sources import DataError
from metatap_training.learners import MetaRidge


@dataclass(slots=True)
class World:
    """This process among those that train together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1
    _agreed: bool = field(default=False, repr=False)

    def average(self, model: MetaRidge) -> None:
        """Make every rank's gradients their mean over all ranks.

        The first time the weights, which are still those they began with, are compared.

        Raises:
            DataError: the ranks began with different weights.
        """
        if self.size == 1:
            return
        parameters = list(model.parameters())
        if not self._agreed:
            self._agree(torch.cat([p.detach().ravel() for p in parameters]))
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([gradient.ravel() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def _agree(self, weights: torch.Tensor) -> None:
        highest, lowest = weights.clone(), weights.clone()
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        dist.all_reduce(lowest, dist.ReduceOp.MIN)
        if not torch.equal(highest, lowest):
            raise DataError("the processes began with different weights: do they read other data?")
        self._agreed = True


@contextmanager
def join() -> Iterator[World]:
    """The world that `torchrun` started this process in; without it, this process alone.

    The processes talk by Gloo, so no GPU is needed.
    """
    if not dist.is_torchelastic_launched():
        yield World()
        return
    dist.init_process_group("gloo")
    try:
        yield World(int(os.environ["RANK"]), dist.get_world_size())
    finally:
        dist.destroy_process_group()
