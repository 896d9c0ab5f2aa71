"""The page of an ablation in Markdown, from the rows that `bench.run` measured."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from metatap_training.bench.cells import Table
from metatap_training.bench.folds import FOLDS, Role
from metatap_training.bench.measures import RATE
from metatap_training.evaluate.variants import VARIANTS
from metatap_training.report.read import from_arrow
from metatap_training.report.results import Results
from metatap_training.report.shared import shared
from metatap_training.report.text import code, table

ABOUT = {
    Table.RANDOM: "Families looked for in another, held-out network.",
    Table.CAPTURE: "The same with support from one capture and positives from all others.",
    Table.OWN: "Families looked for in the network they are in, which is held out as well.",
    Table.NULL: (
        "Benign flows of one network taken for a threat, looked for in another: what is found "
        "there is the network itself."
    ),
}
"""Table → what it asks, in the order of the page."""


def page(rows: pa.Table, variants: Sequence[str], *, draws: int, seed: int, command: str) -> str:
    """What was asked, how, and a table for each table of the benchmark.

    Args:
        rows: As `bench.run.run` gives them, of the validation folds.
        variants: Names of the variants measured.
        draws: Draws of each cell.
        seed: Of training and draws.
        command: What was run.
    """
    results = from_arrow(rows.drop_columns(["curve"])).single()
    parts = [_section(results, one, variants) for one in ABOUT if one in results.values("table")]
    left = [name for name in VARIANTS if name not in variants]
    unmeasured = f"\nNot measured in this run: {', '.join(left)}.\n" if left else ""
    sections = "\n".join(parts)
    return f"""<!-- Made by `metatap-train ablate`; do not edit. -->
# What context brings
The recipe of the shipped model, trained anew for each row without some columns of the context
([context.md](context.md)). It is the [benchmark](benchmark.md) with other methods: its validation
folds, cells and draws, and what the exported file says in ONNX Runtime. Made by {code(command)}:
the first {draws} draws of each cell and K, seed {seed}.

Numbers are the true-positive rate at a false-positive rate of {RATE:g}, read on the negatives: the
mean over families of the mean over their cells of the mean over draws. Each is of one training run
a fold; another seed moves them too, so small differences say nothing. The settings of the learner
were chosen on these folds, with all features.
{unmeasured}
{sections}
## Folds
{_folds()}
"""


def _section(results: Results, name: Table, variants: Sequence[str]) -> str:
    part = results.only(table=name.value)
    supports = part.values("k")
    found = {k: shared(part.only(k=k), variants) for k in supports}
    lines = [
        [one, *(f"{at.means[one]:.3f}" if at else "–" for at in found.values())] for one in variants
    ]
    measured = [at for at in found.values() if at]
    families = max((at.families for at in measured), default=0)
    cells = max((at.cells for at in measured), default=0)
    what = "networks" if name is Table.NULL else "families"
    head = ["features", *(f"K = {k}" for k in supports)]
    return f"""## {name.value}
{ABOUT[name]} {families} {what}, {cells} cells.

{table(head, lines)}
"""


def _folds() -> str:
    lines = [
        (fold.name, ", ".join(fold.groups), ", ".join(fold.networks))
        for fold in FOLDS
        if fold.role is Role.VALIDATION
    ]
    return table(("fold", "groups held out", "networks held out"), lines)
