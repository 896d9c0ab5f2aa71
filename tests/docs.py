"""Documentation pages made from the code's tables: `python -m tests.docs` writes them.

`tests/test_docs.py` holds every page equal to what its table gives.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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

ROOT = Path(__file__).parent.parent
MADE = "<!-- Made by `make docs` from {}; edit that. -->\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _dtype(kind: Kind) -> str:
    if kind is Kind.STRING:
        return "bytes"
    name = str(DTYPES[kind].__name__) if isinstance(DTYPES[kind], type) else str(DTYPES[kind])
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


PAGES: dict[str, Callable[[], str]] = {
    "docs/flow.md": flow_page,
    "docs/features.md": features_page,
}
"""Path from the repository's root → what makes the page."""


def main() -> None:
    """Write every page."""
    for path, make in PAGES.items():
        (ROOT / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
