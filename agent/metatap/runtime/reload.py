"""The loader: builds the next rules in a thread beside scoring, and hands them over when ready."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from metatap.detector import RuleSet
from metatap.errors import MetatapError, ModelError
from metatap.lists import Lists
from metatap.runtime.assemble import Assembler, Assembly
from metatap.runtime.faults import Faults
from metatap.runtime.serving import Serving
from metatap.runtime.settings import Config
from metatap.watch import Target, Watcher

PACK_SUFFIXES = (".yaml", ".yml", ".yaml.sig", ".yml.sig")
MODEL_SUFFIXES = (".onnx", ".yaml")
LIST_SUFFIXES = (".yaml", ".yml")

SWITCH = 0.0005
"""Seconds after which the loader gives way to scoring where both want the interpreter; Python's own
5 ms would add half a batch each time."""

AFTER = 0.05
"""Seconds before a swap is written down: the first batch after it has the memory bus to itself."""

CONFIG = "config"
"""Kind of a HUP: everything is read again, the configuration first."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the run loop takes between two batches.

    Attributes:
        rules: The rules from the next batch on.
        ready: The same, as `Reloader.prepare` gave them.
        lists: Allowlists and suppressions from then on.
        config: The configuration from then on.
        because: The kinds that changed.
    """

    rules: RuleSet
    ready: RuleSet
    lists: Lists
    config: Config
    because: tuple[str, ...]


class Reloader:
    """Follows files and requests, and keeps the next rules ready.

    One thread loads; the run loop calls `take` between batches and never waits. What a fault leaves
    in force is `Assembler`'s business.

    Attributes:
        prepare: What is done with rules before they are handed over.
        faults: What is wrong with files, now and last.
        swaps: Rules handed over so far.
        rollbacks: Rollbacks among them.
    """

    def __init__(self, load: Callable[[], Config], config: Config, assembler: Assembler) -> None:
        """See the files as they are now; `start` loads them.

        Args:
            load: Gives the configuration anew.
            config: The one in force.
            assembler: Builds rules.
        """
        self.prepare: Callable[[RuleSet], RuleSet] = lambda rules: rules
        self.faults = Faults()
        self.swaps = 0
        self.rollbacks = 0
        self._load = load
        self._config = config
        self._assembler = assembler
        self._changed = threading.Condition()
        self._kinds: set[str] = set()
        self._rollback: Future[Serving] | None = None
        self._ready: Loaded | None = None
        self._closed = False
        self._watcher = Watcher(targets(config), self._on_change, poll=config.watch.poll)
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> Assembly:
        """The first rules and lists; changes from now on are told once `follow` is called.

        Raises:
            MetatapError: the model or the folder of packs can't be used.
        """
        assembly = self._assembler.assemble(self._config)
        self._note(assembly, frozenset())
        self._took(assembly, None)
        return assembly

    def follow(self) -> None:
        """Begin to follow files."""
        sys.setswitchinterval(SWITCH)
        self._watcher.start()
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether `take` has something."""
        return self._ready is not None

    def take(self) -> Loaded | None:
        """The next rules, if they are ready; called between two batches."""
        if self._ready is None:
            return None
        with self._changed:
            loaded, self._ready = self._ready, None
            self._changed.notify_all()
        return loaded

    def request(self, kind: str) -> None:
        """Load anew though no file of the kind changed; `CONFIG`: everything."""
        self._on_change(frozenset({kind}))

    def rollback(self, timeout: float) -> Serving:
        """Return to the model before, and wait until it is in force.

        Args:
            timeout: Seconds to wait.

        Raises:
            ModelError: there is none, it can't be used, or it took too long.
        """
        with self._changed:
            if self._closed:
                raise ModelError("the agent ends")
            if self._rollback is None:
                self._rollback = Future()
            future = self._rollback
            self._changed.notify_all()
        try:
            return future.result(timeout)
        except TimeoutError:
            raise ModelError(f"the model was not loaded within {timeout:g} s") from None

    def report(self) -> dict[str, object]:
        """Counts, for status and log."""
        return {"swaps": self.swaps, "rollbacks": self.rollbacks, **self.faults.report()}

    def close(self) -> None:
        """End both threads; idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._watcher.close()
        if self._thread.is_alive():
            self._thread.join()

    def _on_change(self, kinds: frozenset[str]) -> None:
        with self._changed:
            self._kinds |= kinds
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._kinds or self._rollback)
                if self._closed:
                    break
                kinds, self._kinds = self._kinds, set()
                future, self._rollback = self._rollback, None
            if future is not None:
                self._roll_back(future)
            if kinds:
                self._renew(kinds)
        if self._rollback is not None:
            self._rollback.set_exception(ModelError("the agent ends"))

    def _renew(self, kinds: set[str]) -> None:
        """Load what changed; a fault of the configuration leaves everything as it is."""
        config = self._config
        try:
            if CONFIG in kinds:
                config = self._load()
                self._watcher.follow(targets(config), config.watch.poll)
            unsettled = self._watcher.unsettled()
            assembly = self._assembler.assemble(config, self._watcher.unfinished())
        except MetatapError as error:
            self.faults.renew(CONFIG, [(Path(), str(error))])
        except Exception as error:
            # Whatever a new file brings, the running sensor goes on with what it has.
            log.exception("reload_crashed")
            self.faults.renew(CONFIG, [(Path(), f"unexpected error: {error!r}")])
        else:
            self.faults.renew(CONFIG, [])
            self._again(kinds, self._note(assembly, unsettled))
            self._hand_over(assembly, config, kinds)

    def _roll_back(self, future: Future[Serving]) -> None:
        models, config = self._assembler.models, self._config
        try:
            serving = models.before(config.detector.threads)
            assembly = self._assembler.assemble(config, self._watcher.unfinished(), serving)
            reasons = [reason for _, reason in assembly.faults["model"]]
            if assembly.serving is not serving:
                future.set_exception(ModelError("; ".join(reasons)))
            elif self._hand_over(assembly, config, {"rollback"}):
                self.rollbacks += 1
                log.warning("model_rolled_back", model=serving.name, sha256=serving.digest[:12])
                future.set_result(serving)
            else:
                future.set_exception(ModelError("the agent ends"))
        except MetatapError as error:
            future.set_exception(error)
        except Exception as error:
            log.exception("reload_crashed")
            future.set_exception(ModelError(f"unexpected error: {error!r}"))

    def _note(self, assembly: Assembly, unsettled: frozenset[Path]) -> set[Path]:
        """Report the faults of files that are settled; the others that have one."""
        again: set[Path] = set()
        for kind, found in assembly.faults.items():
            again |= self.faults.renew(kind, found, unsettled)
        return again

    def _again(self, kinds: Iterable[str], paths: set[Path]) -> None:
        if paths:
            log.debug("reload_doubtful", kinds=sorted(kinds), files=sorted(map(str, paths)))
            self._watcher.again(paths)

    def _hand_over(self, assembly: Assembly, config: Config, kinds: set[str]) -> bool:
        """Wait until the run loop has taken the rules; False if it ended before."""
        before = self._assembler
        if before.rules is not None and _same(before.rules, assembly.rules):
            assembly = replace(assembly, rules=before.rules)
        if _files(before.lists) == _files(assembly.lists):
            assembly = replace(assembly, lists=before.lists)
        is_same = assembly.rules is before.rules and assembly.lists is before.lists
        is_same = is_same and "rollback" not in kinds
        if is_same and CONFIG not in kinds:
            self._took(assembly, None)
            return True
        rules = assembly.rules
        ready = rules if rules is before.rules else self.prepare(rules)
        loaded = Loaded(rules, ready, assembly.lists, config, tuple(sorted(kinds)))
        with self._changed:
            self._ready = loaded
            self._changed.wait_for(lambda: self._closed or self._ready is None)
            if self._ready is not None:
                return False
            self._changed.wait_for(lambda: self._closed, AFTER)
        self._config = config
        self.swaps += not is_same
        self._took(assembly, config if "rollback" in kinds else None)
        return True

    def _took(self, assembly: Assembly, rolled_back: Config | None) -> None:
        """Note what is in force."""
        models = self._assembler.models
        self._assembler.rules, self._assembler.lists = assembly.rules, assembly.lists
        if rolled_back is not None:
            models.rolled_back(assembly.serving, rolled_back.model)
        elif models.current is not assembly.serving:
            models.took(assembly.serving)


def targets(config: Config) -> list[Target]:
    """What is watched; what comes with the agent is not."""
    found = []
    if config.model is not None:
        found.append(Target("model", config.model, MODEL_SUFFIXES))
    if config.packs is not None:
        found.append(Target("packs", config.packs, PACK_SUFFIXES))
    if config.trust.keys is not None:
        found.append(Target("packs", config.trust.keys, ("",)))
    if config.lists is not None:
        found.append(Target("lists", config.lists, LIST_SUFFIXES))
    return found


def _files(lists: Lists) -> list[tuple[Path, str]]:
    return [(one.path, one.sha256) for one in lists.files]


def _same(old: RuleSet, new: RuleSet) -> bool:
    """Whether both score the same and say the same."""
    return (
        old.model is new.model
        and [pack.sha256 for pack in old.packs] == [pack.sha256 for pack in new.packs]
        and old.states == new.states
        and old.threshold_source == new.threshold_source
        and bool((old.thresholds == new.thresholds).all())
        and bool((old.heads == new.heads).all())
    )
