"""Folds of the benchmark: groups and networks held out together, and what part they play.

Settings of the learner and of its peers are chosen on the validation folds alone. Their groups and
their networks are no other fold's: what was looked at to choose is not what is reported. Groups
that could help each other (tunnels and DGA, lateral movement and SMB exploits) go together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from metatap.errors import MetatapError
from metatap_training.datasets import MALICIOUS, Flows
from metatap_training.preprocess import Groups


class BenchError(MetatapError):
    """The benchmark can't be run as asked, or what it would show would not be true."""


class Role(StrEnum):
    """What a fold is looked at for."""

    VALIDATION = "validation"
    """To choose settings."""

    TEST = "test"
    """To report."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold.

    Attributes:
        name: What is held out, in a word.
        role: Part it plays.
        groups: Groups of families held out.
        networks: Networks held out as a whole; their benign flows are background and negatives.
    """

    name: str
    role: Role
    groups: tuple[str, ...]
    networks: tuple[str, ...]


LAB = ("lab-office", "lab-clinic", "lab-branch", "lab-plant")
"""Networks of the project's own traffic: held out by every fold, so that they never train."""

_SEEN = ("malcolm-mix", "tjoconnor-iot", "zeek-btest")

FOLDS: tuple[Fold, ...] = (
    Fold("scans", Role.VALIDATION, ("scan",), _SEEN),
    Fold("Windows", Role.VALIDATION, ("windows-lateral", "smb-exploit"), _SEEN),
    Fold(
        "floods, guessing, miners",
        Role.TEST,
        ("flood", "brute-force", "miner", "interception"),
        ("iot-sentinel-lab", "ctu-sme11-host", "ctu-campus"),
    ),
    Fold(
        "tunnels, web",
        Role.TEST,
        ("dns-tunnel", "dga", "covert-channel", "web-attack", "network-exploit"),
        ("m57-office", "iot-sentinel-lab", "ctu-campus"),
    ),
    Fold(
        "command and control",
        Role.TEST,
        ("c2", "ransomware", "browser-exploit"),
        ("ctu-sme11-host", "m57-office", "ndpi-mix"),
    ),
)
"""All folds; every group is held out in one of them."""


def fold_named(name: str) -> Fold:
    """The fold of a name."""
    return next(fold for fold in FOLDS if fold.name == name)


def training_part(flows: Flows, fold: Fold, groups: Groups, *, homes: bool = False) -> Flows:
    """The flows that may train when a fold is held out.

    All flows of its networks and of the lab go, whatever their label, and all malicious flows of
    its groups.

    Args:
        flows: All flows.
        fold: What is held out.
        groups: Family → group.
        homes: Hold out the networks that the fold's families live in as well.
    """
    threat = _threat(flows, fold, groups)
    networks = {*fold.networks, *LAB, *(flows.network[threat].tolist() if homes else ())}
    return flows.take(~(threat | np.isin(flows.network, np.array(sorted(networks)))))


def refuse_leaks(part: Flows, fold: Fold, groups: Groups) -> None:
    """Look for what is held out among the flows that are about to train.

    Raises:
        BenchError: a family of the fold's groups, a network of the fold or the lab, is there.
    """
    families = np.unique(part.family[_threat(part, fold, groups)]).tolist()
    networks = sorted({*fold.networks, *LAB} & set(np.unique(part.network).tolist()))
    if families or networks:
        raise BenchError(
            f"fold {fold.name}: held out, yet among the training flows: "
            f"{', '.join([*families, *networks])}"
        )


def _threat(flows: Flows, fold: Fold, groups: Groups) -> npt.NDArray[np.bool_]:
    held = np.array([family for family, group in groups.items() if group in fold.groups])
    threat: npt.NDArray[np.bool_] = (flows.label == MALICIOUS) & np.isin(flows.family, held)
    return threat
