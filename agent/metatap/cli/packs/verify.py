"""`metatap packs verify`: whether packs are signed by a trusted key."""

from __future__ import annotations

from pathlib import Path

import click

from metatap.cli.options import FILE
from metatap.cli.packs.shared import for_each, keys_option, trust_of
from metatap.cli.stored import configuration
from metatap.packs.load import read_content
from metatap.packs.trust import Unsigned


@click.command("verify")
@keys_option
@click.argument("paths", metavar="PACK...", type=FILE, nargs=-1, required=True)
def command(*, keys: Path | None, paths: tuple[Path, ...]) -> None:
    """Check that each pack is signed by a trusted key.

    Ends with status 1 if one is not.
    """
    config = configuration(None, None, None)
    if keys is None and config.trust.keys is None:
        raise click.UsageError("--keys or the option trust.keys is needed: whose keys are trusted?")
    trust = trust_of(config, keys, Unsigned.REFUSE)
    names = {key.name: key.id for key in trust.keys.values()}

    def verify(path: Path) -> str:
        signer = trust.signer(read_content(path), path)
        return f"{path}: signed by {signer} ({names[signer]})"

    for_each(paths, verify)
