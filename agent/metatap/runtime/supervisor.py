"""`metatap run --shards N`: starts the processes of one sensor, and keeps them running.

The supervisor scores nothing. It binds what only one process can bind (`sources.forward`), passes
signals on, starts a process again that ended by itself, and answers for all of them at the
sensor's control socket.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from metatap.errors import ConfigError, MetatapError, StateError
from metatap.runtime.control import Control, ask
from metatap.runtime.notify import Listener, Notifier, without_notify
from metatap.runtime.settings import Config
from metatap.runtime.shards import Part, feed_of, forwarded, state_of
from metatap.runtime.status import process_document
from metatap.sources.forward import Forwarder
from metatap.state.history import AlertHistory
from metatap.state.state import lock_folder

LOOK_EVERY = 0.2
"""Seconds between two looks at the processes."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds until a process that ended is started again: twice as many each time."""

STEADY = 60.0
"""Seconds after which a process that runs is sound, and the next wait is the first one."""

STARTING = 5.0
"""Seconds after the sensor's start in which a process that fails ends it: what is wrong is wrong
with all of them."""

STARTUP = 120.0
"""Seconds a process has to be ready before it counts as one that hangs."""

ANSWER = 5.0
"""Seconds that a process has to say how it goes; Prometheus, which may ask, waits for ten."""

ROLLBACK = 60.0
"""Seconds that it has for a rollback."""

log = structlog.get_logger(__name__)

Command = Callable[[Part, Path], Sequence[str]]
"""The command line of a process, given the folder of the feeds."""


class ShardError(MetatapError):
    """A process of the sensor ended with a fault."""


@dataclass(slots=True)
class _Child:
    """A process; `process` is None between an end and the next start, `due` (s, monotonic).

    `stops` and `hups` are the signals passed on to it; it notifies `heard`.
    """

    part: Part
    heard: Listener
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    due: float = 0.0
    wait: float = FIRST_WAIT
    status: int | None = None
    stops: int = 0
    hups: int = 0


class Supervisor:
    """Runs N processes of one sensor until they end or TERM or INT comes.

    Attributes:
        restarts: Processes that were started again.
    """

    def __init__(self, config: Config, count: int, command: Command) -> None:
        """Bind what has to be bound.

        Args:
            config: Of the sensor.
            count: N, from 1.
            command: How a process is started.

        Raises:
            MetatapError: a source or sink can't be shared, or an address can't be bound.
        """
        self.restarts = 0
        self._config = config
        self._command = command
        self._since = time.time()
        self._begin = time.monotonic()
        self._stops = self._hups = 0
        self._woken = threading.Event()
        self._notify = Notifier.of(os.environ)
        self._is_told, self._fed = False, 0.0
        with ExitStack() as opened:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="metatap-"))
            self._feeds = Path(folder)
            self._children: list[_Child] = []
            for index in range(count):
                heard = Listener(self._feeds / f"notify-{index}", self._notify.interval)
                opened.callback(heard.close)
                self._children.append(_Child(Part(index, count), heard))
            self._forwarders: list[Forwarder] = []
            for number, (endpoint, options) in forwarded(config).items():
                forwarder = Forwarder(endpoint, options, feed_of(self._feeds, number))
                opened.callback(forwarder.close)
                self._forwarders.append(forwarder)
            if config.state is not None:
                opened.callback(os.close, lock_folder(config.state))
                AlertHistory.open(config.state).close()  # made once, for all processes
                answers = {"status": self.status, "rollback": self._roll_back}
                control = Control(config.state, answers)
                opened.callback(control.close)
            if config.metrics.listen is not None:
                if config.state is None:
                    raise ConfigError("metrics.listen: several processes need `state` for it too")
                # A web server, for those that want one.
                from metatap.metrics.endpoint import Endpoint  # noqa: PLC0415

                figures = Endpoint(config.metrics.listen, self.status)
                opened.callback(figures.close)
            self._opened = opened.pop_all()

    def run(self) -> None:
        """Work until the end.

        Raises:
            ShardError: a process could not start, or the last ones ended with a fault.
        """
        previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        log.info("shards_started", shards=len(self._children))
        try:
            for child in self._children:
                self._start(child)
            while self._look_at_all():
                self._tell()
                self._woken.wait(LOOK_EVERY)
                self._woken.clear()
        finally:
            self._notify.stopping()
            self._end()
            self._notify.close()
            self._opened.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        fine = {None, 0, -signal.SIGTERM if self._stops else 0}
        failed = {str(c.part): c.status for c in self._children if c.status not in fine}
        log.info("shards_ended", restarts=self.restarts, failed=failed)
        if failed:
            raise ShardError(f"shards that ended with a fault: {', '.join(failed)}; see the log")

    def status(self) -> dict[str, Any]:
        """What each process says of itself, in `shards`; `error` where it does not answer."""
        return {
            **process_document(self._config.sensor, self._since),
            "restarts": self.restarts,
            "shards": [
                {"shard": str(part), **(found if error is None else {"error": error})}
                for part, found, error in self._ask("status", ANSWER)
            ],
        }

    def _roll_back(self) -> dict[str, Any]:
        answers = self._ask("rollback", ROLLBACK)
        failed = [f"shard {part}: {error}" for part, _, error in answers if error is not None]
        if failed:
            raise StateError("; ".join(failed))
        return answers[0][1]

    def _ask(self, what: str, patience: float) -> list[tuple[Part, dict[str, Any], str | None]]:
        """The answer of each process, all asked at once, or what is wrong."""
        folder = self._config.state or Path()  # without one there is no socket to ask at

        def ask_one(part: Part) -> tuple[Part, dict[str, Any], str | None]:
            try:
                return part, ask(state_of(folder, part), what, patience), None
            except StateError as error:
                return part, {}, str(error)

        with ThreadPoolExecutor(len(self._children)) as pool:
            return [*pool.map(ask_one, [child.part for child in self._children])]

    def _start(self, child: _Child) -> None:
        # Of its own session, so that a terminal's Ctrl-C comes once, from here; when this process
        # is gone, however, the pipe ends, and so does the child (`watch_parent`).
        child.process = subprocess.Popen(  # noqa: S603 - our own command
            [*self._command(child.part, self._feeds)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env=without_notify(os.environ) | child.heard.env,
        )
        child.heard.restarted()
        child.since, child.status = time.monotonic(), None
        child.stops, child.hups = 0, self._hups

    def _look_at_all(self) -> bool:
        """Whether one of the processes runs or will."""
        if not self._stops and any(forwarder.ended for forwarder in self._forwarders):
            raise ShardError("what is heard of Zeek is no longer forwarded; see the log")
        running = [self._look(child) for child in self._children]
        return any(running)

    def _look(self, child: _Child) -> bool:
        """Notice an end, start again what is due; whether the process runs or will."""
        now = time.monotonic()
        if child.process is None:
            if child.due and not self._stops and now >= child.due:
                self._start(child)
                self.restarts += 1
            return child.process is not None or (child.due > 0.0 and not self._stops)
        child.status = child.process.poll()
        if child.status is None:
            self._pass_on(child, child.process)
            return True
        child.process, child.due = None, 0.0
        if self._stops or child.status == 0:
            return False
        if now - self._begin < STARTING:
            raise ShardError(f"shard {child.part} ended with status {child.status} at its start")
        if now - child.since > STEADY:
            child.wait = FIRST_WAIT
        child.due = now + child.wait
        log.error("shard_ended", part=str(child.part), status=child.status, again_in=child.wait)
        child.wait = min(2 * child.wait, LONGEST_WAIT)
        return True

    def _tell(self) -> None:
        """Pass on to the service manager what all processes have said since it last was told."""
        for child in self._children:
            child.heard.hear()
        if not self._is_told and all(child.heard.is_ready for child in self._children):
            self._is_told = True
            self._notify.ready()
        if all(self._turns(child) for child in self._children) and self._notify.turned(self._line):
            self._fed = time.monotonic()

    def _turns(self, child: _Child) -> bool:
        """Whether the process gave a sign of life, or is being started."""
        if child.process is None:
            return True
        if not child.heard.is_ready and time.monotonic() - child.since < STARTUP:
            return True
        return child.heard.last > self._fed

    def _line(self) -> str:
        """How it goes, in a line for the service manager."""
        running = sum(child.process is not None for child in self._children)
        return f"{running} of {len(self._children)} shards running, {self.restarts} restarts"

    def _end(self) -> None:
        """Let processes that still run drain and end."""
        for child in self._children:
            if child.process is not None and child.process.poll() is None and not child.stops:
                child.process.terminate()
        for child in self._children:
            if child.process is not None:
                child.status = child.process.wait()

    def _pass_on(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        """Send a process the signals that came since; `send_signal` leaves one that ended alone."""
        while child.hups < self._hups:
            if self._is_told:
                self._notify.reloading()
            child.heard.hear()
            child.heard.is_ready = self._is_told = False
            process.send_signal(signal.SIGHUP)
            child.hups += 1
        while child.stops < self._stops:
            process.terminate()
            child.stops += 1

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Only note it: a process may just be being started."""
        if number == signal.SIGHUP:
            self._hups += 1
        else:
            self._stops += 1
        self._woken.set()


def watch_parent() -> None:
    """End this process as TERM does once the supervisor, which holds its input, is gone."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
