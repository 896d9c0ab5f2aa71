"""`metatap packs keygen`: a key pair."""

from __future__ import annotations

from pathlib import Path

import click

from metatap.packs.keys import PRIVATE_SUFFIX, PUBLIC_SUFFIX, make_keys


@click.command("keygen")
@click.argument("stem", metavar="NAME", type=click.Path(path_type=Path))
def command(*, stem: Path) -> None:
    """Make an Ed25519 key pair: NAME.key, which is secret, and NAME.pub, which others trust.

    NAME may be a path. Files are never overwritten. The private key is not encrypted, and readable
    by its owner only.
    """
    if not stem.name or stem.name.startswith("."):
        raise click.UsageError(f"{stem}: not a name.")
    made = make_keys(stem)
    click.echo(f"{stem}{PRIVATE_SUFFIX}: private key, keep it secret")
    click.echo(f"{stem}{PUBLIC_SUFFIX}: public key {made.id}")
