"""Starter packs: support flows picked from a labelled recording."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.demo import Labels
from metatap.detector import Model, RuleSet, shipped_model
from metatap.features import encode
from metatap.flow import FlowBatch, concat
from metatap.packs import Pack, Severity, dump_pack
from metatap.sources import open_source

FLOWS = 8
"""Support flows a pack, at most."""

COUNTER = 8
"""Counter-examples a pack, at most."""

RATE = 1e-4
"""Rate of the threshold a benign flow must reach to become a counter-example."""

ATTACK = "https://attack.mitre.org/techniques/"


@dataclass(frozen=True, slots=True)
class Starter:
    """What a person says of a pack; the flows say the rest."""

    id: str
    name: str
    description: str
    severity: Severity
    attack: tuple[str, ...]


STARTERS: dict[str, Starter] = {
    "port_scan": Starter(
        "port-scan",
        "Port scan",
        "One host tries many ports or hosts; most probes are refused or never answered.",
        Severity.MEDIUM,
        ("T1046",),
    ),
    "ssh_bruteforce": Starter(
        "ssh-bruteforce",
        "SSH brute force",
        "Passwords are guessed against an SSH server, several attempts a connection.",
        Severity.HIGH,
        ("T1110.001",),
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
        "An implant checks in with its server: short requests, short answers, again and again.",
        Severity.HIGH,
        ("T1071.001",),
    ),
}
"""Family of the lab → its pack."""


def read_all(recording: Path) -> FlowBatch:
    """All flows of a recording."""
    source = open_source(str(recording))
    parts = []
    while not source.done:
        batch = source.read(1.0)
        if batch is not None:
            parts.append(batch)
    source.close()
    return concat(parts)


def starter_pack(
    model: Model, family: str, flows: FlowBatch, labels: Labels, created: date
) -> Pack:
    """The pack of a family: support flows spread evenly over its flows in time order.

    As an analyst would after a first look, what the pack would falsely flag in the network it is
    taught in becomes its counter-examples: the highest scores first, each kind of flow once.

    Args:
        model: The model that scores for the counter-examples.
        family: Key of `STARTERS`.
        flows: All flows of the recording.
        labels: By uid.
        created: Day that the pack says.
    """
    column, start = flows.strings("uid"), flows.numeric("ts")
    if column is None or start is None:
        raise ValueError("the recording has no uid or no ts")
    uids = [(column.item(row) or b"").decode() for row in range(flows.rows)]
    rows = np.array([at for at, uid in enumerate(uids) if labels[uid].family == family])
    rows = rows[np.argsort(start.values[rows], kind="stable")]
    picked = rows[np.unique(np.linspace(0, len(rows) - 1, FLOWS).round().astype(int))]
    about = STARTERS[family]
    pack = Pack(
        id=about.id,
        name=about.name,
        description=about.description,
        author="metatap",
        created=created,
        severity=about.severity,
        attack=about.attack,
        references=tuple(f"{ATTACK}{name.replace('.', '/')}/" for name in about.attack),
        flows=flows.take(picked),
    )
    benign = np.array([at for at, uid in enumerate(uids) if labels[uid].label == "benign"])
    wrong = _falsely_flagged(model, pack, flows.take(benign))
    return replace(pack, not_like=flows.take(benign[wrong])) if len(wrong) else pack


def _falsely_flagged(model: Model, pack: Pack, benign: FlowBatch) -> npt.NDArray[np.intp]:
    """Rows of benign flows the pack flags: highest scores first, one of each kind, `COUNTER`."""
    rules = RuleSet.build(model, [pack], RATE)
    if not rules.packs:
        raise ValueError(f"{pack.id}: {rules.refused}")
    features = model.select(encode(benign))
    scores = model.score(features, rules.heads)[0][:, 0]
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= rules.thresholds[0]]
    kinds = np.nan_to_num(np.log1p(np.abs(features[order]))).round(0)
    first = np.unique(kinds, axis=0, return_index=True)[1]
    rows: npt.NDArray[np.intp] = order[np.sort(first)[:COUNTER]]
    return rows


def write_starters(recording: Path, labels: Labels, out: Path, created: date) -> None:
    """Write the pack files of all families."""
    out.mkdir(parents=True, exist_ok=True)
    flows = read_all(recording)
    model = Model(shipped_model())
    for family, about in STARTERS.items():
        text = dump_pack(starter_pack(model, family, flows, labels, created))
        (out / f"{about.id}.yaml").write_text(text, encoding="utf-8")
