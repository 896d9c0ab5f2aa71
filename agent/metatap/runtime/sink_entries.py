"""Reading the entries of the list `sinks`."""

from __future__ import annotations

from typing import Any

from metatap.formats import FORMATS
from metatap.runtime.entries import Resolve, each, given, place_of
from metatap.runtime.settings import SinkConfig
from metatap.runtime.sink_options import SINK_OPTIONS, options_of
from metatap.yamlfile import Faults, Items, Scalar, nearest, shown


def read_sinks(node: Items, faults: Faults, resolve: Resolve) -> tuple[SinkConfig, ...]:
    """The sinks; what is wrong with one goes to `faults`."""
    found: list[SinkConfig] = []
    for at, item in each(node, "sinks", faults):
        where = f"sinks[{at}]"
        kind = item.items.get("type")
        if not isinstance(kind, Scalar):
            faults.add(item.line, f"{where}.type: missing, one of {', '.join(SINK_OPTIONS)}")
        elif kind.text not in SINK_OPTIONS:
            hint = nearest(kind.text, SINK_OPTIONS)
            known = ", ".join(SINK_OPTIONS)
            faults.add(kind.line, f"{where}.type: {shown(kind.text)}: must be one of {known}{hint}")
        else:
            options = options_of(kind.text)
            values = given(item, options, where, faults, "type")
            if len(values) == len(options):
                for option in options:
                    if option.form.is_path:
                        path = values[option.name]
                        values[option.name] = resolve(path) if path else None
                for fault in _faults(kind.text, values):
                    faults.add(item.line, f"{where}.{fault}")
                found.append(SinkConfig(kind.text, values, place_of(item, faults)))
    _twice(found, node, faults)
    return tuple(found)


def _faults(kind: str, values: dict[str, Any]) -> list[str]:
    """What is wrong with options that are right one by one."""
    faults: list[str] = []
    try:
        format_ = FORMATS[values["format"]].with_severities(values["severities"])
    except ValueError as error:
        return [f"severities: {error}"]
    if kind == "elasticsearch" and not format_.is_json:
        faults.append(f"format: {format_.name} is not JSON, which Elasticsearch stores")
    if kind == "zeek" and format_.name != "ecs":
        faults.append(f"format: {format_.name}, but Zeek gets its fields from ecs")
    secrets = [name for name in values if name.endswith(("_file", "_variable"))]
    secrets = [name for name in secrets if name != "ca_file" and values[name]]
    if kind == "splunk" and not secrets:
        faults.append("token_file: missing, or token_variable")
    if len(secrets) > 1:
        faults.append(f"{secrets[1]}: there is a secret in {secrets[0]} too")
    by_password = bool(secrets) and secrets[0].startswith("password")
    if kind == "elasticsearch" and by_password != bool(values["user"]):
        faults.append("user: a user and a password belong together")
    if kind == "syslog" and values["transport"] == "tls" and values["framing"] == "newline":
        faults.append("framing: syslog over TLS counts octets (RFC 5425)")
    return faults


def _twice(found: list[SinkConfig], node: Items, faults: Faults) -> None:
    if sum(sink.type == "stdout" for sink in found) > 1:
        faults.add(node.line, "sinks: standard output is listed twice")
    paths = [sink.values["path"] for sink in found if sink.type == "file"]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        faults.add(node.line, f"sinks: {path} is listed twice")
    names = [sink.values["name"] for sink in found if sink.values["name"]]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add(node.line, f"sinks: two are named {shown(name)}")
