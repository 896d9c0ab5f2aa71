"""Starter packs: support flows picked from a labelled recording."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.context import Context
from metatap.demo import Labels
from metatap.flow import FlowBatch, concat
from metatap.offline.stream import FloatArray, flows, open_sources
from metatap.packs import Pack, Severity, dump_pack

FLOWS = 8
"""Support flows a pack, at most."""

COUNTERS = 2
"""Counter-examples of a pack that has any."""

ATTACK = "https://attack.mitre.org/techniques/"


@dataclass(frozen=True, slots=True)
class Starter:
    """What a person says of a pack; the flows say the rest.

    Attributes:
        id: Of the pack, as `name`, `description`, `severity` and `attack`.
        without: A count that must be 0 in a support flow, "" for any flow of the family.
        having: A count that must be above 0 in one, likewise.
        not_like: Benign family that gives counter-examples, "" for none.
    """

    id: str
    name: str
    description: str
    severity: Severity
    attack: tuple[str, ...]
    without: str = ""
    having: str = ""
    not_like: str = ""


STARTERS: dict[str, Starter] = {
    "port_scan": Starter(
        "port-scan",
        "Port scan",
        "One host tries many ports of others; most probes are refused.",
        Severity.MEDIUM,
        ("T1046",),
    ),
    "ssh_bruteforce": Starter(
        "ssh-bruteforce",
        "SSH brute force",
        "Passwords are guessed against an SSH server, several attempts a connection.",
        Severity.HIGH,
        ("T1110.001",),
        having="ssh.auth_attempts",
        not_like="ssh",
    ),
    "dns_tunnel": Starter(
        "dns-tunnel",
        "DNS tunnel",
        "Data travels in long DNS names and in answers of rare types.",
        Severity.HIGH,
        ("T1071.004",),
    ),
    "http_beacon": Starter(
        "http-beacon",
        "HTTP beacon",
        "An implant checks in with its server: short GET requests, short answers, again and again.",
        Severity.HIGH,
        ("T1071.001",),
        without="http.writes",
    ),
}
"""Family of the lab → its pack."""


def read_all(recording: Path) -> FlowBatch:
    """All flows of a recording."""
    return read_known(recording)[0]


def read_known(recording: Path) -> tuple[FlowBatch, FloatArray]:
    """All n flows of a recording, and their contexts, float32 [n, C]."""
    parts = list(flows(open_sources([str(recording)]), Context()))
    return concat([batch for batch, _ in parts]), np.concatenate([known for _, known in parts])


def starter_pack(
    family: str, found: FlowBatch, known: FloatArray, labels: Labels, created: date
) -> Pack:
    """The pack of a family: support flows spread evenly over its flows in time order.

    Args:
        family: Key of `STARTERS`.
        found: All n flows of the recording.
        known: float32 [n, C], their contexts.
        labels: By uid.
        created: Day that the pack says.
    """
    about = STARTERS[family]
    fit = np.ones(found.rows, np.bool_)
    if about.without:
        fit &= _counts(found, about.without) == 0
    if about.having:
        fit &= _counts(found, about.having) > 0
    picked = _spread(found, labels, family, fit, FLOWS)
    counter = _spread(found, labels, about.not_like, np.ones_like(fit), COUNTERS)
    return Pack(
        id=about.id,
        name=about.name,
        description=about.description,
        author="metatap",
        created=created,
        severity=about.severity,
        attack=about.attack,
        references=tuple(f"{ATTACK}{name.replace('.', '/')}/" for name in about.attack),
        flows=found.take(picked),
        context=known[picked],
        not_like=found.take(counter) if len(counter) else None,
        not_like_context=known[counter] if len(counter) else None,
    )


def _counts(found: FlowBatch, name: str) -> npt.NDArray[np.int64]:
    """A count of every flow, 0 where absent."""
    column = found.numeric(name)
    if column is None:
        raise ValueError(f"the recording has no {name}")
    return np.where(column.mask(), column.values, 0).astype(np.int64)


def _spread(
    found: FlowBatch, labels: Labels, family: str, fit: npt.NDArray[np.bool_], count: int
) -> npt.NDArray[np.intp]:
    """At most `count` fit flows of a family, spread evenly over them in time order."""
    column, start = found.strings("uid"), found.numeric("ts")
    if column is None or start is None:
        raise ValueError("the recording has no uid or no ts")
    uids = [(column.item(row) or b"").decode() for row in range(found.rows)]
    rows = np.array([at for at, uid in enumerate(uids) if fit[at] and labels[uid].family == family])
    if not len(rows):
        return np.zeros(0, np.intp)
    rows = rows[np.argsort(start.values[rows], kind="stable")]
    picked = np.linspace(0, len(rows) - 1, count).round().astype(np.intp)
    return np.asarray(rows[np.unique(picked)], np.intp)


def write_starters(recording: Path, labels: Labels, out: Path, created: date) -> None:
    """Write the pack files of all families."""
    out.mkdir(parents=True, exist_ok=True)
    found, known = read_known(recording)
    for family, about in STARTERS.items():
        text = dump_pack(starter_pack(family, found, known, labels, created))
        (out / f"{about.id}.yaml").write_text(text, encoding="utf-8")
