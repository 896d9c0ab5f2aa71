"""metatap.offline.pack_edit: a counter-example more, in a file that a person keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.context import CONTEXT_VERSION, CONTEXT_WIDTH
from metatap.errors import PackError, TeachError
from metatap.flow import from_rows, to_row
from metatap.offline.pack_edit import add_not_like, read_pack_file
from metatap.offline.teach_sample import Examples, joined
from metatap.offline.uids import uid_texts
from metatap.packs import dump_pack, load_folder, parse_pack
from metatap.runtime.shipped import shipped_packs

HEAD = """\
# Ours; ask before you change it.
pack: 1
id: ours
name: Ours   # a remark
created: 2026-11-24
severity: low
flows:
  - {uid: C1, proto: tcp}
"""

ITEM = "{uid: N1, proto: udp, service: dns}"


def example(uid: str = "N1", *, known: bool = False) -> Examples:
    context = np.full((1, CONTEXT_WIDTH), np.nan, np.float32)
    if known:
        context[0, :3] = 1.5
    return Examples(from_rows([{"uid": uid, "proto": "udp", "service": "dns"}]), context)


@pytest.mark.parametrize(
    ("end", "new"),
    [
        ("", "not_like:\n  - {uid: N1, proto: udp, service: dns}\n"),
        ("not_like: []\n", "not_like:\n  - {uid: N1, proto: udp, service: dns}\n"),
        ("not_like:\n", "not_like:\n  - {uid: N1, proto: udp, service: dns}\n"),
        (
            "not_like: []  # none yet\n# the end\n",
            "not_like:  # none yet\n  - {uid: N1, proto: udp, service: dns}\n# the end\n",
        ),
        (
            "not_like:\n  # the backup\n  - {uid: N0}\n  # more to come\n",
            f"not_like:\n  # the backup\n  - {{uid: N0}}\n  - {ITEM}\n  # more to come\n",
        ),
        (
            "not_like:\n- uid: N0\n  proto: tcp\nauthor: me\n",
            f"not_like:\n- uid: N0\n  proto: tcp\n- {ITEM}\nauthor: me\n",
        ),
    ],
)
def test_comments_and_order_stay(end: str, new: str) -> None:
    """One item is put in, all else stays to the letter."""
    text = HEAD + end
    edited = add_not_like(parse_pack(text.encode(), "ours.yaml"), text, example())
    assert edited.is_kept
    assert edited.text == HEAD + new
    assert edited.pack.not_like is not None
    assert uid_texts(edited.pack.not_like)[-1] == "N1"


def test_several_at_once() -> None:
    """In the order given; one that is given twice, or does not fit any more, is refused."""
    pack = parse_pack(HEAD.encode(), "ours.yaml")
    both = joined([example("N1"), example("N2", known=True)])
    edited = add_not_like(pack, HEAD, both)
    assert edited.is_kept
    assert edited.pack.not_like is not None
    assert uid_texts(edited.pack.not_like) == ["N1", "N2"]
    assert edited.pack.not_like_context is not None
    assert edited.pack.not_like_context[1, :3].tolist() == [1.5] * 3
    with pytest.raises(TeachError, match="uid N1 is a counter-example of pack ours already"):
        add_not_like(pack, HEAD, joined([example("N1"), example("N1")]))
    with pytest.raises(TeachError, match="more than 64 counter-examples"):
        add_not_like(pack, HEAD, joined([example(f"N{at}") for at in range(65)]))


def test_a_context_brings_its_version_along() -> None:
    """A pack without contexts gets the version before its flows."""
    edited = add_not_like(parse_pack(HEAD.encode(), "ours.yaml"), HEAD, example(known=True))
    assert edited.is_kept
    assert f"severity: low\ncontext_version: {CONTEXT_VERSION}\nflows:\n" in edited.text
    assert edited.pack.not_like_context is not None
    assert edited.pack.not_like_context[0, :3].tolist() == [1.5] * 3


def test_a_form_that_can_not_be_added_to_is_written_anew() -> None:
    """A list in brackets on one line: the same pack, without its comments."""
    text = HEAD + "not_like: [{uid: N0}]\n"
    edited = add_not_like(parse_pack(text.encode(), "ours.yaml"), text, example())
    assert not edited.is_kept
    assert "#" not in edited.text
    assert edited.pack.not_like is not None
    assert uid_texts(edited.pack.not_like) == ["N0", "N1"]
    assert edited.pack.name == "Ours"


def test_contexts_of_another_version_stay_as_they_are() -> None:
    """They are not read, so the text is added to or nothing is done; the new flow has none."""
    text = HEAD.replace("flows:\n", "context_version: 9\nflows:\n").replace(
        "proto: tcp}", "proto: tcp, context: {host.flows.s: 2}}"
    )
    pack = parse_pack(text.encode(), "ours.yaml")
    edited = add_not_like(pack, text, example(known=True))
    assert edited.is_kept
    assert edited.text == text + "not_like:\n  - {uid: N1, proto: udp, service: dns}\n"
    inline = text + "not_like: [{uid: N0}]\n"
    with pytest.raises(TeachError, match="contexts of version 9"):
        add_not_like(parse_pack(inline.encode(), "ours.yaml"), inline, example())


def test_a_flow_that_is_there_already_is_refused() -> None:
    """As support flow, as counter-example by its uid, or the same flow without one."""
    text = HEAD + "not_like:\n  - {uid: N0}\n  - {proto: icmp, partial: false}\n"
    pack = parse_pack(text.encode(), "ours.yaml")
    for uid, fault in (("C1", "one of the support flows"), ("N0", "counter-example of pack ours")):
        with pytest.raises(TeachError, match=fault):
            add_not_like(pack, text, example(uid))
    assert pack.not_like is not None
    same = Examples(pack.not_like.take(np.array([1])), example().context)
    with pytest.raises(TeachError, match="counter-example of pack ours already"):
        add_not_like(pack, text, same)


def test_a_full_pack_is_refused() -> None:
    """64 counter-examples are all."""
    text = HEAD + "not_like:\n" + "".join(f"  - {{uid: N{at}}}\n" for at in range(64))
    with pytest.raises(TeachError, match="more than 64 counter-examples"):
        add_not_like(parse_pack(text.encode(), "ours.yaml"), text, example("X1"))


@pytest.mark.parametrize("at", range(4))
def test_the_starter_packs_can_be_added_to(at: int) -> None:
    """Again and again; what was there before is untouched."""
    pack = load_folder(shipped_packs())[0][at]
    pack, text = read_pack_file(pack.path)
    before = 0 if pack.not_like is None else pack.not_like.rows
    for number in range(3):
        edited = add_not_like(pack, text, example(f"X{number}", known=True))
        assert edited.is_kept
        kept = iter(edited.text.splitlines())
        assert all(line in kept for line in text.splitlines() if line != "not_like: []")
        pack, text = edited.pack, edited.text
    assert pack.not_like is not None
    assert pack.not_like.rows == before + 3


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(["# note", "", "  # note", "author: me", "attack: [T1046]"]), max_size=4
    ),
    st.sampled_from(
        ["", "not_like: []", "not_like:", "not_like: [{uid: N0}]", "not_like:\n- uid: N0"]
    ),
    st.lists(
        st.sampled_from(["# end", "", "references: []", "description: a not_like"]), max_size=3
    ),
    st.booleans(),
)
def test_whatever_the_layout_the_pack_is_right(
    before: list[str], middle: str, after: list[str], known: bool
) -> None:
    """Kept or written anew, it reads back as the same pack with one counter-example more."""
    text = HEAD + "\n".join([*dict.fromkeys(before), middle, *dict.fromkeys(after)])
    try:
        pack = parse_pack(text.encode(), "ours.yaml")
    except PackError:
        return
    edited = add_not_like(pack, text, example(known=known))
    assert edited.pack.not_like is not None
    assert dump_pack(replace(edited.pack, not_like=None, not_like_context=None)).replace(
        f"context_version: {CONTEXT_VERSION}\n", ""
    ) == dump_pack(replace(pack, not_like=None, not_like_context=None))
    last = to_row(edited.pack.not_like, edited.pack.not_like.rows - 1)
    assert last == {"uid": "N1", "proto": "udp", "service": "dns", "partial": False}
    assert edited.pack.not_like.rows == 1 + (0 if pack.not_like is None else pack.not_like.rows)


def test_a_file_that_is_no_pack_is_an_error(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(PackError, match=r"none\.yaml: can't be read"):
        read_pack_file(tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_text("pack: 1\n")
    with pytest.raises(PackError, match=r"a\.yaml"):
        read_pack_file(tmp_path / "a.yaml")
