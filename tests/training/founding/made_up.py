"""A small folder of labelled logs with all ten families, each with flows of its own kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from metatap_training.founding.families import FAMILIES

ONE_CAPTURE = ("mirai-ddos",)
FLOWS_OF_A_PAIR = 60


def write_folder(folder: Path, captures: int = 3) -> Path:
    """One source `made-up` of `captures` captures; `mirai-ddos` is in the first one only."""
    (folder / "made-up").mkdir(parents=True)
    head = "source\tlicence\tpublishable\tnote\n"
    (folder / "sources.tsv").write_text(f"{head}made-up\tMIT\tyes\t\nclosed\t\tno\t\n")
    lines = []
    for capture in range(captures):
        for at, family in enumerate(FAMILIES):
            if family not in ONE_CAPTURE or capture == 0:
                lines += records(family, at, f"c{capture}", seed=capture)
        lines += records("", 99, f"c{capture}", seed=capture)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "made-up" / "conn.jsonl").write_text(text)
    return folder


def records(family: str, kind: int, capture: str, seed: int) -> list[dict[str, Any]]:
    """Flows of one family (benign if ""), of one pair of hosts, with sizes of their kind."""
    rng = np.random.default_rng([seed, kind])
    return [
        {
            "ts": 1.7e9 + at,
            "uid": f"C{capture}{kind}x{at}",
            "id.orig_h": f"10.0.{kind}.1",
            "id.orig_p": 1024 + at,
            "id.resp_h": f"10.1.{kind}.1",
            "id.resp_p": 443,
            "proto": "udp" if kind % 2 else "tcp",
            "duration": float(rng.exponential(1.0 + kind)),
            "orig_bytes": int(rng.integers(10, 20) * 2 ** (kind % 17)),
            "resp_bytes": int(rng.integers(10, 20) * 3 ** (kind % 7)),
            "conn_state": ("SF", "S0", "REJ", "RSTO")[int(rng.integers(0, 4)) * (kind % 2)],
            "orig_pkts": int(rng.integers(1, 3 + kind)),
            "resp_pkts": int(rng.integers(1, 9)),
            "orig_ip_bytes": int(rng.integers(60, 2000)),
            "resp_ip_bytes": int(rng.integers(60, 2000)),
            "history": ("ShADadFf", "S", "Dd", "ShAdDaTr")[int(rng.integers(0, 4))],
            "service": ("dns", "http", "ssl", "")[int(rng.integers(0, 4))],
            "capture": capture,
            "label": "malicious" if family else "benign",
            "family": family or "web",
            "network": "lab",
            "label_scope": "flow",
        }
        for at in range(FLOWS_OF_A_PAIR)
    ]
