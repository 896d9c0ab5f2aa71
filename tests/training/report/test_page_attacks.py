"""The section of the attacks: the same cells and draws with and without."""

from __future__ import annotations

import numpy as np

from metatap_training.report.attacked import CLEAN
from metatap_training.report.page.attacks import attacks
from metatap_training.report.results import COUNTS, SHARES, TEXT, About, Results


def _results(*rows: dict[str, object]) -> Results:
    base: dict[str, object] = dict.fromkeys(TEXT, "") | dict.fromkeys(COUNTS, 5)
    base |= dict.fromkeys(SHARES, np.nan) | {"table": "random", "role": "test", "draw": 0}
    whole = [base | row for row in rows]
    columns = {name: np.array([row[name] for row in whole]) for name in base}
    return Results(columns, np.zeros((len(rows), 0), np.float32), About())


def test_attacked_stands_beside_clean_on_its_own_draws() -> None:
    """A clean draw that was not attacked does not count."""
    found = _results(
        {"method": CLEAN, "family": "a", "tpr": 0.8},
        {"method": CLEAN, "family": "a", "tpr": 0.2, "draw": 1},
        {"method": "split", "family": "a", "tpr": 0.5},
    )
    ((row,),) = (table.rows for table in attacks(found).blocks[0].tables)
    assert [value.text for value in row[:6]] == [
        "split", "5", "1", "0.800", "0.500", "−0.300",
    ]  # fmt: skip


def test_nothing_attacked_makes_no_section() -> None:
    """Neither without attacked rows nor with attacks that have no clean draw."""
    assert attacks(None).blocks == ()
    alone = _results({"method": "split", "family": "a", "tpr": 0.5})
    assert attacks(alone).blocks == ()
