"""The run: phases of kills, each ended by letting everything drain."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from random import Random
from typing import Self

from tests.agent.sinks.syslogd import PATH as RSYSLOGD
from tests.chaos.disk import Flood, SmallDisk
from tests.chaos.outcome import Delivered, Outcome, Phase
from tests.chaos.receivers import Elastic, File, Got, Place, Relp, Weather
from tests.chaos.traffic import Traffic
from tests.chaos.victim import Victim

SHARES = {"kills alone": 0.25, "receivers fail": 0.45, "disk fills": 0.30}
"""Phase → its share of the kills."""

_TERM_EVERY = 10
"""Every so often the agent is ended in good order instead."""

_EARLY = 0.15
"""Share of kills that come while the agent is starting."""

_LONGEST_LIFE_S = 1.6
_WINDOW_S = 2.0
"""Seconds until open aggregates are closed."""

_DRAIN_TRIES = 40

Say = Callable[[str], None]


class Chaos:
    """A run; a context manager.

    Attributes:
        outcome: What it found so far.
    """

    def __init__(self, folder: Path, seed: int, say: Say = lambda _: None) -> None:
        """A run that has not begun.

        Args:
            folder: An empty folder for all its files; a short path, since a socket lies there.
            seed: Of all that is random.
            say: Told how it goes.
        """
        self.outcome = Outcome(seed)
        self._folder = folder
        self._random = Random(seed)
        self._say = say
        self._address = folder / "zeek.ipc"
        self._traffic = Traffic(f"ipc://{self._address}")
        self._opened = ExitStack()
        self._places: list[Place] = []
        self._disk: SmallDisk | None = None

    def __enter__(self) -> Self:
        with self._opened as opened:
            self._places = [File(self._folder), Elastic()]
            if RSYSLOGD is None:
                self.outcome.left_out["relp"] = "there is no rsyslogd"
            else:
                self._places.append(Relp(self._folder))
            for place in self._places:
                opened.callback(place.close)
            try:
                self._disk = SmallDisk(self._folder / "small")
                opened.callback(self._disk.close)
            except OSError as error:
                self.outcome.left_out["disk fills"] = str(error)
            opened.enter_context(self._traffic)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def run(self, kills: int, until: float = float("inf")) -> Outcome:
        """Do all phases.

        Args:
            kills: Of the agent, in all.
            until: Time of the monotonic clock when no further kill is begun.
        """
        state = self._folder / "state"
        for name, share in SHARES.items():
            weathers: list[Weather] = []
            if name == "receivers fail":
                weathers = [Weather(place, self._split()) for place in self._places]
            flood = None
            if name == "disk fills":
                if self._disk is None:
                    continue
                flood = Flood(self._disk, self._split())
                state = self._disk.folder / "state"
            begin = time.monotonic()
            left = max(0.0, until - begin)
            share_left = share / sum(list(SHARES.values())[list(SHARES).index(name) :])
            victim = Victim(
                self._folder, state, str(self._address), [place.entry() for place in self._places]
            )
            phase = Phase(name, places={place.name: Delivered() for place in self._places})
            self.outcome.phases.append(phase)
            before = {place.name: place.got() for place in self._places}
            try:
                accepted = self._storm(
                    *(victim, phase, round(kills * share), begin + left * share_left),
                    [*weathers, *([flood] if flood else [])],
                )
                self._drain(victim, phase)
            finally:
                victim.free()
            for weather, place in zip(weathers, self._places, strict=False):
                phase.places[place.name].faults = weather.faults
            phase.disk_faults = flood.faults if flood else 0
            phase.refused = victim.refused
            phase.seconds = time.monotonic() - begin
            self._compare(phase, accepted, before)
        return self.outcome

    def _split(self) -> Random:
        return Random(self._random.random())

    def _storm(
        self,
        victim: Victim,
        phase: Phase,
        kills: int,
        until: float,
        faults: Sequence[AbstractContextManager[object]],
    ) -> set[str]:
        """Kill the agent again and again; the ids that were on its disk at that."""
        accepted: set[str] = set()
        with ExitStack() as opened:
            for fault in faults:
                opened.enter_context(fault)
            while phase.kills < kills and time.monotonic() < until:
                victim.start()
                if self._random.random() < _EARLY:
                    time.sleep(self._random.uniform(0.0, 1.2))
                elif not victim.wait_started():
                    accepted |= victim.spooled()
                    time.sleep(0.2)
                    continue
                else:
                    time.sleep(self._random.uniform(0.0, _LONGEST_LIFE_S))
                accepted |= victim.kill()
                phase.kills += 1
                self._say(f"{phase.name}: {phase.kills} kills, {len(accepted)} accepted")
                if phase.kills % _TERM_EVERY == 0 and victim.start_well():
                    time.sleep(self._random.uniform(0.0, _LONGEST_LIFE_S))
                    phase.balance(victim.terminate())
                    accepted |= victim.spooled()
        return accepted

    def _drain(self, victim: Victim, phase: Phase) -> None:
        """Let the agent bring everything to its place."""
        self._traffic.pause()
        for _ in range(_DRAIN_TRIES):
            assert victim.start_well(), victim.log()
            time.sleep(_WINDOW_S)
            victim.reopen()
            time.sleep(0.5)
            totals = victim.terminate()
            phase.balance(totals)
            if all(sink["waiting"] == 0 for sink in totals["sinks"]):
                break
        else:
            phase.faults.append(f"does not drain: {totals['sinks']}")
        self._traffic.resume()

    def _compare(self, phase: Phase, accepted: set[str], before: dict[str, Got]) -> None:
        """What came against what had to come."""
        new: dict[str, Counter[str]] = {}
        for place in self._places:
            got, earlier, found = place.got(), before[place.name], phase.places[place.name]
            new[place.name] = got.ids - earlier.ids
            found.deliveries = new[place.name].total()
            found.duplicates = found.deliveries - len(got.ids.keys() - earlier.ids.keys())
            found.unsure = got.unsure - earlier.unsure
            found.missing = len(accepted - got.ids.keys())
            found.torn = got.torn - earlier.torn
            found.torn_lost = len((got.torn_ids - earlier.torn_ids) - got.ids.keys())
        everywhere = set.intersection(*(set(ids) for ids in new.values()))
        seen = set.union(*(set(ids) for ids in new.values()))
        phase.accepted, phase.seen = len(accepted), len(seen)
        phase.uneven = len(seen - everywhere)
