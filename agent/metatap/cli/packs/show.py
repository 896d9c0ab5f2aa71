"""`metatap packs show`: one pack as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from metatap.cli.console import console, show_table, table
from metatap.cli.options import FILE
from metatap.cli.packs.shared import keys_option, trust_of
from metatap.cli.stored import configuration
from metatap.context import CONTEXT_VERSION
from metatap.errors import PackError
from metatap.flow import FlowBatch, to_row
from metatap.offline.printable import printable
from metatap.packs import Pack, parse_pack
from metatap.packs.context import FloatArray, has_context
from metatap.packs.load import read_content
from metatap.packs.trust import Unsigned
from metatap.runtime.logs import configure_logs

NAMES = ("uid", "flow", "port", "state", "seconds", "sent", "received")
ENDS = ("id.orig_h", "id.resp_h", "id.resp_p", "proto")
RIGHT = ("seconds", "sent", "received")


@click.command("show")
@keys_option
@click.argument("path", metavar="PACK", type=FILE)
def command(*, keys: Path | None, path: Path) -> None:
    """Show one pack: its head and its flows."""
    configure_logs("error", "text")
    content = read_content(path)
    pack = parse_pack(content, str(path))
    trust = trust_of(configuration(None, None, None), keys)
    try:
        signer = replace(trust, unsigned=Unsigned.ALLOW).signer(content, path)
        signed = signer or "nobody who is trusted"
    except PackError as error:
        signed = str(error)
    out = console()
    for name, value in _head(pack, signed):
        if value:
            out.print(f"{name + ':':<13} {printable(value)}", soft_wrap=True)
    _flows(out, "Support flows", pack.flows, pack.context)
    if pack.not_like is not None:
        _flows(out, "Counter-examples", pack.not_like, pack.not_like_context)


def _head(pack: Pack, signed: str) -> Iterator[tuple[str, str]]:
    yield "id", pack.id
    yield "name", pack.name
    yield "description", pack.description
    yield "author", pack.author
    yield "created", pack.created.isoformat()
    yield "severity", pack.severity.value
    yield "attack", ", ".join(pack.attack)
    yield "references", ", ".join(pack.references)
    yield "signed by", signed
    yield "sha256", pack.sha256
    if pack.context_ignored:
        yield (
            "context",
            f"version {pack.context_ignored} is not used, this agent reads {CONTEXT_VERSION}",
        )


def _flows(out: Console, title: str, batch: FlowBatch, context: FloatArray | None) -> None:
    known = 0 if context is None else sum(has_context(context[row]) for row in range(batch.rows))
    made = table(NAMES, RIGHT)
    for row in range(batch.rows):
        values = {name: printable(_text(value)) for name, value in to_row(batch, row).items()}
        orig, resp, port, proto = (values.get(name, "-") for name in ENDS)
        made.add_row(
            values.get("uid", ""),
            f"{orig} → {resp}",
            f"{port}/{proto} {values.get('service', '')}".rstrip(),
            values.get("conn_state", ""),
            values.get("duration", ""),
            values.get("orig_bytes", ""),
            values.get("resp_bytes", ""),
        )
    show_table(out, f"{title}, {known} of {batch.rows} with context", made)


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
