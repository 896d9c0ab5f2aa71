"""What a run of chaos found, and whether that is as promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

MOST_DUPLICATES = 0.01
"""Of all deliveries, those of an alert that the place had already."""


@dataclass(slots=True)
class Delivered:
    """What came to one place during a phase.

    Attributes:
        deliveries: Alert events that came whole, each time counted.
        duplicates: Those of them that the place had already.
        unsure: Those of these whose earlier answer the place cut off.
        missing: Accepted alert events that never came.
        torn: Lines that are no whole alert.
        torn_lost: Torn alert events that never came whole.
        faults: Times that the place was made to fail.
        dropped: Reason → alerts, by the counters of agents that ended in good order.
    """

    deliveries: int = 0
    duplicates: int = 0
    unsure: int = 0
    missing: int = 0
    torn: int = 0
    torn_lost: int = 0
    faults: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Duplicates of all deliveries."""
        return self.duplicates / self.deliveries if self.deliveries else 0.0


@dataclass(slots=True)
class Phase:
    """What one phase found.

    Attributes:
        name: Of the phase.
        seconds: How long it took.
        kills: Times that the agent was killed.
        ends: Times that it ended in good order.
        refused: Starts that it ended by itself, since its disk was full.
        disk_faults: Times that its disk was filled.
        accepted: Alert events that were on the disk when it was killed.
        seen: Alert events that some place has.
        uneven: Those that not all places have, and that no disk had.
        flows: `received`, `scored` and reasons of drops, by agents that ended in good order.
        places: Name → what came there.
        faults: Counters that do not add up.
    """

    name: str
    seconds: float = 0.0
    kills: int = 0
    ends: int = 0
    refused: int = 0
    disk_faults: int = 0
    accepted: int = 0
    seen: int = 0
    uneven: int = 0
    flows: dict[str, int] = field(default_factory=dict)
    places: dict[str, Delivered] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def balance(self, totals: Mapping[str, Any]) -> None:
        """Check the counters of an agent that ended in good order, and add them up."""
        self.ends += 1
        stages = totals["stages"]
        source, detector = stages["source.0.flows"], stages["detector.flows"]
        for stage, counts in stages.items():
            self._check(stage, counts["received"], counts["passed"], counts["dropped"])
        if source["passed"] != detector["received"]:
            self.faults.append(f"flows: {source['passed']} passed, {detector['received']} arrived")
        _add(self.flows, {"received": source["received"], "scored": detector["passed"]})
        _add(self.flows, source["dropped"])
        _add(self.flows, detector["dropped"])
        for sink in totals["sinks"]:
            kept = sink["filtered"] + sink["waiting"]
            self._check(sink["name"], sink["received"], sink["passed"] + kept, sink["dropped"])
            _add(self.places[sink["name"]].dropped, sink["dropped"])

    def _check(self, name: str, received: int, passed: int, dropped: Mapping[str, int]) -> None:
        if received != passed + sum(dropped.values()):
            self.faults.append(f"{name}: received {received}, passed {passed}, dropped {dropped}")


@dataclass(slots=True)
class Outcome:
    """What a run found.

    Attributes:
        seed: Of its randomness.
        left_out: Part that this machine can't do → why.
        phases: In their order.
    """

    seed: int
    left_out: dict[str, str] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """Times that the agent was killed, in all."""
        return sum(phase.kills for phase in self.phases)

    def broken(self) -> list[str]:
        """Promises that were not kept."""
        found = []
        if not any(phase.accepted for phase in self.phases):
            found.append("no spool held an alert at any kill")
        for phase in self.phases:
            found += [f"{phase.name}: {fault}" for fault in phase.faults]
            if not phase.seen:
                found.append(f"{phase.name}: no alert came anywhere")
            if phase.uneven and not phase.disk_faults:
                found.append(f"{phase.name}: {phase.uneven} alerts are at some places only")
            for name, place in phase.places.items():
                for what, count in (("missing", place.missing), ("torn for ever", place.torn_lost)):
                    if count:
                        found.append(f"{phase.name}: {name}: {count} alerts {what}")
                if place.dropped and not phase.disk_faults:
                    found.append(f"{phase.name}: {name}: dropped {dict(place.dropped)}")
        return found

    def duplicates(self) -> dict[str, float]:
        """Name of a place → share of its deliveries that are duplicates, over all phases."""
        names = {name for phase in self.phases for name in phase.places}
        found = {}
        for name in sorted(names):
            places = [phase.places[name] for phase in self.phases if name in phase.places]
            deliveries = sum(place.deliveries for place in places)
            duplicates = sum(place.duplicates for place in places)
            found[name] = duplicates / deliveries if deliveries else 0.0
        return found

    def document(self) -> dict[str, Any]:
        """As JSON can say it."""
        shares = self.duplicates()
        return {
            **asdict(self),
            "kills": self.kills,
            "broken": self.broken(),
            "duplicates": shares,
            "duplicates_within_limit": all(share <= MOST_DUPLICATES for share in shares.values()),
        }

    def show(self, console: Console) -> None:
        """Print it as tables."""
        table = Table(title=f"Seed {self.seed}: {self.kills} kills", box=None, pad_edge=False)
        for name in ("phase", "seconds", "kills", "TERM", "refused starts", "disk filled"):
            table.add_column(name)
        for name in ("accepted", "seen", "at some only", "flows of ends"):
            table.add_column(name)
        for phase in self.phases:
            numbers = (phase.kills, phase.ends, phase.refused, phase.disk_faults)
            rest = (phase.accepted, phase.seen, phase.uneven)
            table.add_row(
                *(phase.name, f"{phase.seconds:.0f}", *map(str, numbers), *map(str, rest)),
                ", ".join(f"{what} {flows}" for what, flows in phase.flows.items()),
            )
        console.print(table)
        console.print(self._places())
        for what, why in self.left_out.items():
            console.print(f"left out: {what}: {why}")
        for fault in self.broken():
            console.print(f"BROKEN: {fault}")
        for name, share in self.duplicates().items():
            verdict = "within" if share <= MOST_DUPLICATES else "OVER"
            console.print(f"{name}: {share:.2%} duplicates, {verdict} {MOST_DUPLICATES:.0%}")

    def _places(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("phase", "place", "faults", "deliveries", "duplicates", "by cuts", "a kill"):
            table.add_column(name)
        for name in ("missing", "torn", "torn for ever", "dropped"):
            table.add_column(name)
        for phase in self.phases:
            for name, place in phase.places.items():
                table.add_row(
                    *(phase.name, name, str(place.faults), str(place.deliveries)),
                    *(f"{place.duplicates} ({place.share:.2%})", str(place.unsure)),
                    f"{place.duplicates / max(1, phase.kills):.2f}",
                    *(str(place.missing), str(place.torn), str(place.torn_lost)),
                    ", ".join(f"{why} {alerts}" for why, alerts in place.dropped.items()),
                )
        return table


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count
