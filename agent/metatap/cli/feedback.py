"""`metatap feedback`: whether alerts were right, and what their pack should learn from it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.console import console
from metatap.cli.counter import Change, check_writable, plan, remedies, weigh, write
from metatap.cli.options import (
    FOLDER,
    agent_config,
    config_option,
    model_option,
    packs_option,
    state_folder,
    state_option,
)
from metatap.errors import MetatapError, TeachError
from metatap.offline.printable import printable
from metatap.packs.flows import MAX_FLOWS
from metatap.runtime.logs import configure_logs
from metatap.runtime.settings import Config
from metatap.state.history import AlertHistory
from metatap.state.stored import Judgement, Stored, Verdict


@click.command("feedback")
@click.argument("names", metavar="ALERT...", nargs=-1, required=True)
@click.option(
    "--verdict",
    required=True,
    type=click.Choice([verdict.value for verdict in Verdict]),
    help="Whether the alerts were right.",
)
@click.option("--note", default="", help="A remark, kept with the verdict.")
@click.option(
    "--check",
    "texts",
    metavar="SOURCE",
    multiple=True,
    help="A recording or logs: what the pack flags of it, before and after; repeatable.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Write the flows into the pack.")
@click.option("--into", type=FOLDER, help="Copy the pack into this folder and write it there.")
@click.option("--anyway", is_flag=True, help="Write it whatever it costs.")
@state_option
@packs_option
@model_option
@config_option
def command(
    *,
    names: tuple[str, ...],
    verdict: str,
    note: str,
    texts: tuple[str, ...],
    is_applied: bool,
    into: Path | None,
    anyway: bool,
    state: Path | None,
    packs: Path | None,
    model: Path | None,
    config_path: Path | None,
) -> None:
    """Keep what a person made of each ALERT, an alert's id or its first digits.

    The flows of false alerts of one pack can become its counter-examples. What that would cost is
    shown: the pack's own flows and all its alerts of the past, scored before and after. With
    --apply they are written into the pack's file, in one step, unless the pack would lose an alert
    judged true, all that nobody judged where none judged true stays, or its own flows.
    """
    is_asked = is_applied or into is not None
    if verdict == Verdict.TRUE.value and (is_asked or texts):
        raise click.UsageError("--apply, --into and --check are for false alerts.")
    configure_logs("warning", "text")
    config = agent_config(config_path, state=state, packs=packs, model=model)
    with closing(AlertHistory.look(state_folder(config))) as history:
        alerts = _found(history, names, is_one_pack=is_asked)
        for alert in alerts:
            history.judge(alert.id, Judgement(Verdict(verdict), time.time_ns(), note))
            _print(f"alert {alert.id} of pack {alert.pack}: judged {verdict}")
        if verdict == Verdict.TRUE.value:
            return
        if is_asked:
            if not _apply(config, alerts, history, into, texts, anyway=anyway):
                sys.exit(1)
            return
        if len({alert.pack for alert in alerts}) > 1:
            _print("counter-examples are of one pack: name its alerts alone")
            return
        try:
            _offer(config, alerts, history, texts)
        except MetatapError as error:
            say(f"no counter-example can be made of it: {error}")


def _found(history: AlertHistory, names: Sequence[str], *, is_one_pack: bool) -> list[Stored]:
    """The alerts that are meant, each once.

    Raises:
        StateError: there is no such alert, or there are several.
        TeachError: they are of several packs, or too many.
    """
    found = {alert.id: alert for alert in map(history.find, names)}
    packs = sorted({alert.pack for alert in found.values()})
    if is_one_pack and len(packs) > 1:
        raise TeachError(f"alerts of several packs, {', '.join(packs)}: one pack at a time")
    if len(found) > MAX_FLOWS:
        raise TeachError(f"{len(found)} alerts, a pack takes {MAX_FLOWS} counter-examples")
    return [*found.values()]


def _apply(
    config: Config,
    alerts: Sequence[Stored],
    history: AlertHistory,
    into: Path | None,
    texts: Sequence[str],
    *,
    anyway: bool,
) -> bool:
    """Write the pack with the alerts' flows as counter-examples; whether that was done."""
    change = plan(config, alerts, into)
    if into is None:
        check_writable(change.out)
    refusal = weigh(config, change, history, texts).refusal()
    if refusal and not anyway:
        say(f"{change.out}: not written: {refusal}")
        _help(change, alerts, texts, "--anyway")
        return False
    if refusal:
        say(f"written all the same: {refusal}")
    write(change)
    return True


def _offer(
    config: Config, alerts: Sequence[Stored], history: AlertHistory, texts: Sequence[str]
) -> None:
    """Show what the alerts' flows would change, and the command that writes them."""
    change = plan(config, alerts, None)
    refusal = weigh(config, change, history, texts).refusal()
    if refusal:
        say(f"it would not be written: {refusal}")
        _help(change, alerts, texts, "--apply --anyway")
        return
    words = [word for word in sys.argv[1:] if word != "--apply"]
    _print(
        "its flow can become a counter-example of the pack:"
        if change.is_one
        else "their flows can become counter-examples of the pack:"
    )
    _print(f"    metatap {shlex.join([*words, '--apply'])}")


def _help(change: Change, alerts: Sequence[Stored], texts: Sequence[str], options: str) -> None:
    """Say what may help where counter-examples cost too much."""
    say("What may help:")
    for remedy in remedies(change, alerts, texts):
        say(f"- {remedy}")
    say(f"- {options} writes it all the same")


def _print(text: str) -> None:
    console().print(printable(text), soft_wrap=True)
