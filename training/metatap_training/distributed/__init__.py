"""Training in several processes, on one machine or on many.

In: the same flows in every process. Out: the same model in every process. Each process (rank) draws
its own episodes and their gradients are averaged, so n ranks take the steps that one process takes
with n episodes a step: data parallelism, as in Li et al., "PyTorch Distributed: Experiences on
Accelerating Data Parallel Training" (VLDB 2020). `torchrun` starts the processes.
"""

from metatap_training.distributed.fit import fit_in
from metatap_training.distributed.lanes import Lanes
from metatap_training.distributed.world import World, join

__all__ = ["Lanes", "World", "fit_in", "join"]
