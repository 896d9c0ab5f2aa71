"""docs/alerts.md, made from the table of fields and one alert."""

from __future__ import annotations

import msgspec
from tests.agent.alerts.scored import Clocks, detections, explain, flow

from metatap.alerts import Aggregator, Alert
from metatap.alerts.ecs import MAX_LINE, ecs_document
from metatap.alerts.ecs_fields import FIELDS, EcsField
from metatap.alerts.folding import MAX_DESTINATIONS

_HEAD = f"""\
<!-- Made by `make docs` from agent/metatap/alerts/ecs_fields.py; edit that. -->
# Alerts
One JSON object a line, in [Elastic Common Schema](https://www.elastic.co/docs/reference/ecs) 9.
What ECS has no name for is under `metatap.`. A line has at most {MAX_LINE // 1024} KiB: longer
texts and lists are cut, and a cut text ends in `…`. What is absent has no key.

## Two events an alert
Hits of one pack from one host to another within one window (300 s of flow time, `alerts.window`)
are one alert. The first hit gives an event `opened` at once. When the window is over and no more
flows are expected, `summary` repeats it with the number of flows, first and last time, the highest
score and the first uids. Both have the same `metatap.alert.id` and each has its own `event.id`;
both ids are the same when the same flows are read again, so a store that keeps one document an
`event.id` holds no duplicates, and no two events have the same one. Flows that come later still
give a further `summary` with a higher `metatap.alert.revision`; if the alert is no longer known by
then, since too many came after it, a further `opened` too. A connection that is reported while it
lives counts once.

## Scans and bursts
A host that reaches for many others would flood the store: of one pack, host and window the first 32
destinations (`alerts.max_pairs`) have an alert each and all further ones share one more. That has
`metatap.alert.destinations`, how many hosts it stands for so far: 1 in `opened`, all in `summary`,
at most {MAX_DESTINATIONS:,}; `metatap.alert.destinations_at_least` is true where there may be more.
Its `destination` and `metatap.flow` are those of its first flow.

Explanations take at most 5 % of the time, beyond half a second saved up for a burst, but one alert
of each pack a minute is explained in any case. The others lack `metatap.reasons` and
`event.reason`; the example they are most like and how unusual they are is said of all.

## Why
`metatap.nearest.flow` is the example of the pack that the flow is most like, under the same names
as `metatap.flow`, so both can be held side by side. `metatap.reasons` is what moved the score
most, `metatap.over` how far it is over the threshold, `metatap.unusual` how many flows of the
background score as high, `metatap.pivot` how to find the flow's lines in Zeek's logs. `metatap
explain` prints all of it: [explain.md](explain.md) says how it is found.

`network.community_id` is the one Zeek logs. The specification differs from Zeek 8.0 where a host
talks to itself, and Zeek's is taken there. A transport that is neither TCP, UDP nor ICMP has none.

## Example
"""


def example_alert() -> Alert:
    """The alert of the page."""
    clocks = Clocks()
    aggregator = Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic)
    row = flow("CHhAvVGS1DHFjwGM9", ssh__auth_attempts=4, ssh__auth_success=False)
    return aggregator.add(detections([row]))[0]


def render() -> str:
    """The text of the page."""
    document = msgspec.json.encode(ecs_document(example_alert()))
    example = msgspec.json.format(document, indent=2).decode()
    ecs = [field for field in FIELDS if not field.is_own]
    own = [field for field in FIELDS if field.is_own]
    return "\n".join(
        [
            f"{_HEAD}```json\n{example}\n```\n",
            "(In a file it stands on one line.)\n",
            "## Fields of ECS",
            *_table(ecs),
            "\n## Fields of our own",
            *_table(own),
            "",
        ]
    )


def _table(fields: list[EcsField]) -> list[str]:
    rows = [
        f"| `{field.name}` | {field.type}{'[]' if field.is_array else ''} "
        f"| {'always' if field.is_always else ''} | {field.doc} |"
        for field in fields
    ]
    return ["| field | type | there | what |", "|---|---|---|---|", *rows]
