"""`metatap packs sign`: a signature beside each pack."""

from __future__ import annotations

from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.options import FILE
from metatap.cli.packs.shared import for_each
from metatap.packs import parse_pack
from metatap.packs.keys import key_id, read_private
from metatap.packs.load import read_content
from metatap.packs.signature import sign, signature_path, write_signature


@click.command("sign")
@click.option("--key", type=FILE, required=True, help="The private key, from keygen or openssl.")
@click.argument("paths", metavar="PACK...", type=FILE, nargs=-1, required=True)
def command(*, key: Path, paths: tuple[Path, ...]) -> None:
    """Sign packs: PACK.sig beside each, which replaces one that is there.

    What the agent would not read is not signed. Ends with status 1 if a pack was not.
    """
    private = read_private(key)
    if key.stat().st_mode & 0o077:
        say(f"{key}: can be read by others than its owner")
    name = key_id(private.public_key())

    def signed(path: Path) -> str:
        content = read_content(path)
        parse_pack(content, str(path))
        write_signature(signature_path(path), sign(content, private))
        return f"{signature_path(path)}: signed by key {name}"

    for_each(paths, signed)
