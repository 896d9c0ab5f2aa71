"""`metatap status`: what a running agent does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from metatap.cli.options import config_option, running, state_option
from metatap.runtime.control import ask

DIGITS = 8
"""Digits of a pack's digest that are shown."""


@click.command("status")
@config_option
@state_option
@click.option("--json", "as_json", is_flag=True, help="The whole document, as JSON.")
def command(config_path: Path | None, state: Path | None, *, as_json: bool) -> None:
    """Show what a running agent does: model, packs, lists, sources, counters, faults."""
    document = ask(running(config_path, state), "status")
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    for line in shard_lines(document) if "shards" in document else lines(document):
        click.echo(line)


def shard_lines(document: dict[str, Any]) -> Iterator[str]:
    """The document of several processes for people: each in a line, then one of them in full."""
    parts = document["shards"]
    there = [part for part in parts if "error" not in part]
    yield (
        f"metatap {document['version']} on {document['sensor']}, process {document['pid']}, "
        f"since {_time(document['since'])}, {len(there)} of {len(parts)} shards running, "
        f"{document['restarts']} restarts"
    )
    flows, alerts = (sum(part[name] for part in there) for name in ("flows", "alerts"))
    yield f"{flows:,} flows scored, {alerts:,} alert events written"
    for part in parts:
        if "error" in part:
            yield f"shard {part['shard']}: {part['error']}"
            continue
        yield (
            f"shard {part['shard']}: process {part['pid']}, {part['flows']:,} flows, "
            f"{part['alerts']:,} alert events, dropped: {_all_dropped(part)}"
        )
    if there:
        yield ""
        yield f"Shard {there[0]['shard']} in full (--json: all)"
        yield from lines(there[0])


def lines(document: dict[str, Any]) -> Iterator[str]:
    """The document for people."""
    yield (
        f"metatap {document['version']} on {document['sensor']}, process {document['pid']}, "
        f"since {_time(document['since'])}"
    )
    yield f"{document['flows']:,} flows scored, {document['alerts']:,} alert events written"
    model = document["model"]
    yield f"model {model['name']} {model['version']}, sha256 {model['sha256'][:12]}"
    yield f"  {model['path']}, since {_time(model['since'])}"
    if model["rolled_back"]:
        yield "  by rollback: stays until a new model file arrives"
    yield from _packs(document)
    yield from _lists(document["lists"])
    yield from _adaptation(document["adaptation"])
    yield from _reload(document)
    yield from _stages(document["stages"])
    yield from _spool(document["spool"])
    yield from _sinks(document["sinks"])
    for dropped in (document["state"] or {}).get("dropped", []):
        yield f"state dropped: {dropped}"


def _packs(document: dict[str, Any]) -> Iterator[str]:
    packs = document["packs"]
    states = [pack["state"] for pack in packs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    yield f"packs: {counts or 'none'} (thresholds: {document['thresholds']})"
    for pack in packs:
        threshold = "" if pack["threshold"] is None else f", threshold {pack['threshold']:.2f}"
        signed = f", signed by {pack['signed_by']}" if pack["signed_by"] else ""
        reason = f": {pack['reason']}" if pack["reason"] else ""
        yield f"  {pack['id']}: {pack['state']}{threshold}{_examples(pack)}{signed}{reason}"


def _examples(pack: dict[str, Any]) -> str:
    """How many flows a pack has, and which file it is of; of a class of a classifier nothing."""
    if not pack["support"]:
        return ""
    flows = _counted(pack["support"], "flow")
    counter = _counted(pack["not_like"], "counter-example")
    digest = f", sha256 {pack['sha256'][:DIGITS]}" if pack["sha256"] else ""
    return f", {flows}, {counter}{digest}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _lists(lists: dict[str, Any]) -> Iterator[str]:
    yield (
        f"lists: {lists['rules']:,} rules in {len(lists['files'])} files, "
        f"{lists['expired_count']} expired, {lists['suppressed']:,} hits suppressed"
    )
    for rule in lists["by_rule"]:
        if rule["hits"] or rule["aggregates"]:
            yield f"  {rule['id']}: {rule['hits']:,} hits, {rule['reason']}"


def _adaptation(known: dict[str, Any] | None) -> Iterator[str]:
    if known is None:
        return
    if known["fault"] or "background" not in known:
        yield f"adaptation: ended: {known['fault'] or 'by a fault, see the log'}"
        return
    ground, alerts = known["background"], known["alerts_a_day"]
    expected = "no budget" if alerts["expected"] is None else f"{alerts['expected']} expected"
    yield (
        f"adaptation: {ground['flows']:,} flows of {ground['hosts']:,} hosts, heads: "
        f"{known['heads']}, drift: {known['drift']}, alerts a day: {alerts['realised']} "
        f"({expected})"
    )


def _reload(document: dict[str, Any]) -> Iterator[str]:
    reload = document["reload"]
    failed = ", ".join(f"{count} {kind}" for kind, count in reload["failed"].items()) or "none"
    yield f"changes: {reload['swaps']} taken, {reload['rollbacks']} rollbacks, faults: {failed}"
    for fault in document["faults"]:
        yield f"  {fault['kind']}, since {_time(fault['since'])}: {_first(fault['reason'])}"
    last = reload["last_fault"]
    if last is not None and not document["faults"]:
        what = f"{last['kind']}, {_time(last['since'])}: {_first(last['reason'])}"
        yield f"  last, mended since: {what}"


def _stages(stages: dict[str, Any]) -> Iterator[str]:
    for name, counts in stages.items():
        yield f"{name}: {counts['received']:,} received, dropped: {_reasons(counts['dropped'])}"


def _all_dropped(part: dict[str, Any]) -> str:
    """What all stages and sinks of a process dropped, by reason."""
    total: Counter[str] = Counter()
    for counts in (*part["stages"].values(), *part["sinks"]):
        total.update(counts["dropped"])
    return _reasons(total)


def _spool(spool: dict[str, Any] | None) -> Iterator[str]:
    if spool is None:
        return
    failing = f", can't be written: {spool['failing']}" if spool["failing"] else ""
    held = f", {spool['in_memory']:,} of them in memory alone" if spool["in_memory"] else ""
    blocked = ", the pipeline waits for room" if spool["blocked"] else ""
    yield (
        f"spool: {spool['depth']:,} alerts wait{held}, the oldest for {spool['oldest_s']:,.1f} s, "
        f"{spool['bytes'] / 2**20:,.1f} MiB{failing}{blocked}"
    )
    for name, alerts in spool["forgotten"].items():
        yield f"  {name}: no longer configured, {alerts:,} alerts that waited for it given up"
    for dropped in spool["set_aside"]:
        yield f"  set aside: {dropped}"


def _sinks(sinks: list[dict[str, Any]]) -> Iterator[str]:
    for sink in sinks:
        waits = f", the oldest for {sink['oldest_s']:,.1f} s" if sink["waiting"] else ""
        again = f", {sink['resent']:,} sent again" if sink["resent"] else ""
        yield (
            f"{sink['name']}: {sink['received']:,} received, {sink['passed']:,} delivered, "
            f"{sink['waiting']:,} waiting{waits}, {sink['filtered']:,} filtered, "
            f"dropped: {_reasons(sink['dropped'])}, failed tries: {_reasons(sink['errors'])}{again}"
        )


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{units:,} {why}" for why, units in counts.items()) or "none"


def _first(reason: str) -> str:
    """The first of several faults, and how many there are."""
    first, *others = reason.splitlines() or [""]
    return f"{first} (and {len(others)} more)" if others else first


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
