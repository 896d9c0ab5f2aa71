"""metatap.detector.onnx_check: files that ask for more than a model may."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from metatap.detector import open_scorer, shipped_model
from metatap.detector.onnx_check import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_NODES,
    MAX_RANK,
    MAX_TENSORS,
    OPERATORS,
    SCHEMA,
    check_model,
)
from metatap.errors import ModelError
from tests.fuzz.onnx import mutated
from tests.security.graphs import branch, sound, value, write


def fault(folder: Path, content: onnx.ModelProto | bytes) -> str:
    """What is said of a file that must be refused."""
    with pytest.raises(ModelError) as caught:
        open_scorer(write(folder, content))
    assert str(caught.value).startswith(f"{folder / 'model.onnx'}: ")
    return str(caught.value)


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    """The file that the others are made of is no fault by itself."""
    assert open_scorer(write(tmp_path, sound())).meta.name == "by-hand"
    check_model(shipped_model().read_bytes())


def test_the_numbers_of_the_fields_are_those_of_onnx() -> None:
    """Each field that is read has the number, kind and multiplicity of the published schema."""
    for message, fields in SCHEMA.items():
        known = getattr(onnx, message).DESCRIPTOR.fields_by_name
        for field in fields:
            found = known[field.name]
            assert found.number == field.number
            assert found.is_repeated == field.repeated
            if field.kind in SCHEMA:
                assert found.message_type.name == field.kind


def test_every_operator_that_is_allowed_exists() -> None:
    """A table with a typing error would refuse models for nothing."""
    published = {
        (schema.domain or "ai.onnx", schema.name) for schema in onnx.defs.get_all_schemas()
    }
    wanted = {(domain, name) for domain, names in OPERATORS.items() for name in names}
    assert {name for _, name in wanted - published} <= {"Attention", "RMSNormalization", "Swish"}


def test_fields_that_can_hold_a_graph_or_tensor_are_all_read() -> None:
    """Of each message that is walked, whatever leads to another one that is walked."""
    ignored = {("ModelProto", "training_info"), ("GraphProto", "metadata_props")}
    for message, fields in SCHEMA.items():
        for found in getattr(onnx, message).DESCRIPTOR.fields:
            kind = found.message_type.name if found.message_type else ""
            if kind in SCHEMA and (message, found.name) not in ignored:
                assert found.name in {field.name for field in fields}, (message, found.name)


@pytest.mark.parametrize("domain", ["com.microsoft", "org.example", "ai.onnx.training"])
def test_operators_of_other_domains_are_refused(tmp_path: Path, domain: str) -> None:
    """Even those the runtime has built in: none of a model's kind is needed."""
    node = helper.make_node("Gelu", ["x"], ["y"], domain=domain)
    proto = sound(node)
    proto.opset_import.append(helper.make_opsetid(domain, 1))
    assert f"operator Gelu of domain {domain}" in fault(tmp_path, proto)


@pytest.mark.parametrize(
    "name", ["Loop", "RandomNormal", "SequenceEmpty", "ImageDecoder", "Resize", "NoSuchOperator"]
)
def test_operators_that_are_not_on_the_list_are_refused(tmp_path: Path, name: str) -> None:
    """Loops without an end, chance, sequences; the message names the operator."""
    text = fault(tmp_path, sound(helper.make_node(name, ["x"], ["y"])))
    assert f"operator {name} of ai.onnx is not allowed" in text


@pytest.mark.parametrize("depth", [1, MAX_DEPTH])
def test_subgraphs_are_looked_at(tmp_path: Path, depth: int) -> None:
    """An operator hidden in a branch of a branch is found."""
    node = branch(helper.make_node("RandomUniform", [], ["r"], shape=[1]), depth)
    assert "operator RandomUniform" in fault(tmp_path, sound(node))


def test_a_tensor_hidden_in_a_branch_is_found(tmp_path: Path) -> None:
    """As a constant's value, in a subgraph."""
    tensor = external(TensorProto(), "../../etc/passwd")
    node = branch(helper.make_node("Constant", [], ["c"], value=tensor))
    assert "its data lie in another file" in fault(tmp_path, sound(node))


def test_subgraphs_have_a_depth(tmp_path: Path) -> None:
    """A tower of branches."""
    node = branch(helper.make_node("Constant", [], ["c"], value_float=1.0), MAX_DEPTH + 1)
    assert f"nested deeper than {MAX_DEPTH}" in fault(tmp_path, sound(node))
    node = branch(helper.make_node("Constant", [], ["c"], value_float=1.0), 12)
    content = sound(node).SerializeToString()
    assert "nested deeper" in fault(tmp_path, content)


def external(tensor: TensorProto, location: str) -> TensorProto:
    """A tensor whose data lie in a file."""
    tensor.name, tensor.data_type = "stolen", TensorProto.FLOAT
    tensor.data_location = TensorProto.EXTERNAL
    tensor.dims.append(4)
    tensor.external_data.add(key="location", value=location)
    return tensor


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret.bin", "beside.bin"])
def test_external_data_are_refused(tmp_path: Path, location: str) -> None:
    """Wherever they lie, though the file be there; and where only the flag or the key says so."""
    (tmp_path / "beside.bin").write_bytes(bytes(16))
    tensor = external(TensorProto(), location)
    assert "tensor stolen: its data lie in another file" in fault(
        tmp_path, sound(tensors=(tensor,))
    )
    tensor.ClearField("data_location")
    assert "tensor stolen" in fault(tmp_path, sound(tensors=(tensor,)))
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.EXTERNAL
    assert "tensor stolen" in fault(tmp_path, sound(tensors=(tensor,)))


def test_external_data_of_a_sparse_tensor_are_refused(tmp_path: Path) -> None:
    """Its values and its indices are tensors like others."""
    proto = sound()
    sparse = proto.graph.sparse_initializer.add()
    external(sparse.values, "x")
    assert "tensor stolen" in fault(tmp_path, proto)


def test_functions_of_its_own_are_refused(tmp_path: Path) -> None:
    """Ten that call each other ten times are ten thousand million nodes."""
    proto = sound()
    body = [helper.make_node("Identity", ["a"], ["b"])]
    made = helper.make_function("own", "F", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    proto.functions.append(made)
    assert "1 functions of its own are not allowed" in fault(tmp_path, proto)


def test_a_shape_that_lies_is_refused(tmp_path: Path) -> None:
    """More elements than a file can hold, fewer than none, more axes than anything has."""
    shapes = ([2**31, 2**31], [MAX_ELEMENTS + 1], [-1], [2, -3], [1] * (MAX_RANK + 1))
    for dims in shapes:
        tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=dims)
        assert "tensor t: " in fault(tmp_path, sound(tensors=(tensor,)))
    proto = sound()
    sparse = proto.graph.sparse_initializer.add(dims=[2**40])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "few"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "few_indices"))
    assert "tensor few: shape [1099511627776]" in fault(tmp_path, proto)


def test_nodes_and_tensors_are_counted(tmp_path: Path) -> None:
    """Those of subgraphs too."""
    nodes = [helper.make_node("Identity", ["x"], [f"y{at}"]) for at in range(MAX_NODES)]
    assert f"more than {MAX_NODES} nodes" in fault(tmp_path, sound(*nodes))
    inner = helper.make_graph(nodes, "inner", [], [value("y0", None)])
    node = helper.make_node("If", ["zero"], ["y"], then_branch=inner, else_branch=inner)
    assert f"more than {MAX_NODES} nodes" in fault(tmp_path, sound(node))
    few = numpy_helper.from_array(np.zeros(1, np.float32), "few")
    assert f"more than {MAX_TENSORS} tensors" in fault(
        tmp_path, sound(tensors=(few,) * MAX_TENSORS)
    )


def test_the_runtimes_own_format_is_refused(tmp_path: Path) -> None:
    """A flatbuffer that begins as ONNX Runtime's files do is no ONNX message."""
    content = b"\x18\x00\x00\x00ORTM" + bytes(4000)
    assert "not a model ONNX Runtime accepts" in fault(tmp_path, content)


def test_a_field_given_twice_hides_nothing(tmp_path: Path) -> None:
    """Messages are merged and of two names the last holds, here as in the runtime."""
    first = sound().SerializeToString()
    graph = helper.make_graph([helper.make_node("Loop", ["x"], ["y"])], "more", [], [])
    second = onnx.ModelProto(graph=graph).SerializeToString()
    assert "operator Loop" in fault(tmp_path, first + second)
    assert "operator Loop" in fault(tmp_path, second + first)


def test_names_in_messages_are_short_and_on_one_line(tmp_path: Path) -> None:
    """A file can't forge a line of the log."""
    node = helper.make_node("Ha\x1b[31m\nx" + "y" * 5000, ["x"], ["y"], domain="d\n" * 90)
    text = fault(tmp_path, sound(node))
    assert text.isprintable()
    assert len(text) < 500 + len(str(tmp_path))


def test_a_file_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The runtime neither tries again aloud nor writes errors of its own where alerts may go."""
    proto = sound()
    proto.graph.node[0].name = "fake\nline"
    proto.graph.initializer[0].raw_data = b"short"
    assert "ONNX Runtime" in fault(tmp_path, proto)
    content = sound().SerializeToString().replace(b"logits", b"\xff\xfe\xf6its")
    open_or_refuse(write(tmp_path, content))
    assert capfd.readouterr() == ("", "")


def open_or_refuse(path: Path) -> bool:
    """Whether a file is taken."""
    try:
        open_scorer(path)
    except ModelError:
        return False
    return True


@pytest.mark.parametrize("name", [b"\x0a\x01x", b"\x0a\x01p", b"\x12\x04rows"])
def test_a_name_that_is_no_text_is_refused(tmp_path: Path, name: bytes) -> None:
    """Of an input, of an output, of an axis without a fixed length."""
    proto = sound()
    for put in (*proto.graph.input, *proto.graph.output):
        put.type.tensor_type.shape.dim[0].dim_param = "rows"
    start, length = name[:2], len(name) - 2
    content = proto.SerializeToString()
    for tag in (start, b"\x12" + start[1:]):  # an output of a node has another number
        content = content.replace(tag + name[2:], tag + b"\xb0" * length)
    assert "'utf-8' codec" in fault(tmp_path, content)


@given(st.binary(max_size=300))
def test_any_bytes_are_checked_or_refused(content: bytes) -> None:
    """Nothing but ModelError comes out."""
    try:
        check_model(content)
    except ModelError:
        return


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """Three hundred, through the runtime; the long form is `python -m tests.fuzz onnx`."""
    chance: Any = random.Random("onnx")
    kinds = [open_or_refuse(write(tmp_path, mutated(chance))) for _ in range(300)]
    assert 10 < sum(kinds) < 200
