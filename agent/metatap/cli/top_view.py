"""The screen of `metatap top`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table

from metatap.cli.console import table
from metatap.cli.top_figures import LATENCIES, Figures, Place, latency

SHARES = (0.5, 0.99)

NONE = "–"


def view(now: Figures, before: Figures | None) -> RenderableType:
    """All of it.

    Args:
        now: The last look.
        before: The one before; None: rates are means since the start.
    """
    seconds = now.time - (now.since if before is None else before.time)
    parts: list[RenderableType] = [*_head(now, before, seconds), _stages(now, before, seconds)]
    if now.sinks:
        parts.append(_sinks(now, before, seconds))
    parts.append(_latencies(now, before))
    for shard, error in now.shards.items():
        if error:
            parts.append(f"shard {shard}: {error}")
    return Group(*parts)


def _head(now: Figures, before: Figures | None, seconds: float) -> list[str]:
    at = datetime.fromtimestamp(now.time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    running = sum(not error for error in now.shards.values())
    shards = f", {running} of {len(now.shards)} shards" if now.shards else ""
    packs = ", ".join(f"{count} {state}" for state, count in sorted(now.packs.items()))
    since = "since the start" if before is None else f"over {seconds:.1f} s"
    busy = now.busy - (0.0 if before is None else before.busy)
    load = f"{100 * busy / seconds:.0f} % of a core" if seconds > 0 and busy >= 0 else NONE
    budget, realised = now.rates
    wanted = f"{budget:g} wanted" if budget else "no budget"
    flows = _rate(now.flows, 0 if before is None else before.flows, seconds)
    alerts = _rate(now.alerts, 0 if before is None else before.alerts, seconds)
    return [
        f"metatap on {now.sensor} at {at}{shards}, model {now.model or NONE}",
        f"packs: {packs or 'none'}; alerts a day: {realised:.1f} ({wanted}); rates {since}",
        f"{now.flows:,} flows ({flows}/s), {now.alerts:,} alert events ({alerts}/s), busy: {load}",
        "",
    ]


def _stages(now: Figures, before: Figures | None, seconds: float) -> Table:
    columns = ("stage", "received", "in/s", "passed", "dropped", "by reason")
    made = table(columns, right=columns[1:5])
    for name, place in now.stages.items():
        earlier = _earlier({} if before is None else before.stages, name)
        made.add_row(
            name,
            f"{place.received:,}",
            _rate(place.received, earlier.received, seconds),
            f"{place.passed:,}",
            f"{sum(place.dropped.values()):,}",
            _reasons(place.dropped),
        )
    return made


def _sinks(now: Figures, before: Figures | None, seconds: float) -> Table:
    columns = ("sink", "delivered", "out/s", "waiting", "oldest", "dropped", "failed tries")
    made = table(columns, right=columns[1:5])
    for name, place in now.sinks.items():
        earlier = _earlier({} if before is None else before.sinks, name)
        made.add_row(
            name,
            f"{place.passed:,}",
            _rate(place.passed, earlier.passed, seconds),
            f"{place.waiting:,}",
            f"{place.oldest_s:.1f} s",
            _reasons(place.dropped),
            _reasons(place.errors),
        )
    return made


def _latencies(now: Figures, before: Figures | None) -> Table:
    made = table(("time", "half within", "99 % within"), right=("half within", "99 % within"))
    for name, words in LATENCIES.items():
        found = latency(now, before, name, SHARES)
        most = now.latency[name][0][-1] if name in now.latency else 0.0
        said = [_time(value, most) for value in found or ()]
        made.add_row(words, *(said or [NONE] * len(SHARES)))
    return made


def _earlier(places: Mapping[str, Place], name: str) -> Place:
    """What was counted before; nothing of a place that was not there."""
    return places.get(name, Place())


def _rate(value: int, before: int, seconds: float) -> str:
    """Units a second; `NONE` where no time passed or a process was started again."""
    units = value - before
    return f"{units / seconds:,.1f}" if seconds > 0 and units >= 0 else NONE


def _reasons(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{units:,} {reason}" for reason, units in most if units) or "none"


def _time(seconds: float, most: float) -> str:
    """A time; what reaches the last bound, `most` s, may be any longer one."""
    if seconds >= most:
        return f"over {most:,g} s"
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:,.1f} s"
