"""`metatap suppress`: a rule that keeps alerts like a given one quiet."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.options import (
    FOLDER,
    agent_config,
    alert_file_option,
    config_option,
    state_option,
)
from metatap.errors import ConfigError
from metatap.lists import ListRule, append_rule, load_lists, rule_text
from metatap.lists.suppression import FILE, Scope, duration, is_fold, make_rule
from metatap.offline.past import find_alert
from metatap.offline.quiet import quiet_of
from metatap.runtime.logs import configure_logs
from metatap.state.history import AlertHistory
from metatap.state.history_read import Wanted

_NAMED = 5


def _seconds(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    try:
        return None if text is None else duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("suppress")
@click.argument("alert")
@click.option("--reason", required=True, help="Why, for those who read the list.")
@click.option(
    "--for",
    "seconds",
    callback=_seconds,
    help="How long: 30m, 12h, 7d, 2w. Without it the rule stays until it is removed.",
)
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    help="Quiet are alerts of the same pack with the same pair of hosts (the default; of an alert "
    "on many destinations: originator), originator, responder or name; or all of the pack.",
)
@click.option("--domain", default="", help="Name or *.name instead of the alert's own name.")
@click.option("--author", default="", help="Who says so.")
@click.option("--dry-run", is_flag=True, help="Print the rule and write nothing.")
@click.option("--anyway", is_flag=True, help="Write it though it matches alerts judged true.")
@click.option("--lists", type=FOLDER, help="Folder of lists instead of the configured one.")
@state_option
@alert_file_option
@config_option
def command(
    *,
    alert: str,
    reason: str,
    seconds: int | None,
    scope: str | None,
    domain: str,
    author: str,
    dry_run: bool,
    anyway: bool,
    lists: Path | None,
    state: Path | None,
    alert_file: Path | None,
    config_path: Path | None,
) -> None:
    """Keep alerts like ALERT, an alert's id or its first digits, quiet.

    The rule is added to suppressions.yaml in the folder of lists; a running agent takes it at once.
    What it would have kept quiet of the past alerts is said first; one that matches an alert judged
    true is not written without --anyway.
    """
    if domain and scope not in {None, Scope.DOMAIN}:
        raise click.UsageError("--domain goes with --scope domain.")
    configure_logs("warning", "text")
    config = agent_config(config_path, state=state, lists=lists)
    stored = find_alert(alert, None if alert_file else config.state, alert_file)
    default = Scope.ORIG if is_fold(stored.document) else Scope.PAIR
    chosen = Scope.DOMAIN if domain else Scope(scope or default)
    folder = config.lists
    if folder is None and not dry_run:
        raise ConfigError(
            "no lists: name the agent's folder with --lists, or `lists` in its configuration"
        )
    taken: set[str] = set()
    if folder is not None and folder.is_dir():
        found, errors = load_lists(folder)
        taken = {rule.id for rule in found.rules}
        for error in errors:
            say(str(error))
    rule = make_rule(
        stored.id,
        stored.pack,
        stored.flow,
        chosen,
        reason=reason,
        now=time.time_ns(),
        seconds=seconds,
        domain=domain,
        author=author,
        taken=taken,
    )
    refusal = "" if config.state is None or alert_file else _tell(rule, config.state)
    if refusal:
        say(refusal)
    if folder is None or dry_run:
        click.echo(rule_text(rule), nl=False)
        return
    if refusal and not anyway:
        say(f"{folder / FILE}: not written; a narrower --scope may spare them, --anyway writes it")
        sys.exit(1)
    click.echo(append_rule(folder / FILE, rule), nl=False)
    say(f"added to {folder / FILE}" + ("" if seconds else "; it never expires"))


def _tell(rule: ListRule, state: Path) -> str:
    """Say what the rule would have kept quiet; why it should not be written, "" if it may be.

    Raises:
        StateError: the history can't be read.
    """
    with closing(AlertHistory.look(state)) as history:
        past = history.newest(Wanted())
        found = quiet_of(rule, past)
    say(f"it would have kept quiet {found.matching:,} of the last {found.known:,} alerts")
    if left_out := past.unreadable + found.unreadable:
        say(f"{left_out:,} alerts are not among these: their rows are damaged")
    if not found.true:
        return ""
    more = " …" if len(found.true) > _NAMED else ""
    names = ", ".join(name[:8] for name in found.true[:_NAMED]) + more
    return f"{len(found.true)} of them were judged true: {names}"
