"""One process of `test_two`: trains on made-up flows and saves weights and losses."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from metatap_training.datasets.sources import DataError
from metatap_training.distributed import fit_in, join
from tests.training import synthetic
from tests.training.distributed.test_two import RECIPE, SEED


def main(folder: Path, *, apart: bool) -> None:
    torch.set_num_threads(1)
    losses: list[float] = []
    with join() as world:
        flows = synthetic.flows(seed=world.rank if apart else 0)
        try:
            model, _ = fit_in(world, flows, RECIPE, SEED, lambda _, loss: losses.append(loss))
            found = model.state_dict() | {"losses": torch.tensor(losses)}
        except DataError:
            found = {"refused": torch.zeros(1)}
        torch.save(found, folder / f"{world.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), apart="apart" in sys.argv)
