"""The default `metatap.yaml` and docs/config.md, made from the table of options."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from metatap.runtime.options import OPTIONS, SOURCE_OPTIONS, Option
from metatap.runtime.sink_options import COMMON, MESSAGE, SINK_OPTIONS, TLS
from metatap.sources.options import WireOptions

WIDTH = 96

HOST_DEFAULT = "the host's name"
"""Stands for the default of `sensor`, which differs by machine."""


def default_yaml() -> str:
    """A configuration file that sets nothing: every option commented out with its default."""
    lines = [
        "# metatap: configuration. Options that are commented out have the value shown.",
        "# An environment variable METATAP_<SECTION>__<KEY> goes before this file, a flag before",
        "# both. Paths are relative to the folder of this file.",
    ]
    section = ""
    for option in OPTIONS:
        name = option.name.partition(".")
        if name[1] and name[0] != section:
            lines += ["", f"{name[0]}:"]
        elif not name[1]:
            lines.append("")
        section = name[0] if name[1] else ""
        lines += _commented(option, "  " if section else "")
    return "\n".join(lines) + "\n"


def _commented(option: Option, indent: str) -> Iterator[str]:
    note = f"{option.why} ({_plain(option.form.words)})"
    for line in textwrap.wrap(note, WIDTH - len(indent)):
        yield f"{indent}# {line}"
    key = option.name.rpartition(".")[2]
    if isinstance(option.default, list):
        yield f"{indent}#{key}:"
        for entry in option.default:
            pairs = [f"{name}: {_value(value)}" for name, value in entry.items()]
            yield f"{indent}#  - " + pairs[0]
            yield from (f"{indent}#    {pair}" for pair in pairs[1:])
        return
    yield f"{indent}#{key}: {_value(option.default, option)}"


def _value(value: Any, option: Option | None = None) -> str:
    if option is not None and option.name == "sensor":
        return "my-host"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7f}".rstrip("0").rstrip(".") if value < 1 else f"{value:g}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value) if value != "" else '""'


def _plain(words: str) -> str:
    return words.replace("`", "")


def config_page() -> str:
    """The text of docs/config.md."""
    parts = [
        _INTRODUCTION,
        *_table(OPTIONS, variables=True),
        "\n## Sources\nEach entry of `sources`:\n",
        *_table(SOURCE_OPTIONS),
        _URLS,
        *_wire_table(),
        "\n## Sinks\nEach entry of `sinks` has a `type`.\n",
    ]
    parts += ["Each of them:\n", *_table(COMMON), ""]
    shared = {option.why for option in (*MESSAGE, *TLS)}
    for kind, options in SINK_OPTIONS.items():
        own = [option for option in options if option.why not in shared]
        parts.append(f"`type: {kind}`" + (":\n" if own else ": no more options.\n"))
        parts += [*_table(own), ""] if own else []
    for options, words in ((MESSAGE, "Messages"), (TLS, "TLS")):
        of = [f"`{kind}`" for kind, has in SINK_OPTIONS.items() if options[0] in has]
        parts += [f"{words}, of {', '.join(of)}:\n", *_table(options), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


_URLS = """
A URL is `zeek+tcp://HOST:PORT` or `zeek+ipc:///PATH`, with `?bind=1` to bind instead of connecting;
without `://` it is the name of a recording. `options` of these:
"""

_INTRODUCTION = """\
<!-- Made by `make docs` from agent/metatap/runtime/options.py; edit that. -->
# Configuration
One YAML file, `metatap run --config FILE`; every option has a default. A commented file with all of
them is [metatap.yaml](../packaging/metatap.yaml). Values come from the file, then from environment
variables, then from flags; the later one holds. `metatap check --config FILE` names every fault
with file and line or variable. `METATAP_CONFIG=FILE` names the file for every command that is given
no `--config`, those that have no such option too. Where a folder `conf.d` lies beside the file, its
`*.yaml` are read after it in the order of their names: an option set later holds, a list replaces
the whole list; their paths are relative to the file's folder too.

Paths in the file are relative to its folder, others to the working directory. A variable's value is
read as YAML where the option is not a text: `METATAP_SINKS='[{type: file, path: alerts.jsonl}]'`.
"""


def _table(options: Sequence[Option], *, variables: bool = False) -> Iterator[str]:
    yield "| option | default | values | what and why |" + (" variable |" if variables else "")
    yield "|---|---|---|---|" + ("---|" if variables else "")
    for option in options:
        default = _default_cell(option)
        row = f"| `{option.name}` | {default} | {option.form.words} | {option.why} |"
        yield row + (f" `{option.variable}` |" if variables else "")


def _default_cell(option: Option) -> str:
    if option.name == "sensor":
        return HOST_DEFAULT
    if option.default is None:
        return "must be given"
    if option.default in ("", {}, ()):
        return "empty"
    if isinstance(option.default, list):
        pairs = (f"{key}: {value}" for entry in option.default for key, value in entry.items())
        return f"`{', '.join(pairs)}`"
    return f"`{_value(option.default)}`"


def _wire_table() -> Iterator[str]:
    yield "| option | default | what |"
    yield "|---|---|---|"
    docs = _attribute_docs(WireOptions.__doc__ or "")
    for item in fields(WireOptions):
        yield f"| `{item.name}` | `{_value(item.default)}` | {docs.get(item.name, '')} |"


def _attribute_docs(docstring: str) -> dict[str, str]:
    """Name → text of the `Attributes:` of a docstring."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in textwrap.dedent(docstring.partition("Attributes:\n")[2]).splitlines():
        if line and not line.startswith(" "):
            name, _, rest = line.partition(": ")
            found[name] = [rest]
        elif name and line.strip():
            found[name].append(line.strip())
    return {name: " ".join(lines) for name, lines in found.items()}
