"""metatap.yamlfile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.errors import FaultsError, PackError
from metatap.yamlfile import (
    MAX_BYTES,
    MAX_FAULTS,
    MAX_NODES,
    Faults,
    Fields,
    Items,
    Node,
    Scalar,
    nearest,
    parse,
    resolve,
    shown,
)


def _parse(text: str | bytes) -> tuple[Node | None, list[str]]:
    faults = Faults("f")
    content = text if isinstance(text, bytes) else text.encode()
    return parse(content, faults), faults.found


def test_every_value_has_its_line() -> None:
    """Keys, values and entries of lists know the line they stand in."""
    root, faults = _parse("a: 1\nb:\n  - x\n  - {c: 2.5}\n")
    assert not faults
    assert isinstance(root, Fields)
    assert root.lines == {"a": 1, "b": 2}
    items = root.items["b"]
    assert isinstance(items, Items)
    assert [item.line for item in items.items] == [3, 4]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("true", True),
        ("no", "no"),
        ("on", "on"),
        ("010", 10),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("2026-11-24", "2026-11-24"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 30, float("9" * 30)),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """A plain scalar is null, a bool or a finite number by YAML 1.2, and else a text."""
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_a_quoted_scalar_is_text() -> None:
    """Quotes make a text of what would be a number."""
    root, _ = _parse("a: '1'\n")
    assert isinstance(root, Fields)
    assert root.items["a"] == Scalar(1, "1", "1")


def test_binary_is_decoded() -> None:
    """`!!binary` is the one tag that is read."""
    root, faults = _parse("a: !!binary /w==\nb: !!binary '?'\n")
    assert isinstance(root, Fields)
    assert root.items["a"] == Scalar(1, b"\xff", "/w==")
    assert faults == ["f:2: ?: not base64"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "f:1: empty"),
        (b"a: &x 1\n", "f:1: anchors and aliases are not allowed"),
        (b"a: 1\nb: *x\n", "f:2: anchors and aliases are not allowed"),
        (b"a: !!python/object:os.system x\n", "f:1: tags are not allowed"),
        (b"a: !x [1]\n", "f:1: tags are not allowed"),
        (b"[" * 9, "f:1: nested deeper than 8 levels"),
        (b"--- 1\n--- 2\n", "f:2: a second document"),
        (b"ok: 1\nbad: \xff\n", "f:2: not UTF-8"),
        (b"ok: 1\nbad: \x00\n", "f:2: a character that YAML does not allow"),
        (b"? [a]\n: 1\n", "f:1: a key must be a word"),
        (b"a: 1\nb: 2\na: 3\n", "f:3: a: given twice, first in line 1"),
        (b"x" * (MAX_BYTES + 1), f"f: larger than {MAX_BYTES} bytes"),
        (b"[" + b"a," * (MAX_NODES + 1), f"f:1: more than {MAX_NODES} values"),
    ],
)
def test_what_is_refused(content: bytes, fault: str) -> None:
    """Everything that could grow, run code or mean two things is a fault with its line."""
    assert _parse(content)[1] == [fault]


def test_a_bomb_of_brackets_is_refused() -> None:
    """By our bound or, before that, by the one newer PyYAML has; either names the line."""
    (fault,) = _parse(b"[" * 100_000)[1]
    assert fault in ("f:1: nested deeper than 8 levels", "f:1: exceeded maximum nesting depth")


def test_syntax_errors_name_the_line() -> None:
    """The parser's own complaint comes with the line it stumbled at."""
    root, faults = _parse("a: 1\nb: c: d\n")
    assert root is None
    assert faults == ["f:2: mapping values are not allowed in this context"]


def test_unknown_keys_name_the_nearest_known_one() -> None:
    """A typo is answered with what was probably meant."""
    faults = Faults("f")
    root = parse(b"severty: high\nzzz: 1\n", faults)
    assert isinstance(root, Fields)
    faults.unknown(root, ["severity", "name"])
    assert faults.found == [
        "f:1: severty: unknown key, did you mean severity?",
        "f:2: zzz: unknown key",
    ]
    assert nearest("zzz", ["severity"]) == ""


def test_all_faults_are_one_error() -> None:
    """The error lists each fault on its own line, and of very many says how many more."""
    faults = Faults("f")
    faults.raise_as(PackError)
    for line in range(1, MAX_FAULTS + 3):
        faults.add(line, "bad")
    with pytest.raises(PackError) as caught:
        faults.raise_as(PackError)
    assert isinstance(caught.value, FaultsError)
    assert len(caught.value.faults) == MAX_FAULTS + 1
    assert str(caught.value).splitlines()[-1] == "f: 2 more faults"


def test_shown_is_short_and_on_one_line() -> None:
    """A hostile value can't break the log's line or fill it."""
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("x" * 1000)) == 60


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8")))
def test_any_bytes_give_a_tree_or_a_fault(content: bytes) -> None:
    """No input raises; what can't be read is told."""
    root, faults = _parse(content)
    assert root is not None or faults
