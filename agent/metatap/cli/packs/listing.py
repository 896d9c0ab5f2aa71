"""`metatap packs list`: the packs of a folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from metatap.cli.console import console, table
from metatap.cli.model import learner
from metatap.cli.options import FOLDER, model_option, rate_option
from metatap.cli.packs.shared import keys_option, trust_of
from metatap.cli.stored import configuration
from metatap.detector import RuleSet
from metatap.offline.printable import printable
from metatap.packs import Folder, PackState, PackStatus, Unsigned, read_folder
from metatap.runtime.build import shipped_packs
from metatap.runtime.logs import configure_logs


@click.command("list")
@click.argument("folder", type=FOLDER, required=False)
@click.option("--state", is_flag=True, help="Make them ready and say which would be in force.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a pack.")
@keys_option
@click.option(
    "--unsigned",
    type=click.Choice([each.value for each in Unsigned]),
    help="What is done with packs no trusted key has signed, instead of what is configured.",
)
@model_option
@rate_option
def command(
    *,
    folder: Path | None,
    state: bool,
    as_json: bool,
    keys: Path | None,
    unsigned: str | None,
    model: Path | None,
    rate: float | None,
) -> None:
    """List the packs of FOLDER, by default of the configured one.

    Files that are no pack, or not trusted, are listed with what is wrong with them.
    """
    configure_logs("error", "text")
    config = configuration(model, folder, rate)
    trust = None if config.packs is None else trust_of(config, keys, unsigned)
    found = read_folder(config.packs or shipped_packs(), trust)
    states = [*found.quarantined, *(PackStatus.of(pack, PackState.LOADING) for pack in found.packs)]
    if state:
        wanted = config.detector.false_positive_rate
        rules = RuleSet.build(learner(config), found.packs, wanted, quarantined=found.quarantined)
        states = list(rules.states)
    states.sort(key=lambda status: (status.id, str(status.path)))
    if as_json:
        for status in states:
            click.echo(json.dumps(status.as_json()))
        return
    _print(states, found, ready=state)


def _print(states: list[PackStatus], found: Folder, *, ready: bool) -> None:
    about = {pack.path: pack for pack in found.packs}
    names = ["id", "file", "severity", "flows", "not like", "signed by", "state"]
    names += ["threshold", "held out"] if ready else []
    made = table(names, ("flows", "not like", "threshold", "held out"))
    for status in states:
        pack = about.get(status.path)
        counter = 0 if pack is None else status.not_like
        bad = status.state is PackState.QUARANTINED
        cells = [
            printable(status.id),
            "" if status.path.stem == status.id else printable(status.path.name),
            "" if pack is None else pack.severity.value,
            str(status.support or ""),
            str(counter or ""),
            status.signed_by,
            status.state.value if bad or ready else "",
        ]
        if ready:
            known = status.threshold is not None
            cells += [
                f"{status.threshold:.2f}" if known else "",
                f"{status.recognised} of {status.support}" if known else "",
            ]
        made.add_row(*cells)
    out = console()
    out.print(made)
    for status in states:
        if status.reason:
            why = f"{status.fault}: {printable(status.reason)}"
            out.print(f"{printable(status.id)}: {why}", soft_wrap=True)
    in_force = sum(status.state is PackState.ACTIVE for status in states)
    refused = sum(status.state is PackState.QUARANTINED for status in states)
    good = f"{in_force} would be in force" if ready else f"{len(states) - refused} read"
    out.print(f"{len(states)} packs, {good}, {refused} quarantined", soft_wrap=True)
