"""The configuration: file < environment < flags.

A YAML file sets options by name (docs/config.md). An environment variable
`METATAP_<SECTION>__<KEY>` goes before the file, a flag before both. Paths in the file are relative
to the file's folder, others to the working directory. `METATAP_CONFIG` names the file where nothing
else does.

Where a folder `conf.d` lies beside the file, its `*.yaml` are parts of it, read after it in the
order of their names: an option that a later one sets holds, lists as a whole. Their paths are
relative to the folder of the file too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metatap.bounded import read_bounded
from metatap.errors import ConfigError
from metatap.runtime.entries import read_sources
from metatap.runtime.options import BY_NAME, OPTIONS, PREFIX, SECTIONS, Option
from metatap.runtime.settings import (
    AdaptationConfig,
    AlertsConfig,
    Config,
    DetectorConfig,
    LogConfig,
    MetricsConfig,
    SpoolConfig,
    TrustConfig,
    WatchConfig,
)
from metatap.runtime.sink_entries import read_sinks
from metatap.yamlfile import (
    MAX_BYTES,
    Faults,
    Fields,
    Items,
    Node,
    Scalar,
    Value,
    kind_of,
    nearest,
    parse,
    shown,
)

__all__ = ["Config", "load_config"]

FILE_VARIABLE = "METATAP_CONFIG"
"""Environment variable with the path of the file."""

PARTS = "conf.d"
"""Folder beside the file, with its parts."""

MAX_PARTS = 100
"""Parts of a file, at most."""


class _Setting(NamedTuple):
    """A value of an option and where it comes from."""

    node: Node
    faults: Faults
    folder: Path


def load_config(
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Read and check the configuration.

    Args:
        path: The YAML file, None for that of `METATAP_CONFIG`, or without one for defaults.
        env: Environment variables; those that do not start with `METATAP_` are ignored.
        flags: Option's dotted name → value, as it would be in the file: text, numbers, lists.

    Raises:
        ConfigError: anything is wrong; names every fault with file and line, variable or flag.
    """
    settings: dict[str, _Setting] = {}
    sources: list[Faults] = []
    variables = dict(env or {})
    named = variables.pop(FILE_VARIABLE, "")
    if path is None and named:
        path = Path(named)
    if path is not None:
        sources.append(_from_file(path, path.parent, settings))
        parts = _parts(path)
        sources += [_from_file(part, path.parent, settings) for part in parts[:MAX_PARTS]]
        for part in parts[MAX_PARTS : MAX_PARTS + 1]:
            sources.append(Faults(str(part)))
            sources[-1].add(None, f"not read: {len(parts)} parts, at most {MAX_PARTS} are")
    for name, value in sorted(variables.items()):
        if name.startswith(PREFIX):
            sources.append(_from_variable(name, value, settings))
    for name, value in (flags or {}).items():
        sources.append(_from_flag(name, value, settings))
    values = _values(settings)
    faults = [fault for source in sources for fault in source.found]
    if faults:
        raise ConfigError(*faults)
    return _config(values)


def _parts(path: Path) -> list[Path]:
    """The parts of a file in their order; hidden ones, as editors leave them, are none."""
    found = (path.parent / PARTS).glob("*.yaml")
    return sorted(part for part in found if not part.name.startswith("."))


def _from_file(path: Path, folder: Path, settings: dict[str, _Setting]) -> Faults:
    faults = Faults(str(path))
    try:
        content = read_bounded(path, MAX_BYTES)
    except OSError as error:
        faults.add(None, f"can't be read: {error.strerror or error}")
        return faults
    root = _document(content, faults)
    for name, node in root.items.items():
        line = root.lines[name]
        if name in SECTIONS:
            if isinstance(node, Fields):
                for key, item in node.items.items():
                    _set(f"{name}.{key}", item, node.lines[key], _At(settings, faults, folder))
            elif not (isinstance(node, Scalar) and node.value is None):
                faults.add(line, f"{name}: must be a mapping, is {kind_of(node)}")
        else:
            _set(name, node, line, _At(settings, faults, folder))
    return faults


def _document(content: bytes, faults: Faults) -> Fields:
    """The document's mapping; a file of comments only is an empty one."""
    lines = content.split(b"\n")
    if all(not line.strip() or line.lstrip().startswith(b"#") for line in lines):
        return Fields(1)
    root = parse(content, faults)
    if isinstance(root, Fields):
        return root
    if root is not None:
        faults.add(root.line, f"must be a mapping of options, is {kind_of(root)}")
    return Fields(1)


class _At(NamedTuple):
    settings: dict[str, _Setting]
    faults: Faults
    folder: Path


def _set(name: str, node: Node, line: int | None, at: _At) -> None:
    if name not in BY_NAME:
        hint = at.faults.hint(name, _known(name))
        at.faults.add(line, f"{shown(name)}: unknown option{hint}")
    elif isinstance(node, Scalar) and node.value is None and not BY_NAME[name].form.is_text:
        at.faults.add(line, f"{name}: is empty")
    else:
        at.settings[name] = _Setting(node, at.faults, at.folder)


def _known(name: str) -> list[str]:
    """Names to suggest from: those of the section, then all, sections included."""
    section = name.partition(".")[0] + "."
    return [n for n in BY_NAME if n.startswith(section)] or [*BY_NAME, *SECTIONS]


def _from_variable(name: str, value: str, settings: dict[str, _Setting]) -> Faults:
    faults = Faults(name)
    variables = {option.variable: option for option in OPTIONS}
    option = variables.get(name)
    if option is None:
        faults.add(None, f"sets no option{nearest(name, variables)}")
        return faults
    node = _variable_node(option, value, faults)
    if node is not None:
        _set(option.name, node, None, _At(settings, faults, Path()))
    return faults


def _variable_node(option: Option, value: str, faults: Faults) -> Node | None:
    """A variable's text as a node without line; texts as they are, others as YAML."""
    if option.form.is_text:
        return Scalar(0, value, value)
    inner = Faults(faults.name)
    try:
        node = parse(value.encode(), inner)
    except UnicodeEncodeError:
        inner.add(None, "not UTF-8")
        node = None
    for fault in inner.found:
        faults.add(None, fault.partition(": ")[2])
    return None if node is None else _unlined(node)


def _unlined(node: Node) -> Node:
    if isinstance(node, Scalar):
        return Scalar(0, node.value, node.text)
    if isinstance(node, Items):
        return Items(0, [_unlined(item) for item in node.items])
    items = {name: _unlined(item) for name, item in node.items.items()}
    return Fields(0, items, dict.fromkeys(items, 0))


def _from_flag(name: str, value: Any, settings: dict[str, _Setting]) -> Faults:
    faults = Faults(f"flag {name}")
    _set(name, _flag_node(value), None, _At(settings, faults, Path()))
    return faults


def _flag_node(value: Any) -> Node:
    """A Python value as a node without line."""
    if isinstance(value, Mapping):
        items = {str(key): _flag_node(item) for key, item in value.items()}
        return Fields(0, items, dict.fromkeys(items, 0))
    if isinstance(value, list | tuple):
        return Items(0, [_flag_node(item) for item in value])
    known: Value = value if isinstance(value, None | bool | int | float | str) else str(value)
    return Scalar(0, known, "" if known is None else str(known))


def _values(settings: dict[str, _Setting]) -> dict[str, Any]:
    """The value of every option; what is wrong goes to the faults of where it comes from."""
    values: dict[str, Any] = {}
    for option in OPTIONS:
        setting = settings.get(option.name)
        if setting is None:
            setting = _Setting(_flag_node(option.default), Faults("default"), Path())
        node, faults, folder = setting
        try:
            value = option.form.read(node)
        except ValueError as error:
            faults.add(node.line or None, f"{option.name}: {error}")
            continue
        if option.name == "sources":
            value = read_sources(value, faults, folder.joinpath)
        elif option.name == "sinks":
            value = read_sinks(value, faults, folder.joinpath)
        elif option.form.is_path:
            value = folder / value if value else None
        values[option.name] = value
    return values


def _config(values: dict[str, Any]) -> Config:
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    plain: dict[str, Any] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        if key:
            sections[section][key] = value
        else:
            plain[name] = value
    return Config(
        **plain,
        watch=WatchConfig(**sections["watch"]),
        trust=TrustConfig(**sections["trust"]),
        detector=DetectorConfig(**sections["detector"]),
        adaptation=AdaptationConfig(**sections["adaptation"]),
        alerts=AlertsConfig(**sections["alerts"]),
        spool=SpoolConfig(**sections["spool"]),
        log=LogConfig(**sections["log"]),
        metrics=MetricsConfig(**sections["metrics"]),
    )
