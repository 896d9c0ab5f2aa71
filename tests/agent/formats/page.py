"""docs/formats.md, made from the formats' tables and one alert."""

from __future__ import annotations

import msgspec
from tests.agent.formats.cases import DOCUMENTS
from tests.agent.formats.page_tables import EVE, NOTICE, OCSF, Row

from metatap.alerts.cutting import CUTS
from metatap.alerts.ecs import MAX_LINE
from metatap.formats import FORMATS, MAX_FORMATTED
from metatap.formats.cef import HEADER_LIMITS
from metatap.formats.cef_keys import KEYS, CefKey
from metatap.formats.eve import GENERATOR
from metatap.formats.ocsf import UNMAPPED
from metatap.packs import Severity

_HEAD = f"""\
<!-- Made by `make docs` from agent/metatap/formats and tests/agent/formats/page_tables.py; edit those. -->
# Formats of alerts
What is stored and spooled is the event in ECS of [alerts.md](alerts.md). A sink may write it in another
language instead, one alert a line:

| `format` | for | source |
|---|---|---|
| `ecs` | Elastic, OpenSearch; the line as it is | [ECS](https://www.elastic.co/docs/reference/ecs) 9 |
| `ocsf` | Amazon Security Lake, Splunk, … | [OCSF](https://schema.ocsf.io/1.8.0/classes/detection_finding) 1.8.0, Detection Finding |
| `cef` | ArcSight, Microsoft Sentinel, QRadar, … | [CEF](https://www.microfocus.com/documentation/arcsight/arcsight-smartconnectors-8.4/pdfdoc/cef-implementation-standard/cef-implementation-standard.pdf), version 0 |
| `eve` | what reads Suricata's alerts | Suricata's [schema](https://github.com/OISF/suricata/blob/main/etc/schema.json) |
| `notice` | what reads Zeek's logs | Zeek's [Notice::Info](https://docs.zeek.org/en/current/scripts/base/frameworks/notice/main.zeek.html#type-Notice::Info) |

All of them are made from that event alone. What it lacks or has under another type is left out. A line
has at most {MAX_FORMATTED // 1024} KiB, an event in ECS {MAX_LINE // 1024} KiB; where one would be longer, texts are cut to
{CUTS[0][0]:,} characters and lists to {CUTS[0][1]} entries, then further, and a cut text ends in `…`.

## Severities
The number of a pack's severity; a sink can have others.

"""  # noqa: E501

_OCSF = """
## ocsf
`opened` gives activity Create; `summary`, and `opened` of an alert that was closed before, give
Update of the same finding: what the finding is stays, what is known of it grows. A sensor never
closes a finding, that is for whoever works on it. Times are ms since the epoch. There is no
`confidence`: a score is no probability. Checked against the schema's own definitions, v1.8.0.

"""

_CEF = f"""
## cef
`CEF:0|metatap|metatap|VERSION|PACK ID|PACK NAME|SEVERITY|EXTENSION`, at most {HEADER_LIMITS["version"]}, {HEADER_LIMITS["id"]:,} and {HEADER_LIMITS["name"]}
characters for version, id and name. In the header `\\` and `|` have a `\\` before them and a line break is
a space. In the extension `\\` and `=` have one and a line break is `\\n` or `\\r`. Other control characters
are spaces. Keys, types and lengths are those of the extension dictionary; lengths are read as
characters. Times are ms since the epoch. Version 0 has `src` and `dst` for IPv4 alone.

"""  # noqa: E501

_EVE = """
## eve
An event of type `alert`. All names but `metatap` are those of Suricata's schema; of an older
Suricata's reader some may be unknown, such as `ip_v`.

"""

_NOTICE = """
## notice
A line of Zeek's `notice.log` in JSON, fields in Zeek's order.

"""


def render() -> str:
    """The text of the page."""
    severities = [
        [
            f"`{name}`",
            *(str(format_.severities[severity]) for severity in Severity),
            f"{format_.lowest} to {format_.highest}",
        ]
        for name, format_ in FORMATS.items()
    ]
    fixed = {
        "{unmapped}": ", ".join(f"`{name}`" for name in UNMAPPED),
        "{gid}": str(GENERATOR),
    }
    return "".join(
        [
            _HEAD,
            _table(["`format`", *Severity, "allowed"], severities),
            _OCSF,
            _fields(OCSF, fixed),
            _example("ocsf"),
            _CEF,
            _table(["key", "type", "length", "label", "what"], [_key(key) for key in KEYS]),
            _example("cef"),
            _EVE,
            _fields(EVE, fixed),
            _example("eve"),
            _NOTICE,
            _fields(NOTICE, fixed),
            _example("notice"),
        ]
    )


def _key(key: CefKey) -> list[str]:
    length = str(key.limit) if key.type == "String" else ""
    return [f"`{key.key}`", key.type, length, key.label, key.doc]


def _fields(rows: tuple[Row, ...], fixed: dict[str, str]) -> str:
    cells = [
        [", ".join(f"`{name}`" for name in names.split(", ")), fixed.get(origin, origin), what]
        for names, origin, what in rows
    ]
    return _table(["field", "from ECS", "what"], cells)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _example(name: str) -> str:
    format_ = FORMATS[name]
    line = format_.encode(DOCUMENTS["opened"])
    if not format_.is_json:
        return f"\n```\n{line.decode()}\n```\n"
    event = msgspec.json.decode(line)
    for own in ("metatap", "unmapped"):
        if own in event:
            event[own] = {"…": "…"}
    example = msgspec.json.format(msgspec.json.encode(event), indent=2).decode()
    return f"\n```json\n{example}\n```\n"
