"""Options that several subcommands share, and how they become a configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from metatap.errors import ConfigError
from metatap.runtime.config import FILE_VARIABLE, load_config
from metatap.runtime.options import BY_NAME
from metatap.runtime.settings import Config

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)

FOLDER = click.Path(file_okay=False, path_type=Path)

RATE = "detector.false_positive_rate"


def together(*decorators: Callable[[Any], Any]) -> Callable[[F], F]:
    """Several options as one decorator, shown in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


config_option = click.option(
    "--config",
    "config_path",
    type=FILE,
    help=f"The agent's YAML configuration.  [env var: {FILE_VARIABLE}]",
)

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model file, or folder whose newest valid *.onnx is taken, instead of the configured one.",
)

packs_option = click.option(
    "--packs", type=FOLDER, help="Folder of threat packs instead of the configured one."
)

rate_option = click.option(
    "--rate",
    type=click.FloatRange(1e-7, 0.1),
    help=f"Share of benign flows that each pack may flag. [default: {BY_NAME[RATE].default}]",
)

state_option = click.option(
    "--state", type=FOLDER, help="Folder of the agent's state instead of the configured one."
)

alert_file_option = click.option(
    "--alert-file", type=FILE, help="File of the agent's alerts, to look in instead of its history."
)

config_options = together(
    config_option,
    model_option,
    packs_option,
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="Lowest level of log events shown.",
    ),
)
"""`--config`, `--model`, `--packs`, `--log-level`."""


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


def agent_config(path: Path | None, **options: Path | None) -> Config:
    """The agent's configuration, some of its options replaced where a path is given.

    Raises:
        ConfigError: it is wrong.
    """
    flags = {name: str(value) for name, value in options.items() if value is not None}
    return load_config(path, os.environ, flags)


def running(path: Path | None, state: Path | None) -> Path:
    """The state folder of a running agent; where it is named, no configuration is needed.

    Raises:
        ConfigError: none is named, or the configuration is wrong.
    """
    return state_folder(agent_config(path)) if state is None else state


def state_folder(config: Config) -> Path:
    """The configured folder of the state.

    Raises:
        ConfigError: there is none.
    """
    if config.state is None:
        raise ConfigError(
            "no state folder is configured: name the agent's folder with --state, or set `state` "
            "in its configuration"
        )
    return config.state
