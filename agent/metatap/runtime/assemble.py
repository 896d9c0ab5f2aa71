"""Model, packs and lists → what the next batches are judged by, beside what is in force.

Whatever is wrong with a file, what was in force in its place stays: the model, or the pack or list
that was read from the same path before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from metatap.detector import Classifier, Model, RuleSet, Scorer
from metatap.detector.cache import ReadyCache
from metatap.errors import ConfigError, ModelError, PackError
from metatap.lists import Lists, load_lists
from metatap.packs import Fault, Folder, Pack, PackCache, PackState, PackStatus, read_folder
from metatap.packs.trust import Trust, Unsigned
from metatap.runtime.models import Choice, Models
from metatap.runtime.serving import Serving
from metatap.runtime.settings import Config
from metatap.runtime.shipped import shipped_packs

FloatArray = npt.NDArray[np.float32]

WARM_UP = 3
"""Batches scored to try rules out: the third one is as fast as any later one."""

Faults = Mapping[str, tuple[tuple[Path, str], ...]]
"""Kind → files and what is wrong with them."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Around:
    """What the agent knows of its network, in the space of one model.

    Attributes:
        local: float32 [l, d], flows that heads are made on too; None: the model's reference
            background alone.
        recent: float32 [r, d], flows seen lately, None: none.
    """

    local: FloatArray | None = None
    recent: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Assembly:
    """Rules ready for use.

    Attributes:
        rules: The rules.
        serving: Their model.
        lists: Allowlists and suppressions.
        faults: Files that could not be used, and why, by kind.
    """

    rules: RuleSet
    serving: Serving
    lists: Lists
    faults: Faults


class Assembler:
    """Builds rules from files; for one thread at a time.

    Attributes:
        models: Chooses the model.
        rules: The rules in force, None before the start.
        lists: The lists in force.
        around: What is known of the network, for a model.
    """

    def __init__(self, models: Models) -> None:
        self.models = models
        self.rules: RuleSet | None = None
        self.lists = Lists()
        self.around: Callable[[Scorer], Around] = lambda _: Around()
        self._parsed = PackCache()
        self._ready = ReadyCache()

    def assemble(
        self,
        config: Config,
        unfinished: Collection[Path] = (),
        serving: Serving | None = None,
    ) -> Assembly:
        """Load what is configured, try it out, and leave out what is faulty.

        Args:
            config: Says what is meant.
            unfinished: Files that are being written; what was in force in their place stays.
            serving: The model to take; None: the one that is meant.

        Raises:
            MetatapError: there is no model that can be used, or the folder of packs can't be read.
        """
        choice = self._choice(config) if serving is None else Choice(serving)
        current = self.models.current
        is_new = current is None or choice.serving.digest != current.digest
        faults = list(choice.faults)
        try:
            rules, bad = self._rules(choice.serving.scorer, config, unfinished)
            _try_out(rules, config.detector.batch_rows)
            if is_new:
                self._compare(rules)
        except ModelError as error:
            if not is_new or current is None:
                raise
            faults.append((choice.serving.path, str(error)))
            choice = Choice(current)
            rules, bad = self._rules(current.scorer, config, unfinished)
        if not rules.packs and (self.rules is None or self.rules.packs):
            _tell_no_packs(config.packs or shipped_packs(), is_empty=not rules.states)
        lists, bad_lists = self._lists(config, unfinished)
        found = {"model": tuple(faults), **bad, "lists": bad_lists}
        return Assembly(rules, choice.serving, lists, found)

    def _lists(
        self, config: Config, unfinished: Collection[Path]
    ) -> tuple[Lists, tuple[tuple[Path, str], ...]]:
        """The lists; of a file with a fault what was in force in its place."""
        if config.lists is None:
            return Lists(), ()
        found, errors = load_lists(config.lists, self.lists, unfinished)
        paths = list(config.lists.glob("*"))
        return found, tuple((_path_of(str(e), paths, config.lists), str(e)) for e in errors)

    def _choice(self, config: Config) -> Choice:
        """The model that is meant; a fault of its folder leaves the one in force."""
        try:
            return self.models.choose(config.model, config.detector.threads)
        except ModelError as error:
            if self.models.current is None:
                raise
            where = config.model or self.models.current.path
            return Choice(self.models.current, ((where, str(error)),))

    def _compare(self, rules: RuleSet) -> None:
        """A new model must not silence the sensor.

        Raises:
            ModelError: no pack is in force with it, while some are.
        """
        if self.rules is not None and self.rules.packs and not rules.packs:
            why = "; ".join(f"{name}: {reason}" for name, reason in [*rules.refused.items()][:3])
            raise ModelError(f"{rules.model.path}: no pack is in force with it ({why})")

    def _rules(
        self, model: Scorer, config: Config, unfinished: Collection[Path]
    ) -> tuple[RuleSet, Faults]:
        if isinstance(model, Classifier):
            if config.packs is not None and self.rules is None:
                reason = "the model is a classifier"
                log.warning("packs_unused", folder=str(config.packs), reason=reason)
            return RuleSet.of_classes(model), {}
        folder, faults = self._read(config)
        before = {pack.path: pack for pack in self.rules.packs} if self.rules else {}
        folder = _without(folder, unfinished)
        packs = [*folder.packs, *_stand_ins(folder.packs, folder.quarantined, before)]
        rules = self._build(model, packs, config, folder)
        if again := _stand_ins(rules.packs, rules.states, before):
            paths = {pack.path for pack in again}
            bad = [s for s in rules.states if s.path in paths and s not in folder.quarantined]
            kept = replace(folder, quarantined=(*folder.quarantined, *bad))
            packs = [pack for pack in packs if pack.path not in paths]
            rules = self._build(model, [*packs, *again], config, kept)
        return rules, faults

    def _build(self, model: Model, packs: list[Pack], config: Config, folder: Folder) -> RuleSet:
        around = self.around(model)
        return RuleSet.build(
            model,
            sorted(packs, key=lambda pack: pack.id),
            config.detector.false_positive_rate,
            local=around.local,
            recent=around.recent,
            cache=self._ready,
            quarantined=folder.quarantined,
        )

    def _read(self, config: Config) -> tuple[Folder, Faults]:
        """The folder of packs, and what is wrong with it, with its files and with keys.

        Raises:
            ConfigError: it can't be read, and no packs are in force.
        """
        trust, bad_keys = Trust.load(Unsigned(config.trust.unsigned), config.trust.keys)
        path = config.packs or shipped_packs()
        in_force = [pack.sha256 for pack in self.rules.packs] if self.rules else []
        try:
            # The starter packs come with the program that would check them.
            held_to = None if config.packs is None else trust
            folder = read_folder(path, held_to, in_force=in_force, cache=self._parsed)
        except PackError as error:
            if self.rules is None:
                raise ConfigError(*error.faults) from None
            stays = Folder(self.rules.packs, (), ())
            return stays, {"folder": ((path, f"{error}; the packs in force stay"),), "packs": ()}
        errors = [str(error) for error in (*bad_keys, *folder.errors)]
        paths = [status.path for status in folder.quarantined]
        found = tuple((_path_of(error, paths, path), error) for error in errors)
        return folder, {"folder": (), "packs": found}


def _tell_no_packs(folder: Path, *, is_empty: bool) -> None:
    """Log that no pack is in force: of an empty folder what to do, else it is an error."""
    if is_empty:
        todo = "nothing is detected; `metatap teach` makes a pack, and a pack put there is taken"
        log.warning("no_packs", folder=str(folder), detail=todo)
    else:
        log.error("no_packs", folder=str(folder))


def _path_of(error: str, paths: Iterable[Path], otherwise: Path) -> Path:
    """The file an error is about: the longest path its text begins with."""
    found = [path for path in paths if error.startswith(str(path))]
    return max(found, key=lambda path: len(str(path)), default=otherwise)


def _items(folder: Folder) -> list[Pack | PackStatus]:
    return [*folder.packs, *folder.quarantined]


def _without(folder: Folder, unfinished: Collection[Path]) -> Folder:
    """The folder with the files that are being written as packs still loading."""
    if not unfinished:
        return folder
    loading = [
        PackStatus(item.id, item.path, item.sha256, PackState.LOADING)
        for item in _items(folder)
        if item.path in unfinished
    ]
    return replace(
        folder,
        packs=tuple(pack for pack in folder.packs if pack.path not in unfinished),
        quarantined=(
            *(status for status in folder.quarantined if status.path not in unfinished),
            *loading,
        ),
    )


def _stand_ins(
    packs: Iterable[Pack], states: Iterable[PackStatus], before: Mapping[Path, Pack]
) -> list[Pack]:
    """For files with a fault, the packs that were in force in their place with other bytes."""
    taken = {pack.id for pack in packs}
    found: dict[str, Pack] = {}
    for status in states:
        pack = before.get(status.path)
        is_bad = status.state in {PackState.QUARANTINED, PackState.LOADING}
        is_bad = is_bad and status.fault is not Fault.DUPLICATE
        if is_bad and pack is not None and pack.sha256 != status.sha256 and pack.id not in taken:
            found.setdefault(pack.id, pack)
    return [*found.values()]


def _try_out(rules: RuleSet, rows: int) -> None:
    """Score a batch of the usual size: what a first batch pays is paid here.

    Raises:
        ModelError: scores are not finite or not of their shape.
    """
    model = rules.model
    if isinstance(model, Model):
        features = np.resize(model.meta.selftest.features, (rows, model.width))
    else:
        features = np.zeros((rows, model.width), np.float32)
    for _ in range(WARM_UP):
        scores, _ = model.score(features, rules.heads)
    if scores.shape != (rows, rules.heads.shape[1]) or not np.isfinite(scores).all():
        raise ModelError(f"{model.path}: its scores are not finite numbers, one a flow and pack")
