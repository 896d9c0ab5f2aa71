"""An alert in one sentence."""

from __future__ import annotations

from metatap.alerts.alert import Alert, AlertKind
from metatap.flow import Row

MAX_REASONS = 3
"""Reasons in the sentence, at most."""


def sentence(alert: Alert) -> str:
    """What, who and why, for a person who sees nothing else."""
    parts = [f"{alert.rule.name}: {endpoints(alert.flow)}", _more(alert)]
    if alert.kind is AlertKind.SUMMARY:
        seconds = (alert.last - alert.first) / 1e9
        flows = "1 flow" if alert.count == 1 else f"{alert.count:,} flows"
        parts.append(f", {flows} in {_span(seconds)}")
    nearest = alert.explanation
    if nearest.nearest_index >= 0:
        example = nearest.nearest_uid or f"number {nearest.nearest_index}"
        parts.append(f"; most like example {example} of pack {alert.rule.id}")
    parts.append(f"; score {alert.max_score:.2f} over threshold {alert.threshold:.2f}")
    if nearest.unusual is not None:
        parts.append(f"; {nearest.unusual.text}")
    reason = why(alert)
    if reason:
        parts.append(f"; {reason}")
    return "".join(parts) + "."


def why(alert: Alert) -> str:
    """The features that moved the score most, "" where they are not known."""
    return ", ".join(reason.text for reason in alert.explanation.reasons[:MAX_REASONS])


def endpoints(flow: Row) -> str:
    """`10.0.0.1 → 10.0.0.2:22 (ssh)`."""
    proto = flow.get("proto", "")
    orig, resp = flow.get("id.orig_h", "unknown"), flow.get("id.resp_h", "unknown")
    port = flow.get("id.resp_p")
    if port is not None and proto in ("tcp", "udp"):
        resp = f"[{resp}]:{port}" if ":" in resp else f"{resp}:{port}"
    what = flow.get("service") or ("" if proto == "unknown_transport" else proto)
    return f"{orig} → {resp}" + (f" ({what})" if what else "")


def _more(alert: Alert) -> str:
    """The further hosts that a fold stands for."""
    if not alert.is_fold:
        return ""
    if alert.kind is AlertKind.OPENED:
        return ", one of many hosts"
    more = alert.destinations - 1
    number = f"at least {more:,}" if alert.at_least else f"{more:,}"
    return f" and {number} more host{'' if more == 1 else 's'}"


def _span(seconds: float) -> str:
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"
