"""What the subcommands of `metatap packs` share: options, trust and tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from metatap.cli import say
from metatap.cli.options import FILE
from metatap.packs import Trust, Unsigned
from metatap.runtime.settings import Config

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(file_okay=False, path_type=Path)


WHOLE = frozenset({"id", "uid", "its uid"})
"""Columns that are never wrapped."""


def keys_option(function: F) -> F:
    """`--keys`."""
    return click.option(
        "--keys",
        type=FOLDER,
        help="Folder of trusted public keys, *.pub, instead of the configured one.",
    )(function)


def model_options(function: F) -> F:
    """`--model`, `--background`."""
    options = [
        click.option("--model", type=FILE, help="Model file instead of the one that comes along."),
        click.option(
            "--background",
            "benign",
            multiple=True,
            help="Benign flows to hold packs against instead of the model's own; repeatable.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def trust_of(config: Config, keys: Path | None, unsigned: str | None = None) -> Trust:
    """The configured policy, or what the options say; a file that is no key is told."""
    policy = Unsigned(config.trust.unsigned if unsigned is None else unsigned)
    trust, errors = Trust.load(policy, config.trust.keys if keys is None else keys)
    for error in errors:
        say(str(error))
    return trust


def console() -> Console:
    """Standard output; 100 columns wide where that is no terminal."""
    width = None if sys.stdout.isatty() else 100
    return Console(width=width, highlight=False, markup=False, emoji=False)


def table(columns: Sequence[str], right: Sequence[str] = ()) -> Table:
    """An empty table; the columns of `right` are numbers."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        whole = name in WHOLE
        made.add_column(name, justify="right" if name in right else "left", no_wrap=whole)
    return made


def show_table(out: Console, title: str, made: Table) -> None:
    """Print a table under its title, which is not wrapped to the table's width."""
    out.print(title, soft_wrap=True)
    out.print(made)
