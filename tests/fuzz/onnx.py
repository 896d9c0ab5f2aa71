"""Model files: sound ones, edited as messages and as bytes, opened as the agent opens them."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from metatap.detector import open_scorer
from metatap.errors import ModelError
from tests.fuzz.tally import Tally
from tests.security.graphs import branch, sound, write

ROUND = 500

REASONS = {
    "no ONNX message": "no ONNX message",
    "refused by ONNX Runtime": "ONNX Runtime accepts",
    "an operator": "operator ",
    "data in another file": "another file",
    "functions of its own": "functions of its own",
    "a size": "elements|axes|more than|nested deeper",
    "inputs or outputs": "input|output",
    "the model fails": "Error|Status|runtime|Non-zero",
}
"""Reason → what is said."""

NAMES = ("Loop", "If", "Add", "Expand", "Range", "Tile", "Scan", "", "Cast", "Gelu", "TopK", "\0")
SIZES = (0, 1, -1, 2, 3, 4, 7, 2**16, 2**31, 2**40, 2**62, -(2**63))


def run(tally: Tally, count: int, seed: int) -> None:
    """Open so many files; one that is taken has been tried out on rows as well."""
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, count, ROUND):
            chance = random.Random(f"{seed} {start}")
            each = range(start, min(start + ROUND, count))
            refused = Counter(_open(chance, Path(folder)) for _ in each)
            taken = refused.pop("", 0)
            tally.add(taken, refused)


def _open(chance: random.Random, folder: Path) -> str:
    content = mutated(chance)
    path = write(folder, content)
    try:
        open_scorer(path)
    except ModelError as error:
        text = str(error).removeprefix(str(path))
        return next((name for name, words in REASONS.items() if re.search(words, text)), "others")
    except Exception as error:
        raise AssertionError(repr(content)) from error
    return ""


@cache
def _seeds() -> tuple[onnx.ModelProto, ...]:
    constant = helper.make_node("Constant", [], ["c"], value_float=1.0)
    scaler = helper.make_node(
        "Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0]
    )
    return sound(), sound(branch(constant, 2)), sound(scaler)


def mutated(chance: random.Random) -> bytes:
    """A model with some edits of its parts, of its bytes, or of both; or as it was."""
    proto = onnx.ModelProto()
    proto.CopyFrom(chance.choice(_seeds()))
    kind = chance.randrange(10)
    if kind < 6:
        for _ in range(chance.choice((1, 1, 2, 3))):
            chance.choice(_PARTS)(proto, chance)
    content: bytes = proto.SerializeToString()
    if kind >= 5:
        for _ in range(chance.choice((0, 1, 1, 2, 4))):
            content = _bytes(content, chance)
    return content


def _operator(proto: onnx.ModelProto, chance: random.Random) -> None:
    chance.choice(proto.graph.node).op_type = chance.choice(NAMES)


def _domain(proto: onnx.ModelProto, chance: random.Random) -> None:
    chance.choice(proto.graph.node).domain = chance.choice(("com.microsoft", "ai.onnx.ml", "x\n"))


def _wires(proto: onnx.ModelProto, chance: random.Random) -> None:
    """Another input, perhaps a cycle, or one fewer."""
    node = chance.choice(proto.graph.node)
    names = [name for each in proto.graph.node for name in (*each.input, *each.output)] + ["", "q"]
    if node.input and chance.random() < 0.7:
        node.input[chance.randrange(len(node.input))] = chance.choice(names)
    elif node.input:
        del node.input[-1]
    else:
        node.input.append(chance.choice(names))


def _shape(proto: onnx.ModelProto, chance: random.Random) -> None:
    tensor = chance.choice(proto.graph.initializer)
    if tensor.dims and chance.random() < 0.7:
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(SIZES)
    else:
        tensor.dims.append(chance.choice(SIZES))


def _type(proto: onnx.ModelProto, chance: random.Random) -> None:
    chance.choice(proto.graph.initializer).data_type = chance.randrange(25)


def _external(proto: onnx.ModelProto, chance: random.Random) -> None:
    tensor = chance.choice(proto.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    where = chance.choice(("/dev/zero", "model.yaml", "../x"))
    tensor.external_data.add(key="location", value=where)


def _attribute(proto: onnx.ModelProto, chance: random.Random) -> None:
    node = chance.choice(proto.graph.node)
    name = chance.choice(("axis", "to", "value_float", "scale", "body"))
    new = chance.choice((*SIZES, 1.0, float("nan"), "x", [1.0] * 9, [2**62]))
    node.attribute.append(helper.make_attribute(name, new))


def _function(proto: onnx.ModelProto, _chance: random.Random) -> None:
    body = [helper.make_node("Identity", ["a"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("", "Softmax", ["a"], ["b"], body, opsets))


def _opset(proto: onnx.ModelProto, chance: random.Random) -> None:
    chance.choice(proto.opset_import).version = chance.choice((0, 1, 6, 13, 21, 99, -1))


def _twice(proto: onnx.ModelProto, chance: random.Random) -> None:
    proto.graph.node.add().CopyFrom(chance.choice(proto.graph.node))


_PARTS = (
    *(_operator, _domain, _wires, _wires, _shape, _type, _external, _attribute, _function),
    *(_opset, _twice),
)


def _bytes(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    kind = chance.randrange(4)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + chance.randbytes(1) + content[at + 1 :]
    if kind == 2:
        return content[:at] + chance.randbytes(chance.randrange(1, 9)) + content[at:]
    return content[:at] + content[at + chance.randrange(1, 9) :]
