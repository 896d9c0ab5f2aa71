"""The model in the agent's package: its card, its promises, its page in docs/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from metatap.detector import Model, shipped_model
from metatap_training.cli import cli
from metatap_training.export.bundle import MAX_BYTES
from metatap_training.report.markdown import card_markdown
from metatap_training.report.verdict import TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "model-card.md"


@pytest.fixture(scope="module")
def model() -> Model:
    """Loading runs the self-test."""
    return Model(shipped_model())


@pytest.fixture(scope="module")
def card(model: Model) -> dict[str, Any]:
    return model.meta.card


def test_it_beats_logistic_regression_on_held_out_families(card: dict[str, Any]) -> None:
    """On the same support and background, K = 5, in mean TPR at FPR 1e-3, in every table."""
    found = card["benchmark"]
    if found is None:
        pytest.skip("no benchmark is attached to the shipped model's card")
    five = {row["table"]: row for row in found["verdicts"] if row["k"] == 5}
    assert set(five) == set(TABLES)
    for row in five.values():
        assert row["tpr"] > row["logistic_tpr"]
    assert found["families"] >= 20


def test_its_file_is_small_enough(card: dict[str, Any]) -> None:
    """2 MiB is the most the package may carry; the card says the size."""
    assert shipped_model().stat().st_size <= MAX_BYTES
    assert card["measured"]["bytes"] == shipped_model().stat().st_size


def test_its_background_comes_from_openly_licensed_sources_only(
    card: dict[str, Any], model: Model
) -> None:
    """Embeddings are derived from data, and they are shipped."""
    terms = {row["source"]: row["terms"] for row in card["data"]}
    assert {terms[source] for source in card["background"]} == {"yes"}
    assert sum(card["background"].values()) == len(model.meta.background.embedding)


def test_sources_that_may_not_train_were_not_trained_on(card: dict[str, Any]) -> None:
    """The card says so for each source by name, with its licence or terms."""
    uses = {row["terms"]: row["use"] for row in card["data"]}
    assert uses["no"] == "evaluation only"
    assert all(row["licence"] for row in card["data"])


def test_it_agrees_with_pytorch(card: dict[str, Any], model: Model) -> None:
    """By the build's own check, and by the self-test."""
    assert card["measured"]["parity"] <= 1e-4
    test = model.meta.selftest
    head = model.adapt(test.support, test.support_label)
    score, _ = model.score(test.features, model.stack([head]))
    np.testing.assert_allclose(score[:, 0], test.score, atol=1e-4)


def test_its_page_is_made_from_its_card(card: dict[str, Any]) -> None:
    """`metatap-train card` prints docs/model-card.md."""
    assert PAGE.read_text("utf-8") == card_markdown(card)
    result = CliRunner().invoke(cli, ["card", str(shipped_model())])
    assert result.exit_code == 0
    assert result.stdout == card_markdown(card)
