"""Every option of the configuration, once: name, form, default and one sentence why.

Validation, the environment's and flags' names, `docs/config.md` and the default `metatap.yaml` all
come from this table.
"""

from __future__ import annotations

import platform

from metatap.context.slots import ENTRIES, ENTRIES_MAX, ENTRIES_MIN
from metatap.runtime.forms import choice, entries, listening, number, path, text, whole
from metatap.runtime.option import PREFIX, Option
from metatap.spool import MIN_BYTES, WhenFull

__all__ = ["BY_NAME", "OPTIONS", "PREFIX", "SECTIONS", "SOURCE_OPTIONS", "Option"]

OPTIONS: tuple[Option, ...] = (
    Option(
        "sensor",
        text("a name"),
        platform.node() or "sensor",
        "Names this sensor in every alert and makes alert ids its own; the host's name by default.",
    ),
    Option(
        "sources",
        entries("a list of sources"),
        [{"url": "zeek+tcp://127.0.0.1:5555"}],
        "What to read flows from; by default the proxy of a Zeek cluster on this host.",
    ),
    Option(
        "model",
        path(),
        "",
        "The model file, or a folder whose newest valid `.onnx` file is taken; empty for the one "
        "that comes with the agent.",
    ),
    Option(
        "packs",
        path(),
        "",
        "The folder of threat packs; empty for the starter packs that come with the agent.",
    ),
    Option(
        "lists",
        path(),
        "",
        "The folder of allowlists and suppressions; empty for none.",
    ),
    Option(
        "state",
        path(),
        "",
        "The folder of what the agent keeps over a restart, and of its control socket: on a local "
        "disk, and this agent's alone; empty: nothing is kept, and `metatap status` does not work.",
    ),
    Option(
        "watch.poll",
        number(0.1, 3600, "seconds"),
        1.0,
        "Time between looks at model, packs and lists, for file systems that give no notice of "
        "changes (NFS); where the system gives notice, a change is seen at once.",
    ),
    Option(
        "trust.unsigned",
        choice("allow", "warn", "refuse"),
        "allow",
        "What becomes of a pack without a signature; with `refuse` only signed packs are used.",
    ),
    Option(
        "trust.keys",
        path(),
        "",
        "The folder of public keys that packs may be signed with; empty for none.",
    ),
    Option(
        "detector.threads",
        whole(1, 64, "threads"),
        1,
        "Threads of ONNX Runtime; with more than one, scoring takes more cores from Zeek.",
    ),
    Option(
        "detector.batch_rows",
        whole(1, 65_536, "flows"),
        4096,
        "Flows scored at once, at most; bounds the memory and the delay of one step.",
    ),
    Option(
        "detector.false_positive_rate",
        number(1e-7, 0.1),
        1e-4,
        "Share of benign flows that each pack may flag; its threshold is set for this rate.",
    ),
    Option(
        "detector.context_entries",
        whole(ENTRIES_MIN, ENTRIES_MAX, "keys"),
        ENTRIES,
        "Hosts, pairs and services whose past is remembered, rounded up to a power of two; "
        "each takes about 100 bytes, and one no longer remembered looks new.",
    ),
    Option(
        "adaptation.background",
        whole(0, 32_768, "flows"),
        2048,
        "Recent flows of this network kept for setting thresholds and for trying new packs; 0 for "
        "none.",
    ),
    Option(
        "adaptation.host_share",
        number(0.001, 1),
        0.05,
        "Share of that background that one originating host may have, at most, so that a busy host "
        "is not taken for the network.",
    ),
    Option(
        "adaptation.heads",
        choice("reference", "local"),
        "reference",
        "What packs' heads are made on: the model's reference background, or with it these flows "
        "of this network, anew when they have changed enough.",
    ),
    Option(
        "adaptation.unknown_per_day",
        number(0, 1_000_000),
        0.0,
        "Alerts a day of the built-in pack `unknown`, flows unlike anything on this network; 0 "
        "leaves it off.",
    ),
    Option(
        "alerts_per_day",
        number(0, 1_000_000),
        0.0,
        "Alerts a day that all packs together may raise on ordinary traffic; thresholds follow "
        "from it; 0 for no budget: `detector.false_positive_rate` holds.",
    ),
    Option(
        "alerts.window",
        number(1, 86_400, "seconds"),
        300.0,
        "Hits of one pack on one pair of hosts within this time are one alert.",
    ),
    Option(
        "alerts.max_open",
        whole(1, 1_000_000, "alerts"),
        10_000,
        "Alerts held open at once, at most, to bound memory; the oldest is closed early.",
    ),
    Option(
        "alerts.max_pairs",
        whole(1, 65_536, "hosts"),
        32,
        "Hosts that one host reaches with an alert each, by pack and window, at most; further ones "
        "share an alert, so that a scan does not flood the store.",
    ),
    Option(
        "alerts.max_uids",
        whole(1, 1000, "uids"),
        16,
        "Zeek uids listed in an alert, at most; enough to pivot without making it long.",
    ),
    Option(
        "sinks",
        entries("a list of sinks"),
        [{"type": "stdout"}],
        "Where alerts go; each sink gets every alert that it is for.",
    ),
    Option(
        "spool.max_bytes",
        whole(MIN_BYTES, 2**40, "bytes"),
        2**29,
        "Room for alerts that wait in `state` for their sinks; an alert takes 4 to 6 KiB.",
    ),
    Option(
        "spool.when_full",
        choice(*(choice_.value for choice_ in WhenFull)),
        WhenFull.DROP_OLDEST.value,
        "`drop_oldest` gives up the oldest alerts, counted; `block` keeps them all and scores "
        "nothing more until there is room, so that flows are lost instead, counted.",
    ),
    Option(
        "log.level",
        choice("debug", "info", "warning", "error"),
        "info",
        "Lowest level of the agent's own log, which goes to standard error.",
    ),
    Option(
        "log.format",
        choice("text", "json"),
        "text",
        "`text` for people, `json` for machines.",
    ),
    Option(
        "metrics.listen",
        listening(),
        "",
        "Where figures for Prometheus are served, under `/metrics` (metrics.md); without a host on "
        "this machine alone; empty for nowhere.",
    ),
    Option(
        "status_interval",
        number(0, 86_400, "seconds"),
        60.0,
        "Time between status lines with all counters in the log; 0 for none.",
    ),
)
"""All options, in the order of the default file."""

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}

SECTIONS: tuple[str, ...] = tuple(
    dict.fromkeys(option.name.partition(".")[0] for option in OPTIONS if "." in option.name)
)

SOURCE_OPTIONS: tuple[Option, ...] = (
    Option("url", text("a URL or the name of a recording"), None, "What to read."),
    Option("options", entries("a mapping"), {}, "Options of the source, see below."),
)
