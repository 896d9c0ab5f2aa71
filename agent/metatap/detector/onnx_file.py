"""An ONNX file, opened: its session, digest and metadata, whatever kind of model it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from metatap.bounded import read_bounded
from metatap.detector.contract import MAX_FILE_BYTES
from metatap.detector.onnx_check import check_model
from metatap.errors import ModelError
from metatap.yamlfile import shown

FloatArray = npt.NDArray[np.float32]

SHOWN = 512
"""Characters of what a file or ONNX Runtime says that a message repeats, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """A file that ONNX Runtime accepts.

    Attributes:
        path: The file.
        sha256: Hex digest of its bytes.
        props: Its `metadata_props`.
        session: Ready to run on the CPU.
    """

    path: Path
    sha256: str
    props: dict[str, str]
    session: ort.InferenceSession

    @classmethod
    def open(cls, path: Path, *, threads: int = 1) -> OnnxFile:
        """Read a file of at most `MAX_FILE_BYTES`.

        Args:
            path: The `.onnx` file.
            threads: Threads of ONNX Runtime within one operator.

        Raises:
            ModelError: it can't be read, is too large, no model, or asks for what `onnx_check`
                refuses; names the file.
        """
        try:
            content = _read(path)
            check_model(content)
            session = _session(content, threads)
            _require_texts(session)
            return cls(path, hashlib.sha256(content).hexdigest(), _props(session), session)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None

    def run(self, outputs: Sequence[str], feed: Mapping[str, FloatArray]) -> list[Any]:
        """The named outputs for a feed.

        Raises:
            ModelError: ONNX Runtime fails; names the file.
        """
        try:
            return list(self.session.run(list(outputs), dict(feed)))
        except Exception as error:  # noqa: BLE001 - the session raises many types without a base
            raise ModelError(f"{self.path}: {shown(str(error), SHOWN)}") from None


def _read(path: Path) -> bytes:
    try:
        content = read_bounded(path, MAX_FILE_BYTES)
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


def _require_texts(session: ort.InferenceSession) -> None:
    """Names and shapes of inputs and outputs can be read: the runtime takes any bytes as a name."""
    try:
        for item in (*session.get_inputs(), *session.get_outputs()):
            _ = item.name, item.shape, item.type
    except UnicodeDecodeError as error:
        raise ModelError(f"a name of an input or output: {error}") from None


def _session(content: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Errors are raised; what the runtime writes besides repeats a file's texts as they are.
    options.log_severity_level = 4
    # Idle threads that spin would burn a core on a quiet network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The runtime's own format is another grammar, which nothing has checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return ort.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # noqa: BLE001 - the session raises many types without a base
        text = shown(str(error), SHOWN)
        raise ModelError(f"not a model ONNX Runtime accepts: {text}") from None
