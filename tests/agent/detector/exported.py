"""Real exports of LightGBM and scikit-learn, trained on the lab's recording, and descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tests.lab.packs import read_all

from metatap.context import Context
from metatap.demo import read_labels
from metatap.features import NAMES, encode

LAB = Path(__file__).parents[2] / "data" / "lab"
OFFICE = LAB / "office.mtrec"
LABELS = LAB / "office.labels.csv"
BENIGN = "benign"

FloatArray = npt.NDArray[np.float32]


def lab_rows() -> tuple[FloatArray, list[str]]:
    """Features float32 [n, F] of the recording's flows, and the class of each."""
    flows, labels = read_all(OFFICE), read_labels(LABELS)
    column = flows.strings("uid")
    assert column is not None
    found = [labels[(column.item(row) or b"").decode()] for row in range(flows.rows)]
    classes = [item.family if item.label == "malicious" else BENIGN for item in found]
    return encode(flows, Context().update(flows)), [name.replace("_", "-") for name in classes]


def lightgbm_export(features: FloatArray, classes: list[str], **options: Any) -> tuple[Any, Any]:
    """A LightGBM classifier and its export; absent values stay NaN."""
    from lightgbm import LGBMClassifier  # noqa: PLC0415 - slow to import
    from onnxmltools import convert_lightgbm  # noqa: PLC0415 - likewise
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415 - likewise

    model = LGBMClassifier(n_estimators=20, num_leaves=15, n_jobs=1, verbose=-1, random_state=0)
    model.fit(features, classes)
    kind = [("features", FloatTensorType([None, features.shape[1]]))]
    return model, convert_lightgbm(
        model, initial_types=kind, **({"zipmap": False, "target_opset": 15} | options)
    )


def sklearn_export(model: Any, features: FloatArray, *, zipmap: bool = False) -> Any:
    """The export of a fitted scikit-learn classifier."""
    from skl2onnx import to_onnx  # noqa: PLC0415 - slow to import

    return to_onnx(model, features[:1], options={"zipmap": zipmap}, target_opset=17)


def description(
    classes: list[str], features: tuple[str, ...] = NAMES, threshold: float = 0.5, more: str = ""
) -> str:
    """A description: every class but the benign one is a rule."""
    rules = [
        f"  - {name}"
        if name == BENIGN
        else f"  - {{id: {name}, severity: high, threshold: {threshold}, attack: [T1046]}}"
        for name in classes
    ]
    lines = [
        "classifier: 1",
        "name: office-classifier",
        'version: "1.0"',
        "author: lab",
        "created: 2026-11-24",
        f"features: [{', '.join(features)}]",
        *([more] if more else []),
        "classes:",
        *rules,
    ]
    return "\n".join(lines) + "\n"


def write(folder: Path, proto: Any, text: str | None, name: str = "model") -> Path:
    """A model file and the description beside it."""
    path = folder / f"{name}.onnx"
    path.write_bytes(proto.SerializeToString())
    if text is not None:
        path.with_suffix(".yaml").write_text(text)
    return path
