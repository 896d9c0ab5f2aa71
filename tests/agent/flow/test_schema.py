"""The schema table keeps its own rules."""

from __future__ import annotations

from metatap.flow import COLUMNS, Group, Kind
from metatap.flow.schema import BY_NAME, DTYPES, group_columns, group_flags


def test_names_are_unique_and_groups_stay_together() -> None:
    """The order of the wire is that of the table, group after group."""
    assert len(BY_NAME) == len(COLUMNS)
    ordered = [spec for group in Group for spec in group_columns(group)]
    assert ordered == list(COLUMNS)


def test_summaries_carry_their_log_in_their_name() -> None:
    """`dns.query` is in group dns, and its wire name is that of Zeek's field."""
    for spec in COLUMNS:
        if spec.group is not Group.CONN:
            assert spec.name == f"{spec.group}.{spec.wire_name}"
    assert BY_NAME["id.orig_h"].wire_name == "orig_h"


def test_only_enumerations_have_a_vocabulary_and_its_codes_fit() -> None:
    """A code is a uint8."""
    for spec in COLUMNS:
        assert bool(spec.vocabulary) is (spec.kind is Kind.ENUM)
        assert len(spec.vocabulary) <= 256


def test_every_kind_but_strings_has_a_dtype() -> None:
    """DTYPES is complete."""
    assert set(DTYPES) == set(Kind) - {Kind.STRING}


def test_flag_bits_are_given_out_in_order_without_gaps() -> None:
    """Presence before value, columns in schema order, from bit 0."""
    for group in Group:
        bits = [
            bit
            for flag in group_flags(group).values()
            for bit in (flag.present, flag.value)
            if bit is not None
        ]
        assert bits == list(range(len(bits)))


def test_flag_bits_of_ssh_as_the_contract_lists_them() -> None:
    """An optional bool takes two bits, strings take none."""
    flags = group_flags(Group.SSH)
    assert list(flags) == ["ssh.version", "ssh.auth_success", "ssh.auth_attempts"]
    assert (flags["ssh.auth_success"].present, flags["ssh.auth_success"].value) == (1, 2)
    assert (flags["ssh.auth_attempts"].present, flags["ssh.auth_attempts"].value) == (3, None)
