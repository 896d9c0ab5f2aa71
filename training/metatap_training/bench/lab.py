"""The project's own labelled traffic in table `technique`: one technique, other tool and network.

Four networks of the traffic lab (`tests/lab`) differ in addresses, delay, loss, MTU and NAT, and
in the tools that make a technique. Support is one technique by one tool in one of them; it is
looked for in the next of `RING`, where another tool makes it on another link. Background and
negatives are that network's own benign flows.

These flows never train a model of the benchmark, not even a benign one: every fold holds the four
networks out (`folds.training_part`), and `folds.refuse_leaks` looks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from metatap.errors import MetatapError
from metatap.offline.labels import FileLabels
from metatap_training.bench.folds import LAB, BenchError
from metatap_training.datasets import MALICIOUS, Flows, concat
from metatap_training.datasets.own import load_logs
from metatap_training.preprocess import Groups, clean, read_groups
from metatap_training.preprocess.groups import require

RING = LAB
"""The networks, each beside two whose tools or links are others; office and branch share tools."""

TECHNIQUES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "port_scan": ("T1046 port scan", "scan"),
        "ssh_bruteforce": ("T1110.001 SSH guessing", "brute-force"),
        "dns_tunnel": ("T1071.004 DNS tunnel", "dns-tunnel"),
        "http_beacon": ("T1071.001 web beacon", "c2"),
        "https_beacon": ("T1071.001 web beacon", "c2"),
        "exfiltration": ("T1048 exfiltration", "c2"),
        "syn_flood": ("T1499.001 SYN flood", "flood"),
        "slow_http": ("T1499.002 slow HTTP", "flood"),
    }
)
"""Family in the lab's labels → its name by technique (ATT&CK), and the group it is held out by.

No published family is exfiltration; the web is what it goes over, so it goes with `c2`.
"""


def lab_groups() -> Groups:
    """Family named by technique → group."""
    return MappingProxyType(dict(TECHNIQUES.values()))


def all_groups() -> Groups:
    """Groups of the published families and of the lab's."""
    return MappingProxyType({**read_groups(), **lab_groups()})


def load_lab(folder: Path) -> Flows:
    """Cleaned flows of the four networks; family = technique, capture = network.

    Args:
        folder: Holds `<place>-logs/` and `<place>.labels.csv` of each network `lab-<place>`.

    Raises:
        BenchError: logs or labels are not there or can't be read; names them.
        GroupError: a family of the labels is no known technique.
    """
    return concat([_network(folder, name) for name in RING])


def _network(folder: Path, name: str) -> Flows:
    place = name.removeprefix("lab-")
    path = folder / f"{place}.labels.csv"
    try:
        flows = load_logs(folder / f"{place}-logs", FileLabels(path), name=name)
    except (MetatapError, OSError) as error:
        raise BenchError(f"--lab: {error}") from None
    threat = flows.label == MALICIOUS
    require({family: group for family, (_, group) in TECHNIQUES.items()}, flows.family[threat])
    named = [
        TECHNIQUES[family][0] if bad else family
        for family, bad in zip(flows.family.tolist(), threat.tolist(), strict=True)
    ]
    capture = np.full(len(flows), name)
    return clean(replace(flows, family=np.array(named, np.str_), capture=capture)).flows
