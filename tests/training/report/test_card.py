"""What a card states of a benchmark, against results whose figures are plain to see."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap_training.report.attacked import MAX_ATTACKS, attacked
from metatap_training.report.benchmark import Part, benchmark
from metatap_training.report.benchmark_markdown import NONE, benchmark_markdown, headline
from metatap_training.report.methods import OWN, VARIANTS
from metatap_training.report.read import ReportError, from_arrow
from metatap_training.report.text import table as markdown
from tests.training.report.synthetic import row, table

LR, FOREST = "logistic regression", "random forest"
TABLES = ("own", "random", "capture")
GOOD = {OWN: [0.9, 0.8], LR: [0.2, 0.1], FOREST: [0.4, 0.3]}
"""Miss rates 0.15, 0.85 and 0.65."""


def cells(tpr: Mapping[str, Sequence[float]], **fields: Any) -> list[dict[str, Any]]:
    """A family a value, in every table of the bar and at every K."""
    return [
        row(table=name, k=k, family=f"made-up-{at}", method=method, tpr=value, **fields)
        for name in TABLES
        for k in (1, 5, 10)
        for method, values in tpr.items()
        for at, value in enumerate(values)
    ]


def part_of(rows: list[dict[str, Any]], **facts: str) -> Part:
    """The card's part; it can be written as JSON."""
    whole = table(
        [entry if "attack" in entry else entry | {"attack": ""} for entry in rows], **facts
    )
    part = benchmark(from_arrow(whole), attacked(whole))
    json.dumps(part, allow_nan=False)
    return part


def test_figures_are_of_the_best_peer_and_of_logistic_regression() -> None:
    """The ratio is the verdict's; a card names the peer."""
    part = part_of(cells(GOOD), digest="abc")
    five = next(r for r in part["verdicts"] if (r["table"], r["k"]) == ("random", 5))
    assert (five["tpr"], five["peer"], five["peer_tpr"]) == (0.85, FOREST, 0.35)
    assert five["logistic_tpr"] == 0.15
    assert five["ratio"] == pytest.approx(0.15 / 0.65, abs=1e-4)
    assert (part["cells"], part["families"], part["facts"]["digest"]) == (6, 2, "abc")
    assert "`abc`" in benchmark_markdown(part)


def test_a_bar_that_is_met_is_called_so() -> None:
    """With the ratios, in one sentence."""
    part = part_of(cells(GOOD))
    assert part["passed"]
    text = headline(part)
    assert "The bar is met" in text
    assert text.count("0.23, 0.23, 0.23") == len(TABLES)


def test_a_bar_that_is_not_met_is_called_so() -> None:
    """The ratio that fails stands there, and the condition in the table."""
    part = part_of(cells(GOOD | {OWN: [0.5, 0.4]}))
    assert not part["passed"]
    text = headline(part)
    assert "The bar is not met" in text
    assert "own 0.85, 0.85, 0.85" in text
    assert "ratio 0.85 > 0.5" in benchmark_markdown(part)


def test_what_was_not_measured_is_not_met() -> None:
    """Neither a table that is absent nor results of validation folds alone pass for good ones."""
    few = part_of([one for one in cells(GOOD) if one["table"] != "capture"])
    assert "The bar is not met" in headline(few)
    assert "capture not measured, not measured, not measured" in headline(few)
    assert "Not measured: capture at K = 1" in benchmark_markdown(few)
    none = part_of(cells(GOOD, role="validation"))
    assert (none["cells"], none["verdicts"]) == (0, [])
    assert "The bar is not met" in headline(none)


def test_without_a_benchmark_the_card_says_so() -> None:
    """In head and section."""
    assert headline(None) == NONE
    assert NONE in benchmark_markdown(None)


def test_a_ratio_to_a_peer_without_misses_is_infinite() -> None:
    """JSON has no number for it."""
    part = part_of(cells({OWN: [0.9], LR: [1.0]}))
    assert part["verdicts"][0]["ratio"] is None
    assert "∞" in benchmark_markdown(part)


def test_weak_cells_stand_apart() -> None:
    """Each kind of cells has its own figures."""
    part = part_of(cells({OWN: [0.9], LR: [0.5]}) + cells({OWN: [0.3], LR: [0.2]}, weak=True,
                                                          network="invented-south"))  # fmt: skip
    assert {one["tpr"] for one in part["labels"]["flow by flow"]} == {0.9}
    assert {one["tpr"] for one in part["labels"]["weak"]} == {0.3}
    assert {one["tpr"] for one in part["verdicts"]} == {0.6}


def test_attacks_are_compared_on_the_draws_they_have() -> None:
    """Draws without attack, and other methods, do not count."""
    clean = [row(draw=draw, tpr=tpr) for draw, tpr in enumerate((0.8, 0.2))]
    hurt = row(draw=0, tpr=0.6) | {"attack": "split"}
    part = part_of([*clean, hurt, row(method=LR, tpr=0.1)])
    (found,) = part["attacks"]
    assert (found["attack"], found["clean"], found["tpr"]) == ("split", 0.8, 0.6)
    assert part["verdicts"][0]["all_draws"] == 0.5
    assert "| random | 5 | split | 1 | 1 | 0.800 | 0.600 |" in benchmark_markdown(part)


def test_results_without_attacks_have_no_such_table() -> None:
    """Nor those of a benchmark that knows of none."""
    assert attacked(table([row()])) is None
    assert part_of(cells(GOOD))["attacks"] == []
    assert "Under attack" not in benchmark_markdown(part_of(cells(GOOD)))


def test_the_number_of_attacks_is_bounded() -> None:
    """Each is a line of the card."""
    many = [row() | {"attack": f"a{at}"} for at in range(MAX_ATTACKS + 1)]
    with pytest.raises(ReportError, match=r"^bad\.parquet: column attack"):
        attacked(table(many), "bad.parquet")


def test_variants_and_null_packs_stand_beside() -> None:
    """Variants in the tables of the bar; null packs only in their own."""
    rows = cells(GOOD | {name: [0.7, 0.5] for name in VARIANTS})
    rows += [row(table="null", family="invented-west", tpr=0.25)]
    part = part_of(rows)
    assert len(part["variants"]) == 9
    assert part["variants"][0]["tpr"] == {OWN: 0.85} | dict.fromkeys(VARIANTS, 0.6)
    (null,) = part["null"]
    assert null["tpr"] == {OWN: 0.25}
    assert part["families"] == 2


def test_the_realised_rate_is_told_over_all_and_by_network() -> None:
    """A network that is far from the rate does not pass."""
    rows = cells(GOOD) + cells(GOOD, network="invented-south", fpr_background=5e-3)
    part = part_of(rows)
    rates = {one["network"]: (one["rate"], one["passed"]) for one in part["background"]}
    assert rates["invented-north"] == (1e-3, True)
    assert rates["invented-south"] == (5e-3, False)
    assert rates["all networks"][0] == pytest.approx(3e-3)
    assert "came to 0.003 over all networks" in headline(part)


@given(st.lists(st.text(max_size=20), min_size=2, max_size=4))
def test_no_text_breaks_a_table(cells_of: list[str]) -> None:
    """Names come from a file: neither bars nor ends of line nor tags may leave their cell."""
    lines = markdown(["head"] * len(cells_of), [cells_of]).split("\n")
    assert len(lines) == 3
    assert {line.count("|") for line in lines} == {len(cells_of) + 1}
    assert "<" not in lines[-1]


def test_facts_are_text_and_nothing_else() -> None:
    """A command or a note in the file can't write Markdown."""
    part = part_of(cells(GOOD), command="a`b\n# c", versions="<b>\n# x [y](z)")
    lines = benchmark_markdown(part).splitlines()
    assert any("`a'b # c`" in line for line in lines)
    assert not any(line.startswith(("# ", "<b>")) for line in lines)
    assert not any("[y]" in line for line in lines)
