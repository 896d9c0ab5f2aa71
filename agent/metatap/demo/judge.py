"""Alerts against labels: what was found, what was missed, what was falsely alerted."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MALICIOUS = "malicious"


@dataclass(frozen=True, slots=True)
class Label:
    """What a flow is, by construction.

    Attributes:
        label: `benign` or `malicious`.
        family: The threat, or the kind of benign traffic.
        technique: MITRE ATT&CK id, "" for benign.
    """

    label: str
    family: str
    technique: str


Labels = dict[str, Label]
"""Zeek uid → label."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Alerts held against labels.

    Attributes:
        alerts: The last event of each alert, in order of its first flow.
        flagged: Family → its flows listed in alerts.
        total: Family → its flows in the recording.
        hostile: Families that are threats.
        false_uids: Uids listed in alerts that are not hostile by their label.
    """

    alerts: list[dict[str, Any]]
    flagged: Counter[str]
    total: Counter[str]
    hostile: list[str]
    false_uids: list[str]


def read_labels(path: Path) -> Labels:
    """The labels of a recording from its CSV (`uid,label,family,technique`)."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["uid"]: Label(row["label"], row["family"], row["technique"])
            for row in csv.DictReader(file)
        }


def judge(alerts: Path, labels: Labels) -> Judgement:
    """Hold an alert file against labels.

    Args:
        alerts: JSON lines as the agent wrote them.
        labels: Of every flow of the recording.
    """
    last: dict[str, dict[str, Any]] = {}
    for line in alerts.read_text(encoding="utf-8").splitlines():
        alert = json.loads(line)
        last[alert["metatap"]["alert"]["id"]] = alert
    uids = {uid for alert in last.values() for uid in alert["metatap"]["alert"]["uids"]}
    unknown = Label("unlabelled", "unlabelled", "")
    return Judgement(
        alerts=sorted(last.values(), key=lambda alert: str(alert["event"]["start"])),
        flagged=Counter(labels.get(uid, unknown).family for uid in uids),
        total=Counter(label.family for label in labels.values()),
        hostile=sorted({x.family for x in labels.values() if x.label == MALICIOUS}),
        false_uids=sorted(u for u in uids if labels.get(u, unknown).label != MALICIOUS),
    )
