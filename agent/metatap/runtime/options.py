"""Every option of the configuration, once: name, form, default and one sentence why.

Validation, the environment's and flags' names, `docs/config.md` and the default `metatap.yaml` all
come from this table.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metatap.context.slots import ENTRIES, ENTRIES_MAX, ENTRIES_MIN
from metatap.yamlfile import Items, Node, Scalar, kind_of, nearest, shown


@dataclass(frozen=True, slots=True)
class Form:
    """What values an option takes.

    Attributes:
        words: In words, for the documentation.
        read: Node → value; raises ValueError with what is wrong.
        is_text: A value from the environment is taken as it is, not read as YAML.
    """

    words: str
    read: Callable[[Node], Any]
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: Dotted name, `section.key` or `key`.
        form: What values it takes.
        default: Value where it is not set.
        why: One sentence: what it does and why the default is what it is.
    """

    name: str
    form: Form
    default: Any
    why: str

    @property
    def variable(self) -> str:
        """Name of the environment variable that sets it."""
        return PREFIX + self.name.upper().replace(".", "__")


PREFIX = "METATAP_"
"""Start of the names of environment variables."""

MAX_TEXT = 1024
"""Characters of a text, at most."""


def number(low: float, high: float, unit: str = "") -> Form:
    """A number from `low` to `high`."""
    what = f"a number of {unit}" if unit else "a number"

    def read(node: Node) -> float:
        value = _scalar(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be {what}, is {_is(node)}")
        if not low <= value <= high:
            raise ValueError(f"{value}: must be from {low:g} to {high:g}")
        return float(value)

    return Form(f"{what}, {low:g} to {high:g}", read)


def whole(low: int, high: int, unit: str = "") -> Form:
    """A whole number from `low` to `high`."""
    what = f"a whole number of {unit}" if unit else "a whole number"

    def read(node: Node) -> int:
        value = _scalar(node)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be {what}, is {_is(node)}")
        if not low <= value <= high:
            raise ValueError(f"{value}: must be from {low:,} to {high:,}")
        return value

    return Form(f"{what}, {low:,} to {high:,}", read)


def choice(*values: str) -> Form:
    """One of some words."""

    def read(node: Node) -> str:
        text = _text(node)
        if text not in values:
            known = ", ".join(values)
            raise ValueError(f"{shown(text)}: must be one of {known}{nearest(text, values)}")
        return text

    return Form(" or ".join(f"`{value}`" for value in values), read, is_text=True)


def text(words: str, *, empty: bool = False) -> Form:
    """A text on one line."""

    def read(node: Node) -> str:
        value = _text(node)
        if not value and not empty:
            raise ValueError("must not be empty")
        if len(value) > MAX_TEXT:
            raise ValueError(f"{len(value)} characters, at most {MAX_TEXT}")
        if value and not value.isprintable():
            raise ValueError(f"{shown(value)}: has characters that can't be printed")
        return value

    return Form(words, read, is_text=True)


def boolean() -> Form:
    """True or false."""

    def read(node: Node) -> bool:
        value = _scalar(node)
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, is {_is(node)}")
        return value

    return Form("`true` or `false`", read)


def entries(words: str) -> Form:
    """A list; its entries are read by `runtime.entries`."""

    def read(node: Node) -> Items:
        if not isinstance(node, Items):
            raise ValueError(f"must be a list, is {kind_of(node)}")
        return node

    return Form(words, read)


def _scalar(node: Node) -> Any:
    return node.value if isinstance(node, Scalar) else None


def _is(node: Node) -> str:
    kind = kind_of(node)
    return f"{kind} ({shown(node.text)})" if isinstance(node, Scalar) and node.text else kind


def _text(node: Node) -> str:
    if not isinstance(node, Scalar) or isinstance(node.value, bytes):
        raise ValueError(f"must be text, is {kind_of(node)}")
    return "" if node.value is None else node.text.strip()


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
        text("a path", empty=True),
        "",
        "The model file; empty for the one that comes with the agent.",
    ),
    Option(
        "packs",
        text("a path", empty=True),
        "",
        "The folder of threat packs; empty for the starter packs that come with the agent.",
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
        "Where alerts go; each sink gets every alert.",
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

SINK_OPTIONS: dict[str, tuple[Option, ...]] = {
    "file": (
        Option("path", text("a path"), None, "The file; alerts are appended, one a line."),
        Option(
            name="fsync",
            form=boolean(),
            default=False,
            why="Wait for the disk after each batch: nothing is lost in a power cut, but slower.",
        ),
    ),
    "stdout": (),
}
"""Type of sink → its options; a default of None must be given."""
