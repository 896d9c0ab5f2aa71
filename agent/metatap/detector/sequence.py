"""A sequence model: which class are consecutive flows of two hosts of?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.detector.classifier import no_probabilities
from metatap.detector.contract import require_probabilities
from metatap.detector.onnx_file import SHOWN, OnnxFile
from metatap.detector.sequence_contract import (
    SEQUENCE_INPUTS,
    SEQUENCE_OUTPUT,
    SequenceMetadata,
    parse_sequence_metadata,
)
from metatap.errors import ModelError
from metatap.features.table import INDEX
from metatap.yamlfile import shown

FloatArray = npt.NDArray[np.float32]

AT_ONCE, CELLS = 256, 2**18
"""Sequences and values scored in one run, at most: a convolution holds 32 planes of each."""

SELFTEST_TOLERANCE = 1e-3


class SequenceModel:
    """A sequence model, checked and ready.

    Attributes:
        meta: Its metadata.
    """

    def __init__(self, file: OnnxFile) -> None:
        """Check a model of kind `sequence`.

        Args:
            file: The open file.

        Raises:
            ModelError: the file breaks docs/model.md; names the file and the fault.
        """
        self._file = file
        try:
            self.meta: SequenceMetadata = parse_sequence_metadata(file.props)
            self._columns = np.array([INDEX[name] for name in self.meta.features])
            self._check_graph()
            self._selftest()
        except ModelError as error:
            raise ModelError(f"{file.path}: {error}") from None

    def select(self, features: FloatArray) -> FloatArray:
        """The columns this model takes, [n, F], of the agent's full matrix."""
        return features[:, self._columns]

    def classify(self, sequences: FloatArray, mask: FloatArray) -> FloatArray:
        """The probability of each class.

        Args:
            sequences: float32 [m, L, F], raw features, NaN = absent; padding after the flows.
            mask: float32 [m, L], 1 = a flow, 0 = padding; at least one flow a sequence.

        Returns:
            float32 [m, C]; NaN in all of a row that the model gave no probabilities for.

        Raises:
            ModelError: the model fails, or its output has another shape; names the file.
        """
        found = self._run(sequences, mask)
        wrong = no_probabilities(found)
        return np.where(wrong[:, None], np.float32(np.nan), found) if wrong.any() else found

    def _run(self, sequences: FloatArray, mask: FloatArray) -> FloatArray:
        """What the model gives, float32 [m, C], its values unchecked."""
        classes = len(self.meta.classes)
        parts = [np.zeros((0, classes), np.float32)]
        most = min(AT_ONCE, max(1, CELLS // (self.meta.length * len(self.meta.features))))
        for at in range(0, len(sequences), most):
            part = slice(at, at + most)
            feed = dict(zip(SEQUENCE_INPUTS, (sequences[part], mask[part]), strict=True))
            found = np.asarray(self._file.run([SEQUENCE_OUTPUT], feed)[0])
            shape = [len(mask[part]), classes]
            if list(found.shape) != shape:
                where = f"{self._file.path}: {SEQUENCE_OUTPUT}"
                raise ModelError(f"{where}: shape {list(found.shape)}, not {shape}")
            parts.append(found)
        return np.concatenate(parts)

    def _check_graph(self) -> None:
        inputs = {item.name: item for item in self._file.session.get_inputs()}
        outputs = {item.name: item for item in self._file.session.get_outputs()}
        if set(inputs) != set(SEQUENCE_INPUTS) or SEQUENCE_OUTPUT not in outputs:
            names = shown(f"inputs {sorted(inputs)} or outputs {sorted(outputs)}", SHOWN)
            raise ModelError(f"{names} are not ours")
        length, width = self.meta.length, len(self.meta.features)
        for name, sizes in (("sequences", [length, width]), ("mask", [length])):
            shape = list(inputs[name].shape)
            if shape[1:] != sizes or isinstance(shape[0], int):
                raise ModelError(f"input {name}: shape {shown(shape)}, not {['n', *sizes]}")
        for name, item in (inputs | outputs).items():
            if item.type != "tensor(float)":
                raise ModelError(f"{shown(name)}: {item.type}, not float32")

    def _selftest(self) -> None:
        test = self.meta.selftest
        found = self._run(test.sequences, test.mask)
        require_probabilities(SEQUENCE_OUTPUT, found, *test.probability.shape)
        worst = float(np.abs(found - test.probability).max())
        if not worst <= SELFTEST_TOLERANCE:
            raise ModelError(f"self-test: probabilities differ by {worst:.2g}")
