"""`baselines.maml`: a few steps adapt, and first weights that were trained adapt better."""

from __future__ import annotations

import pytest
import torch

from metatap_training.baselines.maml import MamlRecipe, adapt, forward, start


def blobs() -> tuple[torch.Tensor, torch.Tensor]:
    """Two clouds of points."""
    torch.manual_seed(0)
    return torch.randn(10, 6) + 1.5, torch.randn(200, 6) - 1.5


@pytest.mark.parametrize("last", [False, True], ids=["MAML", "ANIL"])
def test_a_few_steps_tell_two_clouds_apart(*, last: bool) -> None:
    """And the first weights stay as they are."""
    near, far = blobs()
    recipe = MamlRecipe(last=last, hidden=16, after=20)
    first = start(6, recipe)
    kept = [part.detach().clone() for part in first]
    fast = adapt(first, near, far, recipe)
    with torch.no_grad():
        assert forward(fast, near).mean() > forward(fast, far).mean() + 1
    assert all(torch.equal(a, b) for a, b in zip(kept, first, strict=True))
    changed = [not torch.equal(a, b) for a, b in zip(kept, fast, strict=True)]
    assert changed == ([False] * 4 + [True] * 2 if last else [True] * 6)
