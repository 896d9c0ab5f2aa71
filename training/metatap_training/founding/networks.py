"""The two networks, over images [m, 28, 28] of 28 flows × 28 features.

The CNN is the founding article's, as Keras' classic digits example has it (F. Chollet,
mnist_cnn.py, 2015): convolutions without padding, ReLU, Glorot's initial weights, zero biases. The
RNN reads the same flows one after another, up to the last one that is there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FILTERS = (32, 64)
KERNEL, POOL = 3, 2
DENSE = 128
GRU_UNITS = 64


class Cnn(nn.Module):
    """Conv 32 3×3, pool 2×2, conv 64 3×3, pool 2×2, dense 128, dense C."""

    name = "CNN"

    def __init__(self, length: int, width: int, classes: int) -> None:
        """Glorot's initial weights.

        Args:
            length: L, flows of a sequence.
            width: F, features of a flow.
            classes: C.
        """
        super().__init__()
        self.first = nn.Conv2d(1, FILTERS[0], KERNEL)
        self.second = nn.Conv2d(FILTERS[0], FILTERS[1], KERNEL)
        sides = [_side(_side(size)) for size in (length, width)]
        self.dense = nn.Linear(FILTERS[1] * sides[0] * sides[1], DENSE)
        self.last = nn.Linear(DENSE, classes)
        for layer in (self.first, self.second, self.dense, self.last):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        """Logits [m, C] of images [m, L, F]; the mask [m, L] has been applied to them already."""
        del mask
        planes = torch.relu(self.first(images.unsqueeze(1)))
        planes = nn.functional.max_pool2d(planes, POOL)
        planes = nn.functional.max_pool2d(torch.relu(self.second(planes)), POOL)
        logits: Tensor = self.last(torch.relu(self.dense(planes.flatten(1))))
        return logits


class Rnn(nn.Module):
    """GRU of 64 units (Cho et al. 2014), dense C on its state after the last flow."""

    name = "RNN"

    def __init__(self, length: int, width: int, classes: int) -> None:
        """PyTorch's initial weights; arguments as of `Cnn`."""
        super().__init__()
        del length
        self.gru = nn.GRU(width, GRU_UNITS, batch_first=True)
        self.last = nn.Linear(GRU_UNITS, classes)

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        """Logits [m, C] of images [m, L, F] with their mask [m, L]."""
        states, _ = self.gru(images)
        end = mask.sum(1).long() - 1
        logits: Tensor = self.last(states[torch.arange(len(states)), end])
        return logits


Network = Cnn | Rnn
NETWORKS: tuple[type[Cnn | Rnn], ...] = (Cnn, Rnn)


def _side(size: int) -> int:
    """A side after one convolution and one pool."""
    return (size - KERNEL + 1) // POOL
