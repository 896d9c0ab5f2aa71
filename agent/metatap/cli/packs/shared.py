"""What the subcommands of `metatap packs` share: options, trust and work on several files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.options import FOLDER
from metatap.errors import PackError
from metatap.packs import Trust, Unsigned
from metatap.runtime.settings import Config

keys_option = click.option(
    "--keys",
    type=FOLDER,
    help="Folder of trusted public keys, *.pub, instead of the configured one.",
)


def trust_of(config: Config, keys: Path | None, unsigned: str | None = None) -> Trust:
    """The configured policy, or what the options say; a file that is no key is told."""
    policy = Unsigned(config.trust.unsigned if unsigned is None else unsigned)
    trust, errors = Trust.load(policy, config.trust.keys if keys is None else keys)
    for error in errors:
        say(str(error))
    return trust


def for_each(paths: Sequence[Path], work: Callable[[Path], str]) -> None:
    """Do the same with several packs and print what came of each; status 1 if one was refused.

    Args:
        paths: Files of packs.
        work: What is done with one; gives a line, or raises PackError.
    """
    is_whole = True
    for path in paths:
        try:
            click.echo(work(path))
        except PackError as error:
            say(str(error))
            is_whole = False
    if not is_whole:
        sys.exit(1)
