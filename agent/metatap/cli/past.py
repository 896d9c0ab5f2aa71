"""What commands on alerts of the past share: where the agent kept them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from metatap.cli.options import FILE
from metatap.detector import Model
from metatap.errors import ConfigError
from metatap.runtime.config import load_config
from metatap.runtime.models import Models
from metatap.runtime.settings import Config

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(file_okay=False, path_type=Path)


def state_option(function: F) -> F:
    """`--state`."""
    return click.option(
        "--state", type=FOLDER, help="Folder of the agent's state instead of the configured one."
    )(function)


def alert_file_option(function: F) -> F:
    """`--alert-file`."""
    return click.option(
        "--alert-file",
        type=FILE,
        help="File of the agent's alerts, to look in instead of its history.",
    )(function)


def config_option(function: F) -> F:
    """`--config`."""
    return click.option(
        "--config", "config_path", type=FILE, help="The agent's YAML configuration."
    )(function)


def agent_config(path: Path | None, **options: Path | None) -> Config:
    """The agent's configuration, some of its options replaced where a path is given.

    Raises:
        ConfigError: it is wrong.
    """
    flags = {name: str(value) for name, value in options.items() if value is not None}
    return load_config(path, os.environ, flags)


def state_folder(config: Config) -> Path:
    """The configured folder of the state.

    Raises:
        ConfigError: there is none.
    """
    if config.state is None:
        raise ConfigError(
            "no state: name the agent's folder with --state, or `state` in its configuration"
        )
    return config.state


def learner(config: Config) -> Model:
    """The configured model, of a folder the newest one, which must be one that packs adapt.

    Raises:
        MetatapError: there is none, or it is a classifier.
    """
    found = Models(None).choose(config.model, config.detector.threads).serving.scorer
    if not isinstance(found, Model):
        raise ConfigError(f"{found.path}: a classifier, which takes no packs")
    return found
