"""`metatap feedback`: whether an alert was right, and what its pack should learn from it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.console import console
from metatap.cli.model import learner
from metatap.cli.options import (
    FOLDER,
    agent_config,
    config_option,
    model_option,
    packs_option,
    state_folder,
    state_option,
)
from metatap.detector import make_ready
from metatap.errors import PackError, TeachError
from metatap.features import encode
from metatap.offline.pack_edit import Edited, add_not_like, read_pack_file
from metatap.offline.past import examples_of
from metatap.offline.printable import printable
from metatap.offline.teach import draft_pack
from metatap.packs import Pack, load_folder
from metatap.packs.signature import signature_path
from metatap.runtime.logs import configure_logs
from metatap.runtime.settings import Config
from metatap.runtime.shipped import shipped_packs
from metatap.state.history import AlertHistory
from metatap.state.stored import Judgement, Stored, Verdict


@click.command("feedback")
@click.argument("alert")
@click.option(
    "--verdict",
    required=True,
    type=click.Choice([verdict.value for verdict in Verdict]),
    help="Whether the alert was right.",
)
@click.option("--note", default="", help="A remark, kept with the verdict.")
@click.option("--apply", "is_applied", is_flag=True, help="Write the flow into the pack.")
@click.option("--into", type=FOLDER, help="Copy the pack into this folder and write it there.")
@click.option("--anyway", is_flag=True, help="Write a pack that the agent would refuse.")
@state_option
@packs_option
@model_option
@config_option
def command(
    *,
    alert: str,
    verdict: str,
    note: str,
    is_applied: bool,
    into: Path | None,
    anyway: bool,
    state: Path | None,
    packs: Path | None,
    model: Path | None,
    config_path: Path | None,
) -> None:
    """Keep what a person made of ALERT, an alert's id or its first digits.

    The flow of a false alert can become a counter-example of its pack: with --apply it is written
    into the pack's file, in one step; without, the command that does so is shown.
    """
    if verdict == Verdict.TRUE.value and (is_applied or into is not None):
        raise click.UsageError("--apply and --into are for false alerts.")
    configure_logs("warning", "text")
    config = agent_config(config_path, state=state, packs=packs, model=model)
    history = AlertHistory.look(state_folder(config))
    try:
        stored = history.find(alert)
        history.judge(stored.id, Judgement(Verdict(verdict), time.time_ns(), note))
    finally:
        history.close()
    _print(f"alert {stored.id} of pack {stored.pack}: judged {verdict}")
    if verdict == Verdict.TRUE.value:
        return
    if is_applied or into is not None:
        if not _write(config, stored, into, anyway=anyway):
            sys.exit(1)
        return
    words = [word for word in sys.argv[1:] if word != "--apply"]
    _print("its flow can become a counter-example of the pack:")
    _print(f"    metatap {shlex.join([*words, '--apply'])}")


def _write(config: Config, stored: Stored, into: Path | None, *, anyway: bool) -> bool:
    """Write the pack with the alert's flow as counter-example; whether that was done."""
    source = _pack_path(config, stored)
    out = source if into is None else into / source.name
    if into is None:
        _check_writable(source)
    elif not into.is_dir():
        raise TeachError(f"{into}: no such folder")
    elif out.exists():
        source = out
    pack, text = read_pack_file(source)
    if pack.id != stored.pack:
        raise TeachError(f"{source}: is pack {pack.id}, the alert is of pack {stored.pack}")
    if pack.sha256 != stored.pack_sha256:
        say(f"{source}: has changed since the alert")
    example = examples_of([stored])
    edited = add_not_like(pack, text, example)
    model = learner(config)
    rate = config.detector.false_positive_rate
    with draft_pack(edited.pack, out, edited.text) as draft:
        ready = make_ready(model, draft.pack, rate)
        is_written = ready.is_useful or anyway
        if is_written:
            draft.keep()
    if not is_written:
        say(
            f"{out}: not written: with this counter-example the pack {ready.reason} (on the "
            "model's own background); --anyway writes it all the same"
        )
        return False
    _say_written(out, edited, pack)
    features = model.select(encode(example.flows, example.context))
    score = float(model.score(features, model.stack([ready.head]))[0][0, 0])
    under = "under" if score < ready.threshold else "still over"
    _print(
        f"the flow scored {stored.score:.2f} over {stored.threshold:.2f}; with the "
        f"counter-example it scores {score:.2f}, {under} the threshold "
        f"{ready.threshold:.2f} of the model's own background"
    )
    return True


def _pack_path(config: Config, stored: Stored) -> Path:
    """The file of the alert's pack.

    Raises:
        PackError: it is not in the folder.
    """
    folder = config.packs or shipped_packs()
    found, errors = load_folder(folder)
    for pack in found:
        if pack.id == stored.pack:
            return pack.path
    raise PackError(f"{folder}: has no pack {stored.pack}", *(str(error) for error in errors))


def _check_writable(path: Path) -> None:
    """Check that a pack may be changed where it is.

    Raises:
        TeachError: it came with the agent, or its file can't be written.
    """
    is_shipped = path.resolve().parent == shipped_packs().resolve()
    if is_shipped or not os.access(path.parent, os.W_OK):
        why = "comes with the agent" if is_shipped else "its folder can't be written"
        raise TeachError(
            f"{path}: {why}, so it is not changed; --into FOLDER copies it into a folder of yours "
            "(the agent's `packs`) and changes the copy"
        )


def _say_written(out: Path, edited: Edited, pack: Pack) -> None:
    counter = 0 if edited.pack.not_like is None else edited.pack.not_like.rows
    _print(f"{out}: {counter} counter-example{'' if counter == 1 else 's'}")
    if not edited.is_kept:
        say(f"{out}: written anew, without the comments it had")
    if signature_path(out).exists() or signature_path(pack.path).exists():
        say(f"{out}: a signature of it holds no more; `metatap packs sign` makes a new one")


def _print(text: str) -> None:
    console().print(printable(text), soft_wrap=True)
