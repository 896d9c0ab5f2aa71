"""Options that several subcommands share, and how they become a configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from metatap.runtime.config import load_config
from metatap.runtime.settings import Config

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)


def config_options(function: F) -> F:
    """`--config`, `--model`, `--packs`, `--log-level`."""
    options = [
        click.option("--config", "config_path", type=FILE, help="YAML configuration."),
        click.option("--model", type=FILE, help="Model file instead of the configured one."),
        click.option(
            "--packs",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder of threat packs instead of the configured one.",
        ),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            help="Lowest level of log events shown.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def loader(
    config_path: Path | None,
    model: Path | None,
    packs: Path | None,
    log_level: str | None,
    extra: dict[str, Any] | None = None,
) -> Callable[[], Config]:
    """A function that loads the configuration anew: file < environment < flags."""
    flags: dict[str, Any] = dict(extra or {})
    if model is not None:
        flags["model"] = str(model)
    if packs is not None:
        flags["packs"] = str(packs)
    if log_level is not None:
        flags["log.level"] = log_level
    return lambda: load_config(config_path, os.environ, flags)
