"""The order of fields follows from the schema."""

from __future__ import annotations

import re
from pathlib import Path

from metatap.flow import Group
from metatap.sources.wire_layout import Single, empty_group, layout, shard_topic

SCRIPT = Path(__file__).parents[3] / "zeek_scripts" / "metatap" / "wire.zeek"


def fields(group: Group) -> list[str]:
    """Names of the fields of a group's record, as the wire has them."""
    names: list[str] = []
    for step in layout(group).steps:
        labels = [step.label] if isinstance(step, Single) else step.labels
        names += [label.removeprefix(f"flows.{group}.") for label in labels]
    return names


def test_ssh_has_the_fields_of_the_contract() -> None:
    """`row` first, a string's lengths behind it, bools only in `flags`, which come last."""
    assert fields(Group.SSH) == [
        *("row", "version", "auth_attempts", "client", "client_len", "server", "server_len"),
        "flags",
    ]


def test_conn_has_no_rows_and_no_protocol() -> None:
    """`conn` is dense, and `proto` is that of the responder's port."""
    names = fields(Group.CONN)
    assert names[:4] == ["ts", "uid", "uid_len", "orig_h"]
    assert "row" not in names
    assert "proto" not in names
    assert names[-1] == "flags"


def test_the_zeek_script_declares_the_same_fields() -> None:
    """The records of the Zeek package are those of the layout, field by field."""
    text = SCRIPT.read_text()
    for group in Group:
        name = {"conn": "ConnColumns"}.get(group, f"{group.upper()}Columns")
        body = re.search(rf"type {name}: record \{{(.*?)\}};", text, re.DOTALL)
        assert body is not None, name
        assert re.findall(r"^\s*(\w+):", body[1], re.MULTILINE) == fields(group)


def test_fields_are_counted() -> None:
    """A record has as many fields as its layout has names."""
    for group in Group:
        assert layout(group).fields == len(fields(group))


def test_an_empty_group_is_all_empty_vectors_and_strings() -> None:
    """Most batches have no SSH: these bytes are recognised as a whole."""
    assert empty_group(Group.SSH) == b"\x0e\x08" + b"\x0e\x00" * 3 + b"\x05\x00\x0e\x00" * 2 + (
        b"\x0e\x00"
    )


def test_shards_have_a_fixed_width_in_topics() -> None:
    """The prefix of shard 1 does not match shard 10."""
    assert shard_topic(1) == "metatap.flows.v1.001."
    assert shard_topic(10).startswith(shard_topic())
    assert not shard_topic(10).startswith(shard_topic(1))
