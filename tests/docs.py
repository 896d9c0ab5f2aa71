"""Documentation pages made from the code's tables: `python -m tests.docs` writes them.

`tests/test_docs.py` holds every page equal to what its table gives.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from metatap.features import FEATURES, FEATURES_VERSION, Scale
from metatap.flow.schema import (
    COLUMNS,
    CONTRACT_VERSION,
    DTYPES,
    STRING_MAX_BYTES,
    Group,
    Kind,
    group_flags,
)
from metatap.runtime.agent import UNDRAINED
from metatap.runtime.pipeline import MODEL_FAILED
from metatap.runtime.reference import config_page, default_yaml
from metatap.sources import recording_file, zeek_wire
from tests.agent.alerts.page import render as alerts_page

ROOT = Path(__file__).parent.parent
MADE = "<!-- Made by `make docs` from {}; edit that. -->\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _dtype(kind: Kind) -> str:
    if kind is Kind.STRING:
        return "bytes"
    name = np.dtype(DTYPES[kind]).name
    return f"{name} [n, 16]" if kind is Kind.ADDR else name


def flow_page() -> str:
    """docs/flow.md: the schema table and the bit layout of `flags`."""
    rows = [
        [
            f"`{spec.name}`",
            spec.kind.value,
            _dtype(spec.kind),
            spec.unit,
            "yes" if spec.optional else "",
            spec.log.replace("|", "\\|"),
            spec.wire,
            spec.eve,
            spec.doc,
        ]
        for spec in COLUMNS
    ]
    bits = [
        [
            group.value,
            f"`{name}`",
            "" if at.present is None else str(at.present),
            "" if at.value is None else str(at.value),
        ]
        for group in Group
        for name, at in group_flags(group).items()
    ]
    return (
        MADE.format("agent/metatap/flow/schema.py")
        + f"# The flow record, contract version {CONTRACT_VERSION}\n"
        "A `FlowBatch` holds one NumPy array a column. Whether a value is there is a mask, never\n"
        "a magic number: a value Zeek did not set and one a source can never set are both absent.\n"
        f"Strings are cut to {STRING_MAX_BYTES} bytes. An empty EVE cell: Suricata can't tell.\n\n"
        + _table(
            [
                "column",
                "kind",
                "dtype",
                "unit",
                "optional",
                "in Zeek's logs",
                "on the wire",
                "in EVE",
                "",
            ],
            rows,
        )
        + "\n## Bits of `flags` on the wire\nHow they are given out: [wire.md](wire.md).\n\n"
        + _table(["group", "column", "has a value", "value"], bits)
    )


_SCALES = {
    Scale.LOG: "a magnitude; the model takes its logarithm",
    Scale.LINEAR: "a ratio",
    Scale.FLAG: "0 or 1",
}


def features_page() -> str:
    """docs/features.md: the feature table."""
    head = (
        MADE.format("agent/metatap/features/table.py") + f"# Features, version {FEATURES_VERSION}\n"
        f"{len(FEATURES)} columns, float32, raw values; NaN = absent. Training and serving share\n"
        "`metatap.features.encode`. Never a feature: addresses, absolute time, uid, raw ephemeral\n"
        "ports. Context (what a host did before) is not in this version.\n"
    )
    parts = [head]
    for scale in Scale:
        rows = [
            [f"`{feature.name}`", feature.words, feature.unit]
            for feature in FEATURES
            if feature.scale is scale
        ]
        parts.append(f"\n## {scale.value}: {_SCALES[scale]}\n")
        parts.append(_table(["feature", "what", "unit"], rows))
    return "".join(parts)


_STAGES: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "source.N.messages",
        "`message_skipped`, `batch_duplicate`, at most once a minute a reason",
        zeek_wire.REASONS
        | recording_file.REASONS
        | {"duplicate": "A batch that was already received, or older than what was."},
    ),
    (
        "source.N.flows",
        "`flows_lost`",
        {
            "lost": "Never arrived, or in a message that was skipped: known by the running counts.",
            "duplicate": "In a message dropped as `duplicate`.",
            UNDRAINED: "Received, but not read when the agent had to end (`flows_dropped`).",
        },
    ),
    (
        "detector.flows",
        "`flows_unscored`",
        {MODEL_FAILED: "The model could not score them; the next batch is tried again."},
    ),
    (
        "aggregator.hits",
        "`hits_dropped`, the first time; `agent_status` has the number",
        {"no_pack": "A hit on the padding; a sound model gives none."},
    ),
    (
        "sink.N.alerts",
        "`alerts_dropped`, at most once a minute a reason, with the sum",
        {
            "disk_full": "No room on the disk, and the buffer in memory is full or the agent ends.",
            "write_failed": "The file can't be written, and the buffer in memory is full or the "
            "agent ends.",
            "reader_stalled": "Nothing is taken from standard output, and the buffer in memory is "
            "full or the agent ends.",
            "broken_pipe": "Nobody reads standard output any more.",
            "closed": "Came after the end, or the agent was started without standard output.",
        },
    ),
)


def instrumentation_page() -> str:
    """docs/instrumentation.md: what is counted, what is dropped and under which name."""
    head = (
        MADE.format("tests/docs.py and the REASONS tables of the stages") + "# What is counted\n"
        "Each stage counts what it received, passed on and dropped, by reason, and at the end\n"
        "received = passed + Σ dropped. The counters stand in the log events `agent_status` and\n"
        "`agent_stopped`, under `stages`. Rules: every drop has a reason here, a counter and\n"
        "a log event; a reason never changes its meaning; events are named in snake_case, what\n"
        "they are about is in their fields.\n"
    )
    parts = [head]
    for stage, event, reasons in _STAGES:
        parts.append(f"\n## {stage}\n" + (f"Log event: {event}.\n\n" if event else "\n"))
        parts.append(_table(["dropped", "because"], [[f"`{k}`", v] for k, v in reasons.items()]))
    return "".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "docs/alerts.md": alerts_page,
    "docs/config.md": config_page,
    "docs/features.md": features_page,
    "docs/flow.md": flow_page,
    "docs/instrumentation.md": instrumentation_page,
    "packaging/metatap.yaml": default_yaml,
}
"""Path from the repository's root → what makes the page."""


def main() -> None:
    """Write every page."""
    for path, make in PAGES.items():
        (ROOT / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
