"""Scored batches without a model, for tests of what comes after the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from metatap.detector import Detections, Explanation, Reason, RuleSet
from metatap.detector.explanation import Unusual
from metatap.flow import from_rows
from metatap.packs import Pack, Severity

T0 = 1_700_000_100
"""A second that starts a window of 300 s, in the tests' flow time."""

SSH = Pack(
    id="ssh-bruteforce",
    name="SSH brute force",
    description="Password guessing against an SSH server.",
    author="metatap",
    created=date(2026, 11, 24),
    severity=Severity.HIGH,
    attack=("T1110.001",),
    references=("https://attack.mitre.org/techniques/T1110/001/",),
    flows=from_rows([{"uid": "C1", "proto": "tcp"}]),
    sha256="0" * 63 + "1",
)
SCAN = Pack(
    id="port-scan",
    name="Port scan",
    description="",
    author="",
    created=date(2026, 11, 24),
    severity=Severity.LOW,
    attack=("T1046",),
    references=(),
    flows=from_rows([{"uid": "C2", "proto": "tcp"}]),
    sha256="0" * 63 + "2",
)


def rules(*packs: Pack, threshold: float = 1.0) -> RuleSet:
    """Rules with these packs, padded as the detector pads them."""
    thresholds = np.full(8, np.inf, np.float32)
    thresholds[: len(packs)] = threshold
    model = SimpleNamespace(
        sha256="a" * 64, meta=SimpleNamespace(name="meta-ridge", version="1.0.0")
    )
    fields = {
        "model": model,
        "packs": packs,
        "thresholds": thresholds,
        "threshold_source": "reference",
    }
    return cast(RuleSet, SimpleNamespace(**fields))


def flow(uid: str, at: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A flow that starts `at` seconds after `T0`; double underscores in names stand for dots."""
    row: dict[str, Any] = {
        "ts": T0 + at,
        "uid": uid,
        "id.orig_h": "10.0.0.1",
        "id.orig_p": 40000,
        "id.resp_h": "10.0.0.2",
        "id.resp_p": 22,
        "proto": "tcp",
        "service": "ssh",
        "duration": 2.5,
        "conn_state": "SF",
        "orig_pkts": 20,
        "orig_ip_bytes": 3000,
        "resp_pkts": 22,
        "resp_ip_bytes": 4000,
        "local_orig": False,
        "local_resp": True,
        "partial": False,
    }
    return row | {name.replace("__", "."): value for name, value in changes.items()}


def detections(
    rows: Sequence[Mapping[str, Any]],
    scores: Sequence[Sequence[float]] | None = None,
    rules_: RuleSet | None = None,
) -> Detections:
    """A scored batch; every flow scores 2.0 for the one pack if nothing else is said."""
    rules_ = rules_ or rules(SSH)
    matrix = np.zeros((len(rows), len(rules_.thresholds)), np.float32)
    for at, given in enumerate(scores if scores is not None else [[2.0]] * len(rows)):
        matrix[at, : len(given)] = given
    hit_rows, hit_packs = np.nonzero(matrix >= rules_.thresholds)
    features = np.zeros((len(rows), 1), np.float32)
    return Detections(from_rows(rows), rules_, features, matrix, hit_rows, hit_packs)


EXPLANATION = Explanation(
    nearest_index=0,
    nearest_uid="C1",
    nearest_distance=0.25,
    reasons=(
        Reason(
            feature="ssh.auth_attempts",
            words="SSH authentication attempts",
            value=4.0,
            typical=1.0,
            moved=1.5,
            text="SSH authentication attempts 4 (typical 1)",
        ),
        Reason(
            feature="ssh.auth_success",
            words="SSH login succeeded",
            value=0.0,
            typical=None,
            moved=0.5,
            text="not: SSH login succeeded",
        ),
    ),
    nearest_flow={
        "uid": "C1",
        "id.resp_p": 22,
        "proto": "tcp",
        "service": "ssh",
        "duration": 2.1,
        "ssh.auth_attempts": 6,
        "ssh.client": "SSH-2.0-libssh_0.9",
    },
    unusual=Unusual(background=2000, at_or_above=0, source="reference"),
)


ALIKE = replace(EXPLANATION, reasons=())
"""What is said where there was no time to explain."""


def explain(_detections: Detections, _row: int, _pack: int) -> Explanation:
    """The same explanation for every hit."""
    return EXPLANATION


def alike(_detections: Detections, hits: Sequence[tuple[int, int]]) -> list[Explanation]:
    """The same nearest example for every hit."""
    return [ALIKE] * len(hits)


class Clocks:
    """The agent's two clocks, moved by hand.

    Attributes:
        now: ns since the epoch.
        mono: ns.
    """

    def __init__(self) -> None:
        self.now = (T0 + 3) * 10**9
        self.mono = 0

    def clock(self) -> int:
        """ns since the epoch."""
        return self.now

    def monotonic(self) -> int:
        """ns."""
        return self.mono

    def wait(self, seconds: float) -> None:
        """Let both clocks run on."""
        self.now += round(seconds * 1e9)
        self.mono += round(seconds * 1e9)
