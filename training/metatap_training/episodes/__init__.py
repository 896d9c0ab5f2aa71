"""Few-shot tasks from labelled flows.

In: cleaned `Flows`. Out: `Episode`s of row numbers. Support, background and queries never share a
row, and a task's background never comes from its support's network.
"""

from metatap_training.episodes.masks import Mask, draw_mask
from metatap_training.episodes.sampler import Episode, Sampler, Sizes
from metatap_training.episodes.tasks import Task, service_tasks, threat_tasks

__all__ = [
    "Episode",
    "Mask",
    "Sampler",
    "Sizes",
    "Task",
    "draw_mask",
    "service_tasks",
    "threat_tasks",
]
