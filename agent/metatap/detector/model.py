"""A loaded model: the ONNX session behind three verbs, embed, adapt and score."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.detector.contract import INPUTS, MAX_BACKGROUND, OUTPUTS, Metadata, parse_metadata
from metatap.detector.onnx_file import SHOWN, OnnxFile
from metatap.errors import ModelError
from metatap.features.table import INDEX, NAMES
from metatap.yamlfile import shown

FloatArray = npt.NDArray[np.float32]

SHIPPED = "metatap-v3.onnx"
"""Name of the model in the package's data."""

_ANY = {"features": 0, "heads": 1, "support": 0, "support_label": 0, "background": 0}
"""Input → the axis that may have any length."""

PACKS_MULTIPLE = 8
MIN_ROWS = 8
SELFTEST_TOLERANCE = 2e-2
"""Of scores that are about ±1. An integer model may round a feature the other way where a
processor's logarithm differs in its last bit; what a wrong kernel computes differs by far more."""


def shipped_model() -> Path:
    """Path of the model that comes with the agent."""
    return Path(str(resources.files("metatap.detector") / "data" / SHIPPED))


class Model:
    """A model file, checked and ready.

    Attributes:
        path: The file.
        sha256: Hex digest of the file.
        meta: Its metadata.
        width: F, features it takes.
        depth: d, width of the embedding.
    """

    def __init__(self, path: Path | OnnxFile, *, threads: int = 1) -> None:
        """Load and check a model file of kind `meta`.

        Args:
            path: The `.onnx` file, or what `OnnxFile.open` made of it.
            threads: Threads of ONNX Runtime within one operator, where it is not open yet.

        Raises:
            ModelError: the file breaks docs/model.md; names the file and the fault.
        """
        self._file = path if isinstance(path, OnnxFile) else OnnxFile.open(path, threads=threads)
        self.path, self.sha256 = self._file.path, self._file.sha256
        try:
            self.meta: Metadata = parse_metadata(self._file.props)
            self.width = len(self.meta.features)
            self.depth = self.meta.background.embedding.shape[1]
            self._check_graph()
            names = self.meta.features
            self._select = None if names == NAMES else np.array([INDEX[name] for name in names])
            self._selftest()
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from None

    @property
    def typical(self) -> FloatArray:
        """float32 [F], what stands for a feature that is left out of an explanation."""
        return self.meta.background.median

    def select(self, features: FloatArray) -> FloatArray:
        """The columns this model takes, [n, F], of the agent's full matrix."""
        return features if self._select is None else features[:, self._select]

    def score(self, features: FloatArray, heads: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Score flows against packs.

        Args:
            features: float32 [n, F].
            heads: float32 [d + 1, P], from `stack`; P a multiple of 8.

        Returns:
            Scores float32 [n, P] and embeddings float32 [n, d].

        Raises:
            ModelError: the model fails, or gives something of another shape.
        """
        rows = len(features)
        if rows < MIN_ROWS:
            padded = np.zeros((MIN_ROWS, self.width), np.float32)
            padded[:rows] = features
            features = padded
        score, embedding, _ = self._run(features, heads, *self._no_support)
        self._require("score", score, (len(features), heads.shape[1]))
        self._require("embedding", embedding, (len(features), self.depth))
        return score[:rows], embedding[:rows]

    def embed(self, features: FloatArray) -> FloatArray:
        """Embeddings float32 [n, d] of flows float32 [n, F]."""
        return self.score(features, np.zeros((self.depth + 1, PACKS_MULTIPLE), np.float32))[1]

    def adapt(
        self, support: FloatArray, label: FloatArray, background: FloatArray | None = None
    ) -> FloatArray:
        """The head of a pack.

        Args:
            support: float32 [k, F], k ≥ 1.
            label: float32 [k], 1 = the threat, 0 = a counter-example.
            background: float32 [m, d] embeddings of benign flows; the reference background of
                the file if None.

        Returns:
            float32 [d + 1].

        Raises:
            ModelError: the background is larger than `MAX_BACKGROUND`, the model fails, or the
                head is of another shape or not finite.
        """
        if background is None:
            background = self.meta.background.embedding
        if len(background) > MAX_BACKGROUND:
            raise ModelError(f"a background of {len(background)} flows, at most {MAX_BACKGROUND}")
        none = np.zeros((0, self.width), np.float32)
        heads = np.zeros((self.depth + 1, PACKS_MULTIPLE), np.float32)
        head = self._run(none, heads, support, label, background)[2]
        self._require("head", head, (self.depth + 1,))
        if not np.isfinite(head).all():
            raise ModelError(f"{self.path}: the adapted head is not finite")
        return head

    def stack(self, heads: Sequence[FloatArray]) -> FloatArray:
        """Heads as one float32 [d + 1, P], P padded with zero columns to a multiple of 8."""
        width = max(-(-len(heads) // PACKS_MULTIPLE) * PACKS_MULTIPLE, PACKS_MULTIPLE)
        stacked = np.zeros((self.depth + 1, width), np.float32)
        for at, head in enumerate(heads):
            stacked[:, at] = head
        return stacked

    @property
    def _no_support(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return (
            np.zeros((0, self.width), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, self.depth), np.float32),
        )

    def _run(self, *inputs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        score, embedding, head = self._file.run(OUTPUTS, dict(zip(INPUTS, inputs, strict=True)))
        return score, embedding, head

    def _require(self, output: str, found: FloatArray, shape: tuple[int, ...]) -> None:
        if found.shape != shape:
            raise ModelError(
                f"{self.path}: output {output}: shape {list(found.shape)}, not {list(shape)}"
            )

    def _check_graph(self) -> None:
        inputs = {item.name: item for item in self._file.session.get_inputs()}
        outputs = {item.name: item for item in self._file.session.get_outputs()}
        if set(inputs) != set(INPUTS) or not set(OUTPUTS) <= set(outputs):
            names = shown(f"inputs {sorted(inputs)} or outputs {sorted(outputs)}", SHOWN)
            raise ModelError(f"{names} are not ours")
        fixed = {
            ("features", 1): self.width,
            ("support", 1): self.width,
            ("heads", 0): self.depth + 1,
            ("background", 1): self.depth,
        }
        for (name, axis), size in fixed.items():
            shape = inputs[name].shape
            if len(shape) != 2 or shape[axis] != size:
                raise ModelError(f"input {name}: shape {shown(shape)}, axis {axis} must be {size}")
        for name, axis in _ANY.items():
            if isinstance(inputs[name].shape[axis], int):
                shape = inputs[name].shape
                raise ModelError(f"input {name}: shape {shown(shape)}, axis {axis} must be free")
        for name, item in (inputs | outputs).items():
            if item.type != "tensor(float)":
                raise ModelError(f"{name}: {item.type}, not float32")

    def _selftest(self) -> None:
        test = self.meta.selftest
        head = self.adapt(test.support, test.support_label)
        score, _ = self.score(test.features, self.stack([head]))
        worst = float(np.abs(score[:, 0] - test.score).max())
        if not worst <= SELFTEST_TOLERANCE:
            raise ModelError(f"self-test: scores differ by {worst:.2g}")
