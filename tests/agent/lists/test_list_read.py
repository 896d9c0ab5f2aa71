"""Reading lists: what a rule may say, and what is said of one that is wrong."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.lists import Domain, ListError, ListRule, Ports, parse_list
from metatap.lists.read import MAX_RULES, MAX_VALUES

PATH = Path("lists/office.yaml")

FULL = """\
list: 1
rules:
  - id: nas-backup
    reason: Nightly backup of the file server.
    orig: [10.1.0.0/16, 2001:db8::/32]
    resp: 10.2.0.9
    host: ::ffff:192.168.0.0/112
    domain: ["*.Example.com.", example.com]
    port: [443, 8000-8010]
    proto: tcp
    service: [SSL, http]
    pack: [exfiltration, dns-tunnel]
    expires: 2026-12-01T10:00:00+02:00
    author: ops
    created: 2026-11-28
    alert: 0a1b2c3d
"""


def test_all_fields_are_read() -> None:
    """Networks, names and services in one form each, with the rule's place."""
    assert parse_list(FULL.encode(), PATH) == (
        ListRule(
            id="nas-backup",
            reason="Nightly backup of the file server.",
            path=PATH,
            line=3,
            orig=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")),
            resp=(ip_network("10.2.0.9/32"),),
            host=(ip_network("192.168.0.0/16"),),
            domain=(Domain(b"example.com", below=True), Domain(b"example.com")),
            port=(Ports(443, 443), Ports(8000, 8010)),
            proto=("tcp",),
            service=("ssl", "http"),
            pack=("exfiltration", "dns-tunnel"),
            expires=int(datetime(2026, 12, 1, 8, tzinfo=UTC).timestamp()) * 10**9,
            author="ops",
            created="2026-11-28",
            alert="0a1b2c3d",
        ),
    )


@pytest.mark.parametrize("text", ["list: 1\nrules:\n", "list: 1\nrules: []\n"])
def test_a_list_may_be_empty(text: str) -> None:
    """As it is before the first rule."""
    assert parse_list(text.encode(), PATH) == ()


def test_a_day_expires_at_its_start() -> None:
    """In UTC, whatever the zone of the sensor."""
    [rule] = rules("orig: 10.0.0.1, expires: 2026-12-01")
    assert rule.expires == int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 10**9


def test_all_packs_are_no_criterion() -> None:
    """`*` says what its absence says."""
    [with_star] = rules('orig: 10.0.0.1, pack: "*"')
    [without] = rules("orig: 10.0.0.1")
    assert with_star == without


def test_an_id_is_made_of_file_and_criteria() -> None:
    """The same when reason or place change, another one in another file or of another rule."""
    [first] = rules("orig: 10.0.0.1")
    assert first.id.startswith("office-")
    [same] = parse_list(b"\n\nlist: 1\nrules: [{reason: other, orig: 10.0.0.1/32}]", PATH)
    assert same.id == first.id
    [other] = rules("resp: 10.0.0.1")
    [elsewhere] = parse_list(b"list: 1\nrules: [{reason: a, orig: 10.0.0.1}]", Path("B & C.yaml"))
    assert len({first.id, other.id, elsewhere.id}) == 3
    assert elsewhere.id.startswith("b-c-")


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("orig: 10.0.0.1, reason: ''", "reason: is empty"),
        ("pack: '*'", "matches every alert"),
        ("host: 0.0.0.0/0", "matches every alert"),
        ("orig: '::/0'", "matches every alert"),
        ("orig: 10.0.0.1/8", "has bits beyond its length; the network is 10.0.0.0/8"),
        ("orig: 10.0.0", "must be an address or a network"),
        ("orig: 10.0.0.0/33", "must be an address or a network"),
        ("orig: 10.0.0.0/255.0.0.0", "must be an address or a network"),
        ("orig: 'fe80::1%eth0'", "must be an address or a network"),
        ("orig: []", "orig: is empty"),
        ("orig: null", "orig: is empty"),
        ("orig: {a: b}", "must be text, is a mapping"),
        ("domain: 'a.*.com'", "`*` can only stand at the start"),
        ("domain: '*'", "`*` can only stand at the start"),
        ("domain: '*.'", "must be a name"),
        ("domain: 'https://example.com/'", "must be a name"),
        ("domain: a..com", "labels must have 1 to 63 bytes"),
        (f"domain: {'a' * 64}.com", "labels must have 1 to 63 bytes"),
        ("port: 65536", "ports go from 0 to 65535"),
        ("port: 20-10", "must begin with its lower port"),
        ("port: ssh", "must be a port or a range"),
        ("port: 1.5", "must be a port or a range"),
        ("port: 8, proto: icmp", "ICMP has none"),
        ("proto: tpc", "did you mean tcp?"),
        ("service: 'a b'", "must be one of Zeek's services"),
        ("pack: SSH", "must be 3 to 64 of a-z, 0-9 and -"),
        ("pack: ['*', port-scan]", "stands alone"),
        ("orig: 10.0.0.1, expires: tomorrow", "must be a day"),
        ("orig: 10.0.0.1, expires: 2026-12-01T08:00:00", "a time with its zone"),
        ("orig: 10.0.0.1, expires: 2026-02-30", "must be a day"),
        ("orig: 10.0.0.1, id: ab", "must be 3 to 64"),
        ("origin: 10.0.0.1", "origin: unknown key, did you mean orig?"),
        (f"orig: [{', '.join(f'10.0.0.{n}' for n in range(MAX_VALUES + 1))}]", "at most 64"),
        (f"orig: 10.0.0.1, author: {'x' * 129}", "129 characters, at most 128"),
    ],
)
def test_each_fault_is_named_with_its_line(rule: str, fault: str) -> None:
    """The whole file is refused."""
    reason = "" if "reason:" in rule else "reason: test, "
    text = f"list: 1\nrules:\n  - {{orig: 10.0.0.9, reason: good}}\n  - {{{reason}{rule}}}\n"
    with pytest.raises(ListError) as caught:
        parse_list(text.encode(), PATH)
    [found] = caught.value.faults
    assert found.startswith("lists/office.yaml:4: ")
    assert fault in found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "office.yaml:1: empty"),
        ("- a", "must be a mapping, is a list"),
        ("rules: []", "list: missing"),
        ("list: 2\nrules: []", ":1: list: must be 1, the version this agent reads"),
        ("list: 1", "rules: missing"),
        ("list: 1\nrules: yes please", ":2: rules: must be a list, is text"),
        ("list: 1\nrules: [a]", ":2: a rule must be a mapping, is text"),
        ("list: 1\nrules: [{orig: 10.0.0.1}]", ":2: reason: missing"),
        ("list: 1\nrule: []\nrules: []", ":2: rule: unknown key, did you mean rules?"),
        (
            "list: 1\nrules:\n- {id: one, reason: a, pack: abc}\n- {id: one, reason: b, pack: abd}",
            ":4: id one: given twice, first in line 3",
        ),
        (
            (
                "list: 1\nrules:\n- {reason: a, orig: [10.0.0.1, 10.0.0.2]}\n"
                "- {reason: b, orig: [10.0.0.2, 10.0.0.1]}"
            ),
            ":4: id office-",
        ),
        (
            "list: 1\nrules:\n- {reason: a,\n domain: *.example.com}",
            'a `*` needs quotes, as in "*.',
        ),
    ],
)
def test_faults_of_the_file(text: str, fault: str) -> None:
    """Each is named."""
    with pytest.raises(ListError) as caught:
        parse_list(text.encode(), PATH)
    assert any(fault in found for found in caught.value.faults), caught.value.faults


def test_every_fault_is_told_at_once() -> None:
    """Of thousands, the first ones and how many more."""
    text = "list: 1\nrules:\n" + "- {orig: no, port: no}\n" * 100
    with pytest.raises(ListError) as caught:
        parse_list(text.encode(), PATH)
    assert len(caught.value.faults) == 51
    assert "250 more faults" in caught.value.faults[-1]


def test_the_number_of_rules_is_bounded() -> None:
    """A file beyond is refused, not cut."""
    rule = "- {reason: a, orig: 10.%d.%d.1}\n"
    text = "".join(rule % divmod(n, 256) for n in range(MAX_RULES))
    assert len(parse_list(f"list: 1\nrules:\n{text}".encode(), PATH)) == MAX_RULES
    with pytest.raises(ListError, match=f"rules: {MAX_RULES + 1}, at most {MAX_RULES}"):
        parse_list(f"list: 1\nrules:\n{text}{rule % (99, 0)}".encode(), PATH)


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: f"list: 1\nrules: [{{{text}}}]".encode())
    | st.dictionaries(
        st.sampled_from(["orig", "domain", "port", "expires", "reason", "id", "pack", "service"]),
        st.text(max_size=30).map(repr),
        max_size=4,
    ).map(lambda d: ("list: 1\nrules:\n- {" + ", ".join(map(": ".join, d.items())) + "}").encode())
)
def test_whatever_is_read_is_a_list_or_refused(content: bytes) -> None:
    """No other error comes out of a file."""
    with contextlib.suppress(ListError):
        assert all(rule.id and rule.reason for rule in parse_list(content, PATH))


def rules(text: str) -> tuple[ListRule, ...]:
    return parse_list(f"list: 1\nrules: [{{reason: test, {text}}}]".encode(), PATH)
