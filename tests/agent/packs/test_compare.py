"""metatap.packs.compare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metatap.packs import Severity, load_pack
from metatap.packs.compare import Change, FlowChange, flow_changes, head_changes
from metatap.runtime.build import shipped_packs

PACK = load_pack(shipped_packs() / "ssh-bruteforce.yaml")


def test_a_pack_does_not_differ_from_itself() -> None:
    """Nor from a copy in another file."""
    assert not head_changes(PACK, PACK)
    assert not flow_changes(PACK, replace(PACK, path=PACK.path.with_name("b.yaml")))


def test_heads_differ_by_field() -> None:
    """In the order of the file, with both values."""
    other = replace(PACK, severity=Severity.LOW, attack=("T1110", "T1021"))
    assert head_changes(PACK, other) == [
        Change("severity", "high", "low"),
        Change("attack", "T1110.001", "T1110, T1021"),
    ]


def test_flows_differ_by_uid() -> None:
    """A flow that moved is the same; one that is gone, new or changed is named."""
    rows = np.array([3, 1, 2, 0])
    assert PACK.context is not None
    context = PACK.context[rows].copy()
    context[0, 0] = 99.5
    other = replace(PACK, flows=PACK.flows.take(rows), context=context, not_like=None)
    found = flow_changes(PACK, other)
    uids = PACK.flows.strings("uid")
    assert uids is not None
    names = [(uids.item(row) or b"").decode() for row in range(PACK.flows.rows)]
    assert [(change.name, change.is_in_first, change.is_in_second) for change in found[:5]] == [
        (names[3], True, True),
        *((name, True, False) for name in names[4:]),
    ]
    (changed,) = found[0].changes
    assert (changed.field, changed.after) == ("context.host.flows.s", "99.5")
    assert [change.kind for change in found[5:]] == ["not_like", "not_like"]


def test_flows_without_uid_are_told_by_their_place() -> None:
    """`#1` is the first flow of the list."""
    flows = replace(PACK.flows, columns={"proto": PACK.flows.columns["proto"]})
    one = replace(PACK, flows=flows.take(np.array([0])), context=None)
    two = replace(PACK, flows=flows.take(np.array([0, 1])), context=None)
    assert flow_changes(one, two) == [
        FlowChange("flows", "#2", (), is_in_first=False, is_in_second=True)
    ]
