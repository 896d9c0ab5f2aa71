"""Finding a running agent: by its state folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from metatap.cli.options import FILE
from metatap.errors import StateError
from metatap.runtime.config import load_config

F = TypeVar("F", bound=Callable[..., Any])


def agent_options(function: F) -> F:
    """`--config`, `--state`: which agent is meant."""
    state = click.Path(file_okay=False, path_type=Path)
    options = [
        click.option("--config", "config_path", type=FILE, help="YAML configuration of the agent."),
        click.option("--state", type=state, help="State folder of the agent instead."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def state_folder(config_path: Path | None, state: Path | None) -> Path:
    """The state folder of the agent that is meant.

    Raises:
        ConfigError: the configuration is wrong.
        StateError: it names no state folder.
    """
    if state is not None:
        return state
    folder = load_config(config_path, os.environ).state
    if folder is None:
        raise StateError("no state folder is configured; set `state`, or give --state")
    return folder
