"""A loaded model: the ONNX session behind three verbs, embed, adapt and score."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from metatap.detector.contract import (
    INPUTS,
    MAX_FILE_BYTES,
    OUTPUTS,
    Metadata,
    parse_metadata,
)
from metatap.errors import ModelError
from metatap.features.table import INDEX, NAMES

FloatArray = npt.NDArray[np.float32]

SHIPPED = "metatap-v2.onnx"
"""Name of the model in the package's data."""

PACKS_MULTIPLE = 8
MIN_ROWS = 8
SELFTEST_TOLERANCE = 1e-3


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

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Load and check a model file.

        Args:
            path: The `.onnx` file.
            threads: Threads of ONNX Runtime within one operator.

        Raises:
            ModelError: the file breaks docs/model.md; names the file and the fault.
        """
        self.path = path
        try:
            content = _read(path)
            self.sha256 = hashlib.sha256(content).hexdigest()
            self._session = _session(content, threads)
            self.meta: Metadata = parse_metadata(_props(self._session))
            self.width = len(self.meta.features)
            self.depth = self.meta.background.embedding.shape[1]
            self._check_graph()
            names = self.meta.features
            self._select = None if names == NAMES else np.array([INDEX[name] for name in names])
            self._selftest()
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None

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
        """
        rows = len(features)
        if rows < MIN_ROWS:
            padded = np.zeros((MIN_ROWS, self.width), np.float32)
            padded[:rows] = features
            features = padded
        score, embedding, _ = self._run(features, heads, *self._no_support)
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
            ModelError: the head is not finite.
        """
        if background is None:
            background = self.meta.background.embedding
        none = np.zeros((0, self.width), np.float32)
        heads = np.zeros((self.depth + 1, PACKS_MULTIPLE), np.float32)
        head = self._run(none, heads, support, label, background)[2]
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
        feed = dict(zip(INPUTS, inputs, strict=True))
        try:
            score, embedding, head = self._session.run(OUTPUTS, feed)
        except Exception as error:  # noqa: BLE001 - the session raises many types without a base
            raise ModelError(f"{self.path}: {error}") from None
        return score, embedding, head

    def _check_graph(self) -> None:
        inputs = {item.name: item for item in self._session.get_inputs()}
        outputs = {item.name: item for item in self._session.get_outputs()}
        if set(inputs) != set(INPUTS) or not set(OUTPUTS) <= set(outputs):
            raise ModelError(f"inputs {sorted(inputs)} or outputs {sorted(outputs)} are not ours")
        fixed = {
            ("features", 1): self.width,
            ("support", 1): self.width,
            ("heads", 0): self.depth + 1,
            ("background", 1): self.depth,
        }
        for (name, axis), size in fixed.items():
            shape = inputs[name].shape
            if len(shape) != 2 or shape[axis] != size:
                raise ModelError(f"input {name}: shape {shape}, axis {axis} must be {size}")
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


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelError(f"can't be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ModelError(f"larger than {MAX_FILE_BYTES} bytes")
    return content


def _props(session: ort.InferenceSession) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise ModelError(f"metadata: {error}") from None


def _session(content: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads that spin would burn a core on a quiet network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the session raises many types without a base
        raise ModelError(f"not a model ONNX Runtime accepts: {error}") from None
