"""`metatap alerts`: the alerts of the past, the newest first."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec

from metatap.alerts.sentence import endpoints
from metatap.cli import say
from metatap.cli.console import console, table
from metatap.cli.options import agent_config, config_option, state_folder, state_option
from metatap.flow import Row
from metatap.lists import Network
from metatap.lists.suppression import duration, is_fold
from metatap.lists.values import moment, network
from metatap.offline.printable import printable
from metatap.runtime.logs import configure_logs
from metatap.state.history import MAX_ALERTS, AlertHistory
from metatap.state.history_read import Judged, Newest, Wanted
from metatap.state.stored import Stored

ID = 8
"""Digits of an alert's id that are shown; commands that take an alert need four."""

WIDTH = 140
"""Columns where standard output is no terminal."""

NAMES = ("alert", "raised", "pack", "from → to", "score", "verdict")


def _since(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int:
    if text is None:
        return 0
    try:
        return time.time_ns() - duration(text) * 1_000_000_000
    except ValueError:
        pass
    try:
        return moment(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, or how long ago, such as 24h or 7d") from None


def _network(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Network | None:
    try:
        return None if text is None else network(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("alerts")
@click.option("--pack", default="", metavar="ID", help="Alerts of this pack.")
@click.option(
    "--host",
    metavar="NETWORK",
    callback=_network,
    help="Originator or responder is this address, or in this network (10.0.0.0/8).",
)
@click.option(
    "--since",
    metavar="WHEN",
    callback=_since,
    help="Raised since then: 30m, 24h, 7d ago, or from a day (2026-12-01, UTC) or time on.",
)
@click.option(
    "--verdict",
    "judged",
    type=click.Choice([each.value for each in Judged]),
    help="Judged so by `metatap feedback`; none: not judged.",
)
@click.option(
    "--most",
    type=click.IntRange(1, MAX_ALERTS),
    default=50,
    show_default=True,
    help="Alerts shown, at most.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@state_option
@config_option
def command(
    *,
    pack: str,
    host: Network | None,
    since: int,
    judged: str | None,
    most: int,
    as_json: bool,
    state: Path | None,
    config_path: Path | None,
) -> None:
    """List the alerts the agent has raised, the newest first.

    Each with the first digits of its id, which `metatap explain`, `feedback` and `suppress` take.
    """
    configure_logs("warning", "text")
    config = agent_config(config_path, state=state)
    wanted = Wanted(
        pack, since, None if judged is None else Judged(judged), None if host is None else _of(host)
    )
    with closing(AlertHistory.look(state_folder(config))) as history:
        found = history.newest(wanted)
        if as_json:
            for stored in islice(found, most):
                click.echo(msgspec.json.encode(_object(stored)))
        else:
            _show(found, most)
        has_more = next(found, None) is not None
        if has_more:
            say(f"older ones are left out; --most shows more than {most:,}")
        if found.unreadable:
            say(f"{found.unreadable:,} alerts are left out: their rows are damaged")


def _show(found: Newest, most: int) -> None:
    made = table(NAMES)
    for stored in islice(found, most):
        raised = datetime.fromtimestamp(stored.created // 1_000_000_000, UTC)
        made.add_row(
            stored.id[:ID],
            f"{raised:%Y-%m-%d %H:%M:%SZ}",
            printable(stored.pack),
            printable(endpoints(stored.flow)) + (" and others" if is_fold(stored.document) else ""),
            f"{stored.score:.2f} over {stored.threshold:.2f}",
            "" if stored.judgement is None else stored.judgement.verdict.value,
        )
    if made.row_count:
        console(WIDTH).print(made)
    else:
        say("no such alert")


def _object(stored: Stored) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": stored.id,
        "raised": _iso(stored.created),
        "pack": stored.pack,
        "score": stored.score,
        "threshold": stored.threshold,
        "is_fold": is_fold(stored.document),
        "verdict": Judged.of(stored).value,
        "flow": stored.flow,
    }
    if stored.judgement is not None:
        found |= {"judged": _iso(stored.judgement.at), "note": stored.judgement.note}
    return found


def _iso(at: int) -> str:
    moment = datetime.fromtimestamp(at // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at // 1_000_000 % 1000:03}Z"


def _of(host: Network) -> Callable[[Row], bool]:
    """Whether a flow's originator or responder is in a network."""
    return lambda flow: any(_is_in(flow.get(f"id.{end}_h"), host) for end in ("orig", "resp"))


def _is_in(text: Any, host: Network) -> bool:
    try:
        found = ip_address(text)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found in host
