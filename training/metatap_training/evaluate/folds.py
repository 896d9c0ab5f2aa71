"""The folds: which groups are held out together, and on whose benign flows they are tried.

Every group is held out once. Groups that could help each other (tunnels and DGA, lateral movement
and SMB exploits) are held out together. The benign flows of a fold's networks are held out of its
training too, so that a threat is looked for in networks the model has never seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metatap_training.datasets.flows import BENIGN, MALICIOUS, Flows
from metatap_training.preprocess import Groups


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold.

    Attributes:
        name: What is held out, in a word.
        groups: Groups of families held out.
        networks: Networks whose benign flows are held out and give background and negatives.
    """

    name: str
    groups: tuple[str, ...]
    networks: tuple[str, ...]


FOLDS: tuple[Fold, ...] = (
    Fold("scans", ("scan",), ("ctu-sme11-host", "tjoconnor-iot", "zeek-btest")),
    Fold(
        "floods, guessing, miners",
        ("flood", "brute-force", "miner", "interception"),
        ("iot-sentinel-lab", "zeek-btest", "ctu-campus"),
    ),
    Fold(
        "tunnels, web",
        ("dns-tunnel", "dga", "covert-channel", "web-attack", "network-exploit"),
        ("iot-sentinel-lab", "m57-office", "ctu-campus"),
    ),
    Fold(
        "Windows",
        ("windows-lateral", "smb-exploit"),
        ("m57-office", "malcolm-mix", "elcab-lab"),
    ),
    Fold(
        "command and control",
        ("c2", "ransomware", "browser-exploit"),
        ("ctu-sme11-host", "m57-office", "ndpi-mix"),
    ),
)
"""All folds."""


def training_part(
    flows: Flows, fold: Fold, groups: Groups, *, without_homes: bool = False
) -> Flows:
    """The flows a model may be trained on when a fold is held out.

    Args:
        flows: All flows.
        fold: What is held out.
        groups: Family → group.
        without_homes: Hold out the networks that the fold's families live in as well.
    """
    held = np.array([family for family, group in groups.items() if group in fold.groups])
    threat = (flows.label == MALICIOUS) & np.isin(flows.family, held)
    networks = {*fold.networks, *(flows.network[threat] if without_homes else ())}
    benign = (flows.label == BENIGN) & np.isin(flows.network, np.array(sorted(networks)))
    return flows.take(~(threat | benign))
