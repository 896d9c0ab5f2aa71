"""Rules that are added to a list somebody wrote by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.lists import ListError, ListRule, append_rule, parse_list, read_list, rule_text
from metatap.lists.values import domain, network, ports

RULE = ListRule(
    "new-rule", 'It\'s the scanner: "ours" # not theirs', orig=(network("10.0.0.1"),), pack=("abc",)
)

BY_HAND = """\
# Ours, do not touch.
list: 1

rules:
    # the scanner
    - id: scanner   # of the office
      reason: known
      orig: 10.0.0.7
"""


def test_a_list_that_is_not_there_is_made(tmp_path: Path) -> None:
    """With its folder."""
    path = tmp_path / "lists" / "suppressions.yaml"
    entry = append_rule(path, RULE)
    assert path.read_text().endswith("rules:\n" + entry)
    assert [rule.id for rule in read_list(path).rules] == ["new-rule"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("end", ["", "\n", "\n\n# the end\n"])
def test_what_is_written_stays(tmp_path: Path, end: str) -> None:
    """Comments, indentation and order; the new rule stands below, indented as the others are."""
    path = tmp_path / "a.yaml"
    path.write_text(BY_HAND.removesuffix("\n") + end)
    path.chmod(0o640)
    append_rule(path, RULE)
    text = path.read_text()
    assert text.startswith(BY_HAND.removesuffix("\n") + end)
    assert "\n    - id: new-rule\n      reason: " in text
    assert [rule.id for rule in read_list(path).rules] == ["scanner", "new-rule"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert [child.name for child in tmp_path.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("list: 1\nrules: []\n", "can't take a rule at its end"),
        ("rules:\n  - {reason: a, orig: 10.0.0.7}\nlist: 1\n", "can't take a rule at its end"),
        ("list: 1\nrules: [{reason: a, orig: 10.0.0.7}]\n", "can't take a rule at its end"),
        ("list: 1\nrules:\n  - {id: new-rule, reason: a, orig: 10.0.0.7}\n", "given twice"),
        ("list: 1\nrules:\n  - {reason: a, orig: no}\n", "a.yaml:3: orig: no: must be an address"),
    ],
)
def test_a_list_that_can_not_take_it_stays_as_it_is(tmp_path: Path, text: str, why: str) -> None:
    """The error says why, and has the rule to be added by hand where the file is sound."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ListError) as caught:
        append_rule(path, RULE)
    assert why in str(caught.value)
    assert path.read_text() == text
    assert [child.name for child in tmp_path.iterdir()] == ["a.yaml"]


def test_a_full_list_says_so(tmp_path: Path) -> None:
    """And what to do."""
    path = tmp_path / "a.yaml"
    rule = "- {reason: a, orig: 10.%d.%d.1}\n"
    path.write_text("list: 1\nrules:\n" + "".join(rule % divmod(n, 256) for n in range(5000)))
    with pytest.raises(ListError, match="is full; remove expired rules"):
        append_rule(path, RULE)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Lists may be kept elsewhere, e.g. in a repository."""
    (tmp_path / "real.yaml").write_text(BY_HAND)
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    append_rule(tmp_path / "link.yaml", RULE)
    assert (tmp_path / "link.yaml").is_symlink()
    assert len(read_list(tmp_path / "real.yaml").rules) == 2


def test_rules_added_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    """Several commands, one file: none overwrites another's rule."""
    code = (
        "import sys; from pathlib import Path; from metatap.lists import *;"
        "from metatap.lists.values import network;"
        "[append_rule(Path(sys.argv[1]), ListRule(f'rule-{sys.argv[2]}-{n}', 'a',"
        " orig=(network('10.0.0.1'),))) for n in range(10)]"
    )
    path = tmp_path / "a.yaml"
    words = [sys.executable, "-c", code, str(path)]
    running = [subprocess.Popen([*words, str(at)]) for at in range(3)]
    assert [one.wait(120) for one in running] == [0, 0, 0]
    assert len({rule.id for rule in read_list(path).rules}) == 30


LINES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda text: text.isprintable() and text == text.strip()
)


@pytest.mark.untraced
@given(
    st.builds(
        ListRule,
        id=st.just("rule-1"),
        reason=LINES,
        orig=st.lists(
            st.sampled_from(["10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "::/0"]).map(
                network
            ),
            max_size=3,
            unique=True,
        ).map(tuple),
        domain=st.lists(
            st.sampled_from(["example.com", "*.example.com", "bücher.example", "yes", "1.5"]).map(
                domain
            ),
            max_size=3,
            unique=True,
        ).map(tuple),
        port=st.lists(st.sampled_from(["53", "0-65535"]).map(ports), max_size=2, unique=True).map(
            tuple
        ),
        pack=st.just(("ssh-bruteforce", "123")),
        expires=st.none() | st.integers(0, 4_000_000_000).map(lambda s: s * 10**9),
        author=LINES,
        alert=st.just("00112233"),
    )
)
def test_a_rule_reads_back_as_it_was_written(rule: ListRule) -> None:
    """Whatever its reason and its values look like to YAML."""
    [found] = parse_list(f"list: 1\nrules:\n{rule_text(rule)}".encode(), Path("a.yaml"))
    names = ("id", "reason", "orig", "domain", "port", "pack", "expires", "author", "alert")
    assert [getattr(found, name) for name in names] == [getattr(rule, name) for name in names]
