"""`learners.ridge`: the closed form and the steps the model file takes to it."""

from __future__ import annotations

import numpy as np
import torch

from metatap_training.learners.ridge import RidgeHead, conjugate_gradient


def problem(k: int = 5, m: int = 300, depth: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of a support and a background."""
    made = torch.Generator().manual_seed(k)
    background = torch.rand(m, depth, generator=made)
    return torch.rand(k, depth, generator=made) + 0.5, background


def test_conjugate_gradient_solves_like_the_direct_method() -> None:
    """A well-conditioned system of 24 unknowns is solved in 24 steps."""
    made = torch.Generator().manual_seed(0)
    rows = torch.randn(2, 60, 24, generator=made, dtype=torch.float64)
    matrix = rows.mT @ rows / 60 + 0.1 * torch.eye(24, dtype=torch.float64)
    right = torch.randn(2, 24, generator=made, dtype=torch.float64)
    expected = torch.linalg.solve(matrix, right)
    got = conjugate_gradient(matrix, right, torch.zeros_like(right), 24)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_more_steps_than_needed_do_no_harm() -> None:
    """The residual reaches zero; no quotient becomes NaN."""
    matrix, right = torch.eye(3)[None], torch.ones(1, 3)
    got = conjugate_gradient(matrix, right, torch.zeros(1, 3), 50)
    torch.testing.assert_close(got, right)


def test_a_start_at_the_solution_stays_there() -> None:
    """No residual at all, from the first step or from the second on: no quotient becomes NaN."""
    matrix = torch.diag(torch.tensor([1.0, 4.0, 16.0]))[None]
    solution = torch.tensor([[1.0, 2.0, 3.0]])
    right = torch.tensor([[1.0, 8.0, 48.0]])
    assert torch.equal(conjugate_gradient(matrix, right, solution, 9), solution)
    near = torch.tensor([[1.0, 2.0, 0.0]])
    torch.testing.assert_close(conjugate_gradient(matrix, right, near, 9), solution)


def test_the_file_s_algorithm_agrees_with_the_direct_solution() -> None:
    """Training solves directly, the file by conjugate gradients: the scores are the same."""
    head = RidgeHead(24, steps=32)
    with torch.no_grad():
        head.prior.normal_(std=0.1)
    for k in (1, 5, 10, 64):
        support, background = problem(k)
        label = torch.ones(k)
        label[1::3] = 0
        direct = head(support[None], label[None], 1 - label[None], background)[0]
        torch.testing.assert_close(
            head.solve(support, label, background), direct, atol=1e-3, rtol=1e-3
        )


def test_the_first_solution_is_the_weighted_ridge_regression() -> None:
    """Against the textbook solution with an explicit, unpenalised bias."""
    support, background = problem()
    head = RidgeHead(24)
    head.rounds = 0
    with torch.no_grad():
        head.prior.normal_(std=0.1)
    one = torch.ones(1, 5)
    got = head(support[None], one, torch.zeros(1, 5), background)[0].detach().double().numpy()
    mass = float(head.masses()[0].detach())
    rows = np.concatenate([support.numpy(), background.numpy()]).astype(np.float64)
    rows = np.c_[rows, np.ones(len(rows))]
    weight = np.r_[np.full(5, mass / 5), np.full(300, (1 - mass) / 300)]
    target = np.r_[np.ones(5), -np.ones(300)]
    penalty = np.r_[np.exp(head.log_penalty.detach().double().numpy()), 0]
    prior = np.r_[head.prior.detach().double().numpy(), 0]
    matrix = (rows * weight[:, None]).T @ rows + np.diag(penalty)
    expected = np.linalg.solve(matrix, rows.T @ (weight * target) + penalty * prior)
    np.testing.assert_allclose(got, expected, atol=2e-4)


def test_counter_examples_are_pushed_down() -> None:
    """Naming a flow as “not like this” lowers its score."""
    support, background = problem()
    wrong = support[:1] + 0.05
    head = RidgeHead(24)
    plain = head.solve(support, torch.ones(5), background)
    label = torch.tensor([1.0] * 5 + [0.0])
    told = head.solve(torch.cat([support, wrong]), label, background)
    assert (wrong @ told[:-1] + told[-1]) < (wrong @ plain[:-1] + plain[-1])


def test_the_classes_are_balanced_whatever_their_sizes() -> None:
    """Doubling the background by copies of itself changes nothing but rounding."""
    support, background = problem()
    head = RidgeHead(24)
    head.rounds = 0
    once = head.solve(support, torch.ones(5), background)
    twice = head.solve(support, torch.ones(5), torch.cat([background, background]))
    torch.testing.assert_close(once, twice, atol=1e-5, rtol=0)


def test_gradients_reach_everything_learned() -> None:
    """The head is differentiable in prior, penalties, masses, hardness and embeddings."""
    support, background = problem()
    support.requires_grad_()
    head = RidgeHead(24)
    weights = head(support[None], torch.ones(1, 5), torch.zeros(1, 5), background)
    torch.autograd.backward((weights**2).sum())
    for parameter in (*head.parameters(), support):
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
    assert support.grad is not None
    assert support.grad.abs().sum() > 0
