"""The model: several small learners, each trained by itself, that vote by the mean of their scores.

One learner's figure on a held-out threat depends on its first weights and on the episodes it
happened to see; the mean of several depends on them less and is better than the one large learner
of the same cost (docs/experiments.md). As every head is linear, the vote is one too: a head over
the members' embeddings side by side. So the agent sees one trunk and one head.

Source: Breiman, "Bagging predictors" (Machine Learning 24, 1996).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from metatap_training.learners.model import MetaRidge, Shape


class Committee(nn.Module):
    """M learners of the same shape.

    Attributes:
        members: The learners.
    """

    members: Sequence[MetaRidge]

    def __init__(self, members: Sequence[MetaRidge]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)  # type: ignore[assignment]

    @classmethod
    def untrained(cls, shape: Shape, members: int) -> Committee:
        """One with its first, random weights, to read trained ones into."""
        return cls([MetaRidge(shape) for _ in range(members)])

    @property
    def depth(self) -> int:
        """d, width of all embeddings side by side."""
        return sum(member.shape.depth for member in self.members)

    def trunk(self, scaled: Tensor) -> Tensor:
        """Embeddings float32 [n, d] of normalised features float32 [n, F]."""
        return torch.cat([member.trunk(scaled) for member in self.members], -1)

    def adapt(self, support: Tensor, label: Tensor, background: Tensor) -> Tensor:
        """One head, as the agent makes it.

        Args:
            support: float32 [k, F], normalised features.
            label: float32 [k], 1 or 0.
            background: float32 [m, d], embeddings.

        Returns:
            float32 [d + 1]: the members' weights side by side and the sum of their biases, all
            over M.
        """
        near = torch.cat([member.trunk(support) for member in self.members], -1)
        return self.solve(near, label, background)

    def solve(self, support: Tensor, label: Tensor, background: Tensor) -> Tensor:
        """`adapt` from the embeddings float32 [k, d] of the support."""
        widths = [member.shape.depth for member in self.members]
        parts = (torch.split(rows, widths, 1) for rows in (support, background))
        heads = [
            member.head.solve(near, label, ground)
            for member, near, ground in zip(self.members, *parts, strict=True)
        ]
        bias = torch.stack([head[-1] for head in heads]).sum(0, keepdim=True)
        return torch.cat([*(head[:-1] for head in heads), bias]) / len(heads)


def member_seed(seed: int, member: int) -> int:
    """The seed of a member; the first one's is the whole committee's."""
    if not member:
        return seed
    return int(np.random.SeedSequence([seed, member]).generate_state(1)[0])
