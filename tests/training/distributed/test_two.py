"""`distributed`: two processes take the steps of one that takes two episodes a step."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metatap.features.table import INDEX
from metatap_training.datasets import Flows
from metatap_training.datasets.sources import DataError
from metatap_training.distributed import Lanes, World, fit_in
from metatap_training.episodes import Sizes
from metatap_training.learners import Committee, Recipe, train
from metatap_training.learners.committee import member_seed
from metatap_training.learners.fit import fit, samplers
from metatap_training.learners.model import Shape
from tests.training import synthetic

SIZES = Sizes(tasks=4, background=96, negatives=128, queries=12, own=8, networks=1)
RECIPE = Recipe(
    shape=Shape(dense=12, stumps=12, linear=8), sizes=SIZES, members=2, steps=12, drop=0.05
)
SEED = 3
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def flows() -> Flows:
    return synthetic.flows()


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in model.state_dict().items()}


def started(tmp_path: Path, *arguments: str) -> list[dict[str, Tensor]]:
    """What each of two processes saved, started as `torchrun` starts them."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "tests.training.distributed.worker", str(tmp_path)]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
def test_two_processes_learn_what_one_with_two_episodes_a_step_learns(
    tmp_path: Path, flows: Flows
) -> None:
    """The same loss at every step and the same weights, noise and dropped columns included."""
    make, _ = samplers(flows, RECIPE, SEED)
    losses: list[float] = []
    members = []
    for number in range(RECIPE.members):
        own = member_seed(SEED, number)
        lanes = Lanes(make, own, [0, 1])
        members.append(train(lanes, RECIPE, own, lambda _, loss: losses.append(loss), episodes=2))
    alone = Committee(members)
    both = started(tmp_path)
    for name, value in weights(alone).items():
        for one in both:
            torch.testing.assert_close(one[name], value, rtol=0, atol=1e-5)
    mean = (both[0]["losses"] + both[1]["losses"]) / 2
    torch.testing.assert_close(mean, torch.tensor(losses), rtol=0, atol=1e-5)
    assert not torch.allclose(both[0]["losses"], both[1]["losses"], rtol=0, atol=1e-3)


@pytest.mark.slow
def test_processes_with_different_flows_refuse_to_go_on(tmp_path: Path) -> None:
    """Averaging the gradients of different models would train neither."""
    both = started(tmp_path, "apart")
    assert [set(one) for one in both] == [{"refused"}] * 2


def test_a_world_of_one_learns_what_fit_learns(flows: Flows) -> None:
    """To the last bit: lane 0 is what one process draws alone."""
    alone, _ = fit(flows, RECIPE, SEED)
    found, _ = fit_in(World(), flows, RECIPE, SEED)
    for name, value in weights(alone).items():
        assert torch.equal(weights(found)[name], value), name


def test_lanes_draw_different_episodes_of_the_same_flows(flows: Flows) -> None:
    """And begin from the same rows, so that all ranks begin with the same weights."""
    make, _ = samplers(flows, RECIPE, SEED)
    zero, one = Lanes(make, SEED, [0]), Lanes(make, SEED, [1])
    assert np.array_equal(zero.spread(50), one.spread(50))
    assert not np.array_equal(zero.draw().support, one.draw().support)


def test_an_episode_without_a_background_is_not_drawn_for_ever(flows: Flows) -> None:
    """All benign flows are to one service, and every task asks for it."""
    one = flows.take(flows.service == synthetic.SERVICES[0])
    one.features[:, INDEX["resp_pkts"]] = 1
    sizes = Sizes(tasks=4, background=96, negatives=128, networks=1, threats=0, services=1)
    make, _ = samplers(one, Recipe(sizes=sizes), SEED)
    with pytest.raises(DataError, match="too alike"):
        Lanes(make, SEED, [0]).draw()
