"""A small writer of ONNX nodes, so that a graph reads like the formula it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper


class Nodes:
    """Nodes and constants of one graph, in order.

    Names are made unique by a prefix, since a branch may see the names of the graph around it.
    """

    def __init__(self, prefix: str, dtype: npt.DTypeLike = np.float32) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._prefix = prefix
        self._dtype = dtype
        self._count = 0

    def name(self, hint: str) -> str:
        """A new name."""
        self._count += 1
        return f"{self._prefix}{hint}_{self._count}"

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str:
        """A constant tensor, of the graph's own dtype if none is named."""
        name = self.name("c")
        self.constants.append(
            numpy_helper.from_array(np.asarray(values, dtype or self._dtype), name)
        )
        return name

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """One node with one output; returns the output's name."""
        output = output or self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def slice_columns(self, tensor: str, start: int, stop: int) -> str:
        """Columns start … stop − 1 of a matrix."""
        ends = [self.constant([value], np.int64) for value in (start, stop, 1)]
        return self.op("Slice", tensor, *ends)

    def total(self, tensor: str, axis: int) -> str:
        """Sum over an axis, which is kept."""
        return self.op("ReduceSum", tensor, self.constant([axis], np.int64), keepdims=1)

    def split(self, tensor: str, parts: int, axis: int) -> list[str]:
        """Equal parts of a tensor along an axis."""
        names = [self.name("part") for _ in range(parts)]
        self.nodes.append(helper.make_node("Split", [tensor], names, axis=axis))
        return names

    def top(self, tensor: str, count: str, axis: int) -> tuple[str, str]:
        """The largest `count` (int64 [1]) values along an axis, in no order, and their places."""
        names = self.name("top"), self.name("at")
        self.nodes.append(helper.make_node("TopK", [tensor, count], names, axis=axis, sorted=0))
        return names
