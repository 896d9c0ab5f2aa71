"""Small logs that the tests of `metatap.offline` write, and the lab's recording."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from metatap.detector import Model, RuleSet, shipped_model
from metatap.offline.rules import offline_rules
from metatap.runtime.config import load_config

LAB = Path(__file__).parents[2] / "data" / "lab"
OFFICE = LAB / "office.mtrec"
LABELS = LAB / "office.labels.csv"


def lab_rules() -> RuleSet:
    """Shipped model and packs."""
    return offline_rules(load_config(), Model(shipped_model())).rules


def conn_line(at: int, **values: Any) -> dict[str, Any]:
    """A record of conn.log; the hundredth host comes back after a hundred flows."""
    line = {
        "ts": 1.7e9 + at * 0.5,
        "uid": f"C{at:06d}",
        "id.orig_h": f"192.0.2.{at % 100}",
        "id.orig_p": 1024 + at % 5000,
        "id.resp_h": "198.51.100.7",
        "id.resp_p": (22, 80, 443, 53)[at % 4],
        "proto": "tcp",
        "duration": 0.1 + at % 7,
        "orig_bytes": at % 900,
        "resp_bytes": at % 7000,
        "conn_state": ("SF", "S0", "REJ")[at % 3],
        "orig_pkts": 1 + at % 9,
        "resp_pkts": at % 5,
        "orig_ip_bytes": 60 + at % 900,
        "resp_ip_bytes": at % 7000,
        "history": "ShADadFf",
    }
    return {name: value for name, value in (line | values).items() if value is not None}


def write_conn(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write records as Zeek's JSON log."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def labelled(flows: int, seed: int = 0) -> list[dict[str, Any]]:
    """Records with `label` and `family`, each threat of several hosts, in no order."""
    rng = random.Random(seed)
    records = []
    for at in range(flows):
        draw = rng.random()
        label, family = "benign", "web"
        if draw < 0.2:
            label, family = "malicious", rng.choice(["scan", "worm"])
        elif draw < 0.3:
            label, family = "unknown", ""
        records.append(conn_line(at, label=label, family=family or None))
    return records
