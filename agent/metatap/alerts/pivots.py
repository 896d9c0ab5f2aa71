"""From an alert to its lines in Zeek's logs: filters that can be pasted.

A value of a flow comes from the network. It gets into a command only where it is a plain word of
letters and digits or an address, so that no shell reads anything else out of it.
"""

from __future__ import annotations

import re

from metatap.flow import Row
from metatap.flow.schema import Group

_PLAIN_UID = re.compile(r"[A-Za-z0-9]{1,64}")

_FIVE = ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto")


def pivots(flow: Row) -> dict[str, str]:
    """Ways from a flow, under Zeek's field names, to its lines in the logs.

    Returns:
        `filter`, an expression of the query language (docs/explain.md); `jq`, a command for JSON
        logs; `zeek_cut`, one for TSV logs. Without a plain uid they go by addresses, ports and
        transport, without `zeek_cut`; empty where those are not known either.
    """
    uid = str(flow.get("uid", ""))
    logs = " ".join(_logs(flow))
    if _PLAIN_UID.fullmatch(uid):
        return {
            "filter": f'uid == "{uid}"',
            "jq": f"jq -c 'select(.uid == \"{uid}\")' {logs}",
            "zeek_cut": f"awk -F'\\t' '/^#/ || $2 == \"{uid}\"' conn.log | zeek-cut -d",
        }
    if any(flow.get(name) is None for name in _FIVE):
        return {}
    orig, resp, proto = (flow[name] for name in ("id.orig_h", "id.resp_h", "proto"))
    ports = (flow["id.orig_p"], flow["id.resp_p"])
    return {
        "filter": f"id.orig_h == {orig} and id.orig_p == {ports[0]} and id.resp_h == {resp} "
        f'and id.resp_p == {ports[1]} and proto == "{proto}"',
        "jq": f'jq -c \'select(."id.orig_h" == "{orig}" and ."id.orig_p" == {ports[0]} '
        f'and ."id.resp_h" == "{resp}" and ."id.resp_p" == {ports[1]})\' conn.log',
    }


def _logs(flow: Row) -> list[str]:
    """The logs that have a line of it: conn.log, and those its summaries came from."""
    groups = [group for group in Group if group is not Group.CONN]
    return ["conn.log"] + [
        f"{group}.log" for group in groups if any(name.startswith(f"{group}.") for name in flow)
    ]
