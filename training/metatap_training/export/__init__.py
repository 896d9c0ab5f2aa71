"""A trained model → one `.onnx` file as docs/model.md describes it, checked against PyTorch.

In: `Committee`, `Scaling`, the flows of the reference background, a card. Out: the file.
"""

from metatap_training.export.bundle import Bundle, make_bundle
from metatap_training.export.graph import build_graph

__all__ = ["Bundle", "build_graph", "make_bundle"]
