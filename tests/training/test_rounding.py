"""`learners.rounding`: weights in the steps of 8-bit integers."""

from __future__ import annotations

import torch

from metatap_training.learners.model import Embedder, Shape
from metatap_training.learners.rounding import (
    BIAS_COLUMNS,
    BIAS_STEP,
    WEIGHT_STEPS,
    in_steps,
    straight_through,
)


def units() -> tuple[torch.Tensor, torch.Tensor]:
    """Units with large biases, small ones, and none at all."""
    made = torch.Generator().manual_seed(0)
    weight = torch.randn(12, 30, generator=made)
    bias = torch.randn(12, generator=made) * torch.logspace(-2, 1.5, 12)
    weight[0], bias[0] = 0, 0
    return weight, bias


def test_steps_fit_and_are_near() -> None:
    """Within 7 bits and half a step; a bias is carried by columns within 7 bits."""
    weight, bias = units()
    found = in_steps(weight, bias)
    assert found.weight.abs().max() <= WEIGHT_STEPS
    assert found.bias.abs().max() <= WEIGHT_STEPS * BIAS_COLUMNS
    values = found.values()
    half = found.step * 0.501
    assert ((values[0] - weight).abs() <= half[:, None]).all()
    assert ((values[1] - bias).abs() <= half * BIAS_STEP).all()


def test_rounding_twice_changes_nothing() -> None:
    """What was rounded stands on the steps already."""
    once = in_steps(*units())
    twice = in_steps(*once.values())
    torch.testing.assert_close(twice.values(), once.values())


def test_gradients_pass_straight_through() -> None:
    """As if nothing were rounded, though what is seen is."""
    weight, bias = (part.requires_grad_() for part in units())
    seen = straight_through(weight, bias)
    torch.autograd.backward(seen[0].sum() + 2 * seen[1].sum())
    assert weight.grad is not None
    assert bias.grad is not None
    assert torch.equal(weight.grad, torch.ones_like(weight))
    assert torch.equal(bias.grad, torch.full_like(bias, 2))


def test_the_trunk_computes_with_rounded_weights() -> None:
    """Embeddings are those of the units that the file holds."""
    torch.manual_seed(0)
    trunk = Embedder(Shape(dense=4, stumps=4, linear=4))
    rows = torch.randn(20, trunk.wide.in_features)
    weight, bias = trunk.units().values()
    torch.testing.assert_close(trunk(rows), (rows @ weight.T + bias).clamp(0, 2))
    assert not torch.allclose(trunk(rows), trunk.wide(rows).clamp(0, 2))
