"""The model that commands beside the agent use: the one the agent would take at a start."""

from __future__ import annotations

from metatap.cli import say
from metatap.detector import Model, Scorer, SequenceModel, open_model
from metatap.errors import ConfigError
from metatap.runtime.models import Models
from metatap.runtime.settings import Config


def scorer(config: Config) -> Scorer:
    """The configured model, of a folder the newest valid one.

    What is wrong with newer files is said.

    Raises:
        ModelError: there is none.
    """
    choice = Models(None).choose(config.model, config.detector.threads)
    for _, reason in choice.faults:
        say(f"{reason}; {choice.serving.path} is taken")
    return choice.serving.scorer


def learner(config: Config) -> Model:
    """The same, which must be a model that packs adapt.

    Raises:
        MetatapError: there is none, or it is a classifier.
    """
    found = scorer(config)
    if not isinstance(found, Model):
        raise ConfigError(f"{found.path}: a classifier, which takes no packs")
    return found


def scorer_of_any_kind(config: Config) -> Scorer | SequenceModel:
    """The same, or a sequence model where the file of one is configured.

    Raises:
        ModelError: there is none.
    """
    if config.model is None or config.model.is_dir():
        return scorer(config)
    return open_model(config.model, threads=config.detector.threads)
