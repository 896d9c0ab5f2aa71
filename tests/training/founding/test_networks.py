"""Columns, networks, their files and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from metatap.detector import SequenceModel, open_model
from metatap_training.datasets import Source, Terms
from metatap_training.datasets.sources import DataError
from metatap_training.founding import export
from metatap_training.founding.columns import ALIKE, COLUMNS, Columns, choose_columns
from metatap_training.founding.export import write_model
from metatap_training.founding.families import FAMILIES
from metatap_training.founding.networks import NETWORKS, Cnn, Rnn
from metatap_training.founding.report import confusion, figures
from metatap_training.founding.sequences import LENGTH, Sequences, read_sequences
from metatap_training.founding.train import probabilities, train
from tests.training.founding.made_up import write_folder

CODE = {name: at for at, name in enumerate(FAMILIES)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sequences:
    folder = write_folder(tmp_path_factory.mktemp("flows"))
    return read_sequences(folder, Source("made-up", "MIT", Terms.YES, ""), FAMILIES)[0]


@pytest.fixture(scope="module")
def columns(whole: Sequences) -> Columns:
    return choose_columns(whole)


def test_columns_differ_between_families(whole: Sequences, columns: Columns) -> None:
    """28 own features in the order of the table, none constant, no two nearly alike."""
    assert len(columns.names) == len(set(columns.names)) == COLUMNS
    assert columns.index.tolist() == sorted(columns.index.tolist())
    assert not any(name.startswith(("context.", "local_")) for name in columns.names)
    images = columns.apply(whole.features, whole.mask)
    assert images.dtype == np.float32
    assert not images[whole.mask == 0].any()
    flows = images[whole.mask > 0].astype(np.float64)
    assert np.isfinite(flows).all()
    assert (flows.std(0) > 0).all()
    alike = np.abs(np.corrcoef(flows.T)) - np.eye(COLUMNS)
    assert alike.max() <= ALIKE + 0.05


def test_too_few_features_are_said(whole: Sequences) -> None:
    """Flows that are all alike have nothing to choose from."""
    alike = replace(whole, features=np.ones_like(whole.features))
    with pytest.raises(DataError, match="only 0 features"):
        choose_columns(alike)


def test_the_cnn_is_the_founding_articles() -> None:
    """Sizes of the layers of the article, for 28 × 28 images and ten classes."""
    network = Cnn(LENGTH, COLUMNS, 10)
    shapes = [tuple(value.shape) for value in network.parameters()]
    assert shapes == [
        (32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 1600), (128,), (10, 128), (10,),
    ]  # fmt: skip
    assert sum(value.numel() for value in network.parameters()) == 225_034


def test_the_rnn_reads_to_the_last_flow_only() -> None:
    """What stands in the padding changes nothing."""
    torch.manual_seed(0)
    network = Rnn(LENGTH, COLUMNS, 10)
    images = np.random.default_rng(0).normal(size=(2, LENGTH, COLUMNS)).astype(np.float32)
    mask = np.ones((2, LENGTH), np.float32)
    mask[:, 5:] = 0
    other = images.copy()
    other[:, 5:] = 9
    np.testing.assert_array_equal(
        probabilities(network, images, mask), probabilities(network, other, mask)
    )


@pytest.mark.parametrize("kind", NETWORKS)
def test_training_is_repeatable_and_learns(
    kind: type[Cnn | Rnn], whole: Sequences, columns: Columns
) -> None:
    """The same seed gives the same network, which tells made-up families apart."""
    images = columns.apply(whole.features, whole.mask)
    code = np.array([CODE[name] for name in whole.family])
    epochs: list[int] = []
    found = []
    for _ in range(2):
        network = train(
            kind, images, whole.mask, code, classes=10, seed=1, epochs=12,
            on_epoch=lambda: epochs.append(1),
        )  # fmt: skip
        found.append(probabilities(network, images, whole.mask))
    np.testing.assert_array_equal(found[0], found[1])
    assert len(epochs) == 24
    assert (found[0].argmax(1) == code).mean() > 0.6


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_agent_runs_the_file(
    kind: type[Cnn | Rnn], whole: Sequences, columns: Columns, tmp_path: Path
) -> None:
    """Short and odd sequences included, it says what PyTorch says; features go by name."""
    torch.manual_seed(3)
    network = kind(LENGTH, COLUMNS, len(FAMILIES)).eval()
    path = tmp_path / "model.onnx"
    gap = write_model(path, network, columns, classes=FAMILIES, sample=whole, card={"seed": 3})
    assert gap <= 1e-4
    model = open_model(path)
    assert isinstance(model, SequenceModel)
    assert model.meta.classes == FAMILIES
    assert model.meta.card == {"seed": 3}
    rng = np.random.default_rng(0)
    features = whole.features.copy()
    features[rng.random(features.shape) < 0.3] = np.nan
    features[:5] *= np.float32(1e12)
    mask = np.zeros_like(whole.mask)
    for row, count in enumerate(rng.integers(1, LENGTH + 1, len(mask))):
        mask[row, :count] = 1
    features[mask == 0] = 0
    expected = probabilities(network, columns.apply(features, mask), mask)
    raw = np.stack([model.select(each) for each in features])
    assert np.abs(model.classify(raw, mask) - expected).max() <= 1e-4


def test_a_file_that_differs_is_not_written(
    whole: Sequences, columns: Columns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in the export shows at once, and nothing is left."""
    gates: Callable[..., np.ndarray] = export._gates
    monkeypatch.setattr(export, "_gates", lambda *words: gates(*words)[::-1].copy())
    with pytest.raises(DataError, match="differs from PyTorch"):
        write_model(
            tmp_path / "m.onnx",
            Rnn(LENGTH, COLUMNS, len(FAMILIES)).eval(),
            columns,
            classes=FAMILIES,
            sample=whole,
            card={},
        )
    assert not list(tmp_path.iterdir())


PAIRS = hnp.arrays(np.intp, st.tuples(st.integers(1, 50), st.just(2)), elements=st.integers(0, 3))


@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pairs: np.ndarray) -> None:
    """Accuracy, precision and recall of every class."""
    truth, said = pairs.T
    found = figures(confusion(truth, said, 4))
    precision, recall, _, _ = precision_recall_fscore_support(
        truth, said, labels=range(4), zero_division=0.0
    )
    np.testing.assert_allclose(found["precision"], precision)
    np.testing.assert_allclose(found["recall"], recall)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert found["majority"] == pytest.approx(np.bincount(truth).max() / len(truth))
