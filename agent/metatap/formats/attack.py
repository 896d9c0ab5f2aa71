"""MITRE ATT&CK: what a pack's techniques are called and which tactic they serve.

Ids, names and tactics are those of ATT&CK Enterprise 18.1 (github.com/mitre/cti), in attack.tsv.
© 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The
MITRE Corporation. Where a technique serves several tactics none is given: an alert does not know
which of them it saw.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from metatap.alerts.document import texts

ATTACK_VERSION = "18.1"
"""Of the table."""

_ID = re.compile(r"T\d{4}(\.\d{3})?")


@dataclass(frozen=True, slots=True)
class Named:
    """A tactic, a technique or a sub-technique.

    Attributes:
        id: ATT&CK's, e.g. `TA0006`, `T1110`, `T1110.001`.
        name: Likewise; "" if it is not known.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Technique:
    """What a pack looks for.

    Attributes:
        technique: The technique.
        below: The sub-technique, None if the pack names none.
        tactic: None where the technique serves several tactics or is not known.
    """

    technique: Named
    below: Named | None
    tactic: Named | None

    @property
    def most_specific(self) -> Named:
        """The sub-technique, else the technique."""
        return self.below or self.technique


def _table() -> tuple[dict[str, str], dict[str, str]]:
    """Id → name, technique → the one tactic it serves."""
    names: dict[str, str] = {}
    served: dict[str, str] = {}
    table = files(__package__).joinpath("attack.tsv").read_text(encoding="utf-8")
    for line in table.splitlines():
        if not line.startswith("#"):
            found, names[found], tactics_ = line.split("\t")
            if tactics_ and "," not in tactics_:
                served[found] = tactics_
    return names, served


_NAMES, _SERVED = _table()


def techniques(document: Mapping[str, Any]) -> list[Technique]:
    """The techniques of an alert: its sub-techniques, then those that none of them stands for."""
    below = _ids(document, "threat.technique.subtechnique.id")
    told = {name.partition(".")[0] for name in below}
    names = [*below, *(n for n in _ids(document, "threat.technique.id") if n not in told)]
    return [_technique(name) for name in names]


def tactics(found: list[Technique]) -> list[Named]:
    """Their tactics, each once."""
    return list(dict.fromkeys(item.tactic for item in found if item.tactic is not None))


def _technique(name: str) -> Technique:
    parent = name.partition(".")[0]
    tactic = _SERVED.get(name, _SERVED.get(parent))
    return Technique(
        _named(parent),
        _named(name) if "." in name else None,
        None if tactic is None else _named(tactic),
    )


def _named(name: str) -> Named:
    return Named(name, _NAMES.get(name, ""))


def _ids(document: Mapping[str, Any], path: str) -> list[str]:
    return list(dict.fromkeys(name for name in texts(document, path) if _ID.fullmatch(name)))
