"""The demo: a lab recording through real sockets into a real agent, judged by its labels.

`python -m metatap.demo` sends what is stored to an agent that runs already (docs/living.md).

In: the recording `data/branch.mtrec` and `data/branch.labels.csv`, made by `make lab` (traffic of
our own in network namespaces, labelled by construction). Out: a table, `alerts.jsonl` and
`labels.csv`.
"""

from metatap.demo.judge import Judgement, Labels, judge, read_labels
from metatap.demo.play import Played, play

__all__ = ["Judgement", "Labels", "Played", "judge", "play", "read_labels"]
