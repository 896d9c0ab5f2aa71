"""`metatap packs`: what is done with pack files, one module a subcommand."""

from __future__ import annotations

import importlib

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("listing", "List the packs of a folder, and what the agent would make of them."),
    "show": ("show", "Show one pack: its head and its flows."),
    "test": ("trial", "Make a pack ready and say what it would flag."),
    "diff": ("diff", "Say how two packs differ, and their scores."),
    "keygen": ("keygen", "Make a key pair for signing packs."),
    "sign": ("sign", "Sign packs."),
    "verify": ("verify", "Check that packs are signed by a trusted key."),
}
"""Subcommand → the module it is in, and its one-line help."""


class _Lazy(click.Group):
    """A group that imports a subcommand's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"metatap.cli.packs.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group("packs", cls=_Lazy)
def command() -> None:
    """Sign, verify, show, test and compare threat packs."""
