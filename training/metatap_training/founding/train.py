"""Training as in the founding article: cross-entropy, Adam, 10 epochs, batches of 32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from metatap_training.founding.networks import Cnn, Network, Rnn
from metatap_training.founding.sequences import FloatArray, IntArray

EPOCHS = 10
BATCH = 32
RATE = 1e-3
"""Adam's rate, Keras' default."""


def train(
    kind: type[Cnn | Rnn],
    images: FloatArray,
    mask: FloatArray,
    code: IntArray,
    *,
    classes: int,
    seed: int,
    epochs: int = EPOCHS,
    on_epoch: Callable[[], None] | None = None,
) -> Network:
    """A trained network; the same for the same arguments.

    Args:
        kind: Which network.
        images: float32 [m, L, F], normalised.
        mask: float32 [m, L].
        code: intp [m], the class of each.
        classes: C.
        seed: Of weights and order.
        epochs: Passes over the data.
        on_epoch: Called after each.
    """
    torch.manual_seed(seed)
    network: Network = kind(images.shape[1], images.shape[2], classes)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    inputs, masks = torch.from_numpy(images), torch.from_numpy(mask)
    target = torch.from_numpy(code.astype(np.int64))
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(target)), BATCH):
            loss = nn.functional.cross_entropy(network(inputs[rows], masks[rows]), target[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        if on_epoch is not None:
            on_epoch()
    return network.eval()


def probabilities(network: Network, images: FloatArray, mask: FloatArray) -> FloatArray:
    """Softmax float32 [m, C] of images [m, L, F] with their mask [m, L]."""
    with torch.no_grad():
        parts = [
            torch.softmax(network(torch.from_numpy(a), torch.from_numpy(b)), 1).numpy()
            for a, b in zip(_parts(images), _parts(mask), strict=True)
        ]
    return np.concatenate(parts)


def _parts(values: FloatArray) -> list[FloatArray]:
    return np.array_split(values, max(len(values) // 512, 1))
