"""What an ONNX file may ask of the runtime, checked before the runtime sees it.

A graph is data, but some of it reaches further: tensors that lie in other files, operators of
libraries, functions that call each other, loops without an end. The file is read with the few
fields of `onnx.proto` that tell of these (ONNX 1.16 to 1.23; a test compares the numbers), by the
protobuf library that ONNX Runtime itself depends on. Everything else in the file is skipped here.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from metatap.errors import ModelError
from metatap.yamlfile import shown

MAX_NODES = 20_000
"""Nodes of a file, those of subgraphs included, at most; the shipped model has about 500."""

MAX_TENSORS = 20_000
"""Tensors stored in a file, at most."""

MAX_ELEMENTS = 2**26
"""Elements of one stored tensor, at most: as many bytes as a file may have."""

MAX_RANK = 16
"""Axes of a stored tensor, at most."""

MAX_DEPTH = 4
"""Subgraphs within each other, at most."""


def _names(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


OPERATORS = {
    "ai.onnx": _names(
        # arithmetic and comparison, element by element
        "Abs Add And Ceil Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual",
        "HardSigmoid HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod",
        "Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus",
        "Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor",
        # over an axis
        "ArgMax ArgMin CumSum Hardmax LogSoftmax ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp",
        "ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Softmax TopK",
        # shapes and places
        "Cast CastLike Compress Concat Constant ConstantOfShape Dropout Expand EyeLike Flatten",
        "Gather GatherElements GatherND Identity NonZero OneHot Pad Range Reshape ScatterElements",
        "ScatterND Shape Size Slice Split Squeeze Tile Transpose Trilu Unsqueeze",
        # products, layers and recurrence over a given axis
        "Attention AveragePool BatchNormalization Conv Einsum GRU Gemm GlobalAveragePool",
        "GlobalMaxPool GroupNormalization InstanceNormalization LSTM LayerNormalization",
        "LpNormalization LpPool MatMul MaxPool RMSNormalization RNN",
        # 8-bit integers
        "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv",
        "QLinearMatMul QuantizeLinear",
        # subgraphs that end: a branch, and a pass over an axis of a given length
        "If Scan",
    ),
    "ai.onnx.ml": _names(
        "ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier",
        "LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble",
        "TreeEnsembleClassifier TreeEnsembleRegressor ZipMap",
    ),
}
"""Domain → operators a file may use: those that models of flows are made of."""

EXTERNAL = 1
"""`data_location` of a tensor that lies in another file."""


class _Field(NamedTuple):
    name: str
    number: int
    kind: str
    """`int64`, `bytes`, or the name of a message."""
    repeated: bool = False


SCHEMA: dict[str, tuple[_Field, ...]] = {
    "ModelProto": (
        _Field("graph", 7, "GraphProto"),
        _Field("functions", 25, "bytes", repeated=True),
    ),
    "GraphProto": (
        _Field("node", 1, "NodeProto", repeated=True),
        _Field("initializer", 5, "TensorProto", repeated=True),
        _Field("sparse_initializer", 15, "SparseTensorProto", repeated=True),
    ),
    "NodeProto": (
        _Field("op_type", 4, "bytes"),
        _Field("attribute", 5, "AttributeProto", repeated=True),
        _Field("domain", 7, "bytes"),
    ),
    "AttributeProto": (
        _Field("t", 5, "TensorProto"),
        _Field("g", 6, "GraphProto"),
        _Field("tensors", 10, "TensorProto", repeated=True),
        _Field("graphs", 11, "GraphProto", repeated=True),
        _Field("sparse_tensor", 22, "SparseTensorProto"),
        _Field("sparse_tensors", 23, "SparseTensorProto", repeated=True),
    ),
    "TensorProto": (
        _Field("dims", 1, "int64", repeated=True),
        _Field("name", 8, "bytes"),
        _Field("external_data", 13, "bytes", repeated=True),
        _Field("data_location", 14, "int64"),
    ),
    "SparseTensorProto": (
        _Field("values", 1, "TensorProto"),
        _Field("indices", 2, "TensorProto"),
        _Field("dims", 3, "int64", repeated=True),
    ),
}
"""Message → the fields of it that are read; texts as bytes, which are the same on the wire."""


def check_model(content: bytes) -> None:
    """Check a file's nodes and tensors, in subgraphs too.

    Args:
        content: The file.

    Raises:
        ModelError: it is no protobuf message, or asks for what no model may; names operator,
            tensor or bound.
    """
    model = _messages()["ModelProto"]()
    try:
        model.ParseFromString(content)
    except (DecodeError, RecursionError):
        raise ModelError("not a model ONNX Runtime accepts: no ONNX message") from None
    if model.functions:
        raise ModelError(
            f"{len(model.functions)} functions of its own are not allowed: export it with "
            "functions inlined"
        )
    _Walk().run(model.graph)


class _Walk:
    """Goes over a graph and its subgraphs, with a stack of its own."""

    def __init__(self) -> None:
        self._nodes = self._tensors = 0
        self._graphs: list[tuple[Any, int]] = []

    def run(self, graph: Any) -> None:
        self._graphs.append((graph, 0))
        while self._graphs:
            graph, depth = self._graphs.pop()
            if depth > MAX_DEPTH:
                raise ModelError(f"subgraphs nested deeper than {MAX_DEPTH}")
            for tensor in graph.initializer:
                self._tensor(tensor)
            for sparse in graph.sparse_initializer:
                self._sparse(sparse)
            for node in graph.node:
                self._node(node, depth)

    def _node(self, node: Any, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ModelError(f"more than {MAX_NODES} nodes")
        domain, name = _text(node.domain) or "ai.onnx", _text(node.op_type)
        if domain not in OPERATORS:
            raise ModelError(
                f"operator {name} of domain {domain}: only those of {' and '.join(OPERATORS)} "
                "are allowed"
            )
        if name not in OPERATORS[domain]:
            raise ModelError(f"operator {name} of {domain} is not allowed in a model")
        for attribute in node.attribute:
            if attribute.HasField("t"):
                self._tensor(attribute.t)
            if attribute.HasField("g"):
                self._graphs.append((attribute.g, depth + 1))
            if attribute.HasField("sparse_tensor"):
                self._sparse(attribute.sparse_tensor)
            for tensor in attribute.tensors:
                self._tensor(tensor)
            for sparse in attribute.sparse_tensors:
                self._sparse(sparse)
            self._graphs.extend((graph, depth + 1) for graph in attribute.graphs)

    def _sparse(self, sparse: Any) -> None:
        self._tensor(sparse.values)
        self._tensor(sparse.indices)
        # The runtime makes it dense.
        _check_size(_text(sparse.values.name), sparse.dims)

    def _tensor(self, tensor: Any) -> None:
        self._tensors += 1
        if self._tensors > MAX_TENSORS:
            raise ModelError(f"more than {MAX_TENSORS} tensors")
        if tensor.external_data or tensor.data_location == EXTERNAL:
            raise ModelError(
                f"tensor {_text(tensor.name)}: its data lie in another file, which is not allowed"
            )
        _check_size(_text(tensor.name), tensor.dims)


def _check_size(name: str, dims: Any) -> None:
    if len(dims) > MAX_RANK:
        raise ModelError(f"tensor {name}: {len(dims)} axes, at most {MAX_RANK}")
    if min(dims, default=0) < 0 or math.prod(dims) > MAX_ELEMENTS:
        shape = shown(list(dims))
        raise ModelError(f"tensor {name}: shape {shape}, at most {MAX_ELEMENTS} elements")


def _text(found: bytes) -> str:
    """A name as it is shown and looked up: what can't be shown is no name that is known."""
    return shown(found[:64].decode("utf-8", "replace")) if found else ""


@cache
def _messages() -> dict[str, Any]:
    """The classes of `SCHEMA`, in a pool of their own beside those of the onnx package."""
    file = descriptor_pb2.FileDescriptorProto(
        name="metatap/onnx_check.proto", package="metatap.onnx_check", syntax="proto2"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field in fields:
            made = message.field.add(name=field.name, number=field.number)
            made.label = kinds.LABEL_REPEATED if field.repeated else kinds.LABEL_OPTIONAL
            if field.kind in SCHEMA:
                made.type = kinds.TYPE_MESSAGE
                made.type_name = f".metatap.onnx_check.{field.kind}"
            else:
                made.type = kinds.TYPE_INT64 if field.kind == "int64" else kinds.TYPE_BYTES
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"metatap.onnx_check.{name}")
        )
        for name in SCHEMA
    }
