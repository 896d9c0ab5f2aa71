"""Documentation pages made from the code's tables: `python -m tests.docs` writes them.

`tests/test_docs.py` holds every page equal to what its table gives.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from metatap.context import CONTEXT_FEATURES, CONTEXT_VERSION
from metatap.context.layout import FAILED_STATES, HALF_LIVES, REMEMBERED, SCALE_WORDS, SPREAD_MAX
from metatap.context.slots import ENTRIES, Slots
from metatap.detector.detector import IMPOSSIBLE
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
from metatap.sources import logs, recording_file, zeek_wire
from metatap.spool.reasons import REASONS as SPOOL_REASONS
from metatap.state.history import NOT_WRITTEN
from tests.agent.alerts.page import render as alerts_page
from tests.agent.formats.page import render as formats_page
from tests.agent.metrics.page import render as metrics_page

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
        "ports. `context.…`, what the originator did before: [context.md](context.md).\n"
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


_CONTEXT = """\
`metatap.context.Context` remembers what each originator did and gives each flow, once it is
counted, {width} float32 columns. NaN = not known. A flow without `ts` and a partial record have no
context and leave none: all their columns are NaN.

## Keys
| key | columns | told apart under it |
|---|---|---|
| host | `id.orig_h` | peers, services |
| pair | `id.orig_h`, `id.resp_h` | services |
| service | `id.orig_h`, `proto`, `id.resp_p` | peers |

Every key holds the originator, so the shard that gets its flows has all of its context. A key is
hashed to 64 bits with a seed; half of them choose its set, the upper half is compared.

## Formulas
Half-lives H: {half_lives}. Δt is the time since the start of the flow, in seconds, on the key's
own clock, which is the latest start it has seen: a late flow is taken as of now.

- flows: Σ 2^(−Δt / H) over the key's flows, this one included.
- failed: the same sum over failed flows, divided by flows. Failed: `conn_state` is {failed}, or it
  is not known and the responder is known to have sent no packet.
- peers, services: Σ 2^(−(now − last seen) / H) over the different things. It is kept without their
  list: one that comes back after Δt adds 1 − 2^(−Δt / H), one never seen 1. Exact while starts
  come in order and none is evicted.
- gap, in ms: running mean of the time since the key's latest start; a new value counts for 1/n,
  from n = {remembered} on for 1/{remembered}, n = decayed number (hours) of gaps. NaN for a key's
  first flow.
- gap_spread, size_spread: running mean of |value − mean before|, by the mean; at most
  {spread_max}. Size: IP bytes of both sides, 0 where not known. NaN below 1.5 and 0.5 flows
  before.

Sums are kept as float32: a count of a single key does not grow beyond 2^24.

## Memory
It is allocated at the start and never grows: {entries:,} slots with statistics and as many with a
time only (last seen of peer and service), {bytes:,} bytes in all, {each} an entry. A key can be in
the 4 slots of its set. A new key takes the free or least worthy one: a slot is worth its latest
start, plus one half-life of {longest:,.0f} s for each doubling of its flows, so one-time keys
replace each other and not a host of long standing. Slots of keys of the same batch are not taken;
a key whose set has no other counts as its first flow (`unplaced`). As many new keys of one set in
one batch as it has ways do take all of it, whatever it was worth: with this table and batches of
4096 flows, that is rare.

## Disorder
Flows come in the order they ended in. A key's clock never goes back; a start before it has gap 0.
A flow that ended more than an hour before the latest start of its key shows that the clock was set
back: the key starts anew. This is looked at once a batch and key.

## Cost
`python -m benchmarks.context` prints ns a flow, and the ratio to plain Python. The NumPy reference
is always there; with the extra `metatap[fast]` (numba) a compiled twin does the same. It is
compiled in seconds when first used, cached where the package lies, else in the user's cache, else
compiled at each start (`twin_uncached`). A twin that does a small trial wrong is not used
(`twin_not_used`).

On one of two cores of an AMD EPYC, at 4096 (512) flows a batch: twin 0.22 (0.43) µs a flow,
reference 1.8 (3.3), plain Python 25 (23). Twin compiled in 4.1 s, loaded from its cache in 0.5 s.
The three take turns batch by batch on the office's recording, its originators varied, so each finds
the caches cold.

What it brings to the detector: [ablation.md](ablation.md).
"""


def context_page() -> str:
    """docs/context.md: what is remembered, and the table of context features."""
    pairs = zip(SCALE_WORDS, HALF_LIVES, strict=True)
    size = sum(Slots.empty(ENTRIES, with_stats=some).nbytes for some in (True, False))
    rows = [[f"`{f.name}`", f.words, "share" if f.share else f.unit] for f in CONTEXT_FEATURES]
    return (
        MADE.format("tests/docs.py and agent/metatap/context/layout.py")
        + f"# Context, version {CONTEXT_VERSION}\n"
        + _CONTEXT.format(
            width=len(CONTEXT_FEATURES),
            half_lives=", ".join(f"{words} {seconds:g} s" for words, seconds in pairs),
            failed=", ".join(FAILED_STATES),
            remembered=REMEMBERED,
            spread_max=f"{SPREAD_MAX:g}",
            entries=ENTRIES,
            bytes=size,
            each=size // ENTRIES,
            longest=HALF_LIVES[-1],
        )
        + "\n## Columns\n"
        + _table(["feature", "what", "unit"], rows)
    )


_STAGES: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "source.N.messages",
        (
            "`message_skipped`, `batch_duplicate`; of logs, whose messages are lines, "
            "`line_skipped`, `lines_unjoined`; at most once a minute a reason"
        ),
        zeek_wire.REASONS
        | recording_file.REASONS
        | {"duplicate": "A batch that was already received, or older than what was."}
        | logs.REASONS
        | {UNDRAINED: "A line of logs that was read ahead, when its flow is `undrained`."},
    ),
    (
        "source.N.flows",
        (
            "`flows_lost`; of logs `line_skipped`: a conn line that is dropped is a flow that is, "
            "under the same reason"
        ),
        {
            "lost": "Never arrived, or in a message that was skipped: known by the running counts.",
            "duplicate": "In a message dropped as `duplicate`.",
            UNDRAINED: "Received, but not read when the source was closed or the agent had to end "
            "(`flows_dropped`).",
        },
    ),
    (
        "detector.flows",
        "`flows_unscored`",
        {
            IMPOSSIBLE: "The model gave no scores for the flow: of a classifier, no probabilities "
            "(not finite, outside [0, 1], or of another sum than 1; the event says which); of a "
            "sequence model, that of its window. The others of its batch are scored.",
            MODEL_FAILED: "The model could not score them; the next batch is tried again.",
        },
    ),
    (
        "aggregator.hits",
        (
            "`hits_dropped`, the first time, `hits_suppressed` (by rule), `aggregates_suppressed` "
            "(open aggregates that were closed), `list_rules_expired`; `agent_status` counts them"
        ),
        {
            "no_pack": "A hit on the padding; a sound model gives none.",
            "suppressed": "A rule of a list matches the hit; `metatap status` counts by rule.",
        },
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
            "filtered": "The sink's filter does not want it.",
            "unencodable": "The sink's filter or format failed on it (`alert_unencodable`).",
        },
    ),
    (
        "sinks (each)",
        (
            "`alerts_dropped`, `alert_unencodable`; `sink_failed` and `sink_recovered` (a receiver "
            "is away and back), `spool_failed` and `spool_recovered` (the disk is), "
            "`spool_blocked` (the spool is full and waits), `spool_sink_forgotten`, "
            "`spool_set_aside` and `spool_place_corrupt` (damage), `delivery_failed`, "
            "`delivery_stuck`, `alerts_left_in_spool` (at the end; they stay on the disk), "
            "`sink_left_out`, `sink_unverified`; at most once a minute a cause. Here received = "
            "passed + Σ dropped + filtered + waiting; what a receiver refuses is dropped under the "
            "receiver's reason"
        ),
        SPOOL_REASONS,
    ),
    (
        "history.alerts",
        "`history_dropped`",
        {
            NOT_WRITTEN: "The file of past alerts is locked, full or broken for too long; the "
            "sinks got the alert."
        },
    ),
)


def instrumentation_page() -> str:
    """docs/instrumentation.md: what is counted, what is dropped and under which name."""
    head = (
        MADE.format("tests/docs.py and the REASONS tables of the stages") + "# What is counted\n"
        "Each stage counts what it received, passed on and dropped, by reason, and at the end\n"
        "received = passed + Σ dropped. The counters stand in the log events `agent_status` and\n"
        "`agent_stopped`, under `stages`; under `context` stand the keys that were `replaced` or\n"
        "found no place (`unplaced`): no flow is dropped, but such a host looks new. Under\n"
        "`reload` stand the sets of rules taken and the faults of files, see\n"
        "[operating.md](operating.md). Rules:\n"
        "every drop has a reason here, a counter and\n"
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
    "docs/context.md": context_page,
    "docs/features.md": features_page,
    "docs/flow.md": flow_page,
    "docs/formats.md": formats_page,
    "docs/instrumentation.md": instrumentation_page,
    "docs/metrics.md": metrics_page,
    "packaging/metatap.yaml": default_yaml,
}
"""Path from the repository's root → what makes the page."""


def main() -> None:
    """Write every page."""
    for path, make in PAGES.items():
        (ROOT / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
