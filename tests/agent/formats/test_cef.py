"""metatap.formats.cef, read back by a parser and a dictionary of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.formats.cases import DOCUMENTS, NASTY, Document
from tests.agent.formats.cef_check import CUSTOM, DICTIONARY, TEXT, Cef, faults, parse

from metatap.formats import FORMATS
from metatap.formats.cef import HEADER_LIMITS
from metatap.formats.cef_keys import KEYS


def line(case: str) -> Cef:
    """The line of a case."""
    return parse(FORMATS["cef"].encode(DOCUMENTS[case]).decode())


@pytest.mark.parametrize("case", DOCUMENTS)
def test_every_line_keeps_to_the_dictionary(case: str) -> None:
    """Keys, types and lengths; every custom field is labelled."""
    assert faults(line(case)) == []


def test_the_table_says_what_the_dictionary_says() -> None:
    """Types and lengths of the encoder's own table, which the documentation shows."""
    for key in KEYS:
        type_, length = DICTIONARY[key.key]
        assert key.type == type_, key.key
        if type_ == TEXT:
            assert key.limit == length, key.key
        assert bool(key.label) == bool(CUSTOM.fullmatch(key.key))
    assert set(HEADER_LIMITS.values()) == {31, 1023, 512}


def test_what_a_line_says() -> None:
    """The header and the fields an analyst looks at."""
    found = line("opened")
    assert found.header == [
        "CEF:0", "metatap", "metatap", "1.2.3", "ssh-bruteforce", "SSH brute force", "8",
    ]  # fmt: skip
    document = DOCUMENTS["opened"]
    assert found.extension["rt"] == "1700000103000"
    assert found.extension["msg"] == document["message"]
    assert found.extension["externalId"] == document["event"]["id"]
    assert found.extension["cs1"] == document["network"]["community_id"]
    assert (found.extension["src"], found.extension["spt"]) == ("10.0.0.1", "40000")
    assert (found.extension["in"], found.extension["out"]) == ("3000", "4000")
    assert (found.extension["cs3"], found.extension["cat"]) == ("T1110.001", "Credential Access")


def test_ipv6_has_keys_of_its_own() -> None:
    """`src` and `dst` are for IPv4 alone in this version."""
    found = line("ipv6").extension
    assert "src" not in found
    assert "dst" not in found
    assert (found["c6a2"], found["c6a2Label"]) == ("2001:db8::1", "Source IPv6 Address")
    assert (found["c6a3"], found["c6a3Label"]) == ("2001:db8::2", "Destination IPv6 Address")


def test_icmp_has_no_ports() -> None:
    """Type and code are not given as ports."""
    assert not {"spt", "dpt"} & set(line("no_ports").extension)


def test_a_count_beyond_an_integer_is_the_largest_one() -> None:
    """`cnt` is an Integer, a count of flows need not be."""
    alert = {"count": 2**40}
    assert parse(FORMATS["cef"].encode({"metatap": {"alert": alert}}).decode()).extension == {
        "cnt": str(2**31 - 1)
    }


@pytest.mark.parametrize(
    ("direction", "number"), [("inbound", "0"), ("outbound", "1"), ("internal", None)]
)
def test_only_what_crosses_the_border_has_a_direction(direction: str, number: str | None) -> None:
    """The dictionary knows two."""
    document = {"network": {"direction": direction}}
    found = parse(FORMATS["cef"].encode(document).decode())
    assert found.extension.get("deviceDirection") == number


TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("\\|=\n\r "), min_size=1)


@given(TEXTS)
def test_any_text_comes_back(text: str) -> None:
    """Only control characters are lost, and line breaks in the header."""
    document: Document = {
        "rule": {"id": text, "name": text},
        "message": text,
        "event": {"reason": NASTY},
    }
    found = parse(FORMATS["cef"].encode(document).decode())
    assert found.header[4] == re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)
    kept = re.sub(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]", " ", text)
    assert found.extension["msg"] == kept
    assert found.extension["reason"].startswith("a|b\\c=d\ne\r\nf g")


@pytest.mark.parametrize(
    "text", ["CEF:0|a|b|c|d|e", "CEF:0|a|b|c|d|e|5|src=1=2", "CEF:0|a|b|c|d|e|5|msg=a\\x"]
)
def test_the_parser_is_strict(text: str) -> None:
    """A parser that takes everything would prove nothing."""
    with pytest.raises(ValueError, match=r"^(header|extension): "):
        parse(text)
