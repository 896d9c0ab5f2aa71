"""Threat families and the groups they are held out by: `groups.tsv`.

A group is what one technique looks like under several names. Training on one family of a group and
testing on another would be testing on what was trained, so a group is held out as a whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from importlib import resources
from types import MappingProxyType

from metatap.errors import MetatapError

Groups = Mapping[str, str]
"""Family → group."""


class GroupError(MetatapError):
    """A family has no group, or two."""


def read_groups() -> Groups:
    """The committed table.

    Raises:
        GroupError: a family is listed twice.
    """
    text = resources.files(__package__ or "").joinpath("groups.tsv").read_text("utf-8")
    groups: dict[str, str] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        if row["family"] in groups:
            raise GroupError(f"groups.tsv: {row['family']}: listed twice")
        groups[row["family"]] = row["group"]
    return MappingProxyType(groups)


def require(groups: Groups, families: Iterable[str]) -> None:
    """Check that every family has a group.

    Raises:
        GroupError: some have none; names them.
    """
    missing = sorted(set(families) - set(groups))
    if missing:
        raise GroupError(f"groups.tsv: no group for {', '.join(missing)}")
