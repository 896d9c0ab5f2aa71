"""Tables whose rows are of two kinds, told apart: null packs of hosts, and technique in the lab."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap_training.report.results import POOLED

NULL, TECHNIQUE = "null", "technique"

HOST_NULL = "null-host"
"""One host's benign flows as the threat, looked for among those of its network's other hosts."""

LAB_TECHNIQUE = "technique-lab"
"""Technique between the networks of the traffic lab."""

LAB = "lab-"
"""Start of their names."""

Texts = npt.NDArray[np.str_]


def told_apart(table: Texts, support_network: Texts, network: Texts, family: Texts) -> Texts:
    """The table of each row [n], of two names where its rows are of two kinds.

    A row that pools the networks of a job has no network to tell by: a null pack of a host then
    goes by the name of its family.
    """
    same = (support_network == network) | (
        (network == POOLED) & (family == np.char.add(support_network, " host"))
    )
    lab = np.char.startswith(support_network, LAB)
    found = np.where((table == NULL) & same, HOST_NULL, table)
    return np.asarray(np.where((table == TECHNIQUE) & lab, LAB_TECHNIQUE, found), np.str_)


def null_of(table: str) -> str:
    """The null packs that say how much of a table's figure may be no threat at all."""
    return HOST_NULL if table == "own" else NULL
