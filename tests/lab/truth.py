"""Labels by construction: rules written while traffic is made, applied to Zeek's conn.log.

A rule matches a connection by its addresses, server port, protocol and start time. Attack rules
decide the label; benign families only sort what is left. Times are seconds since 1970.
"""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

BENIGN = "benign"
MALICIOUS = "malicious"


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions that must all hold; ``None`` holds for anything.

    Zeek may turn a connection round when its first packet is late, so both directions count.
    """

    orig_h: str | None = None
    resp_h: str | None = None
    resp_p: int | None = None
    proto: str | None = None
    t0: float | None = None
    t1: float | None = None

    def holds(self, conn: Mapping[str, Any]) -> bool:
        """Whether a conn.log record meets the conditions."""
        start = float(conn["ts"])
        if self.proto not in {None, conn["proto"]}:
            return False
        if (self.t0 is not None and start < self.t0) or (self.t1 is not None and start > self.t1):
            return False
        return self._ends(conn, "orig", "resp") or self._ends(conn, "resp", "orig")

    def _ends(self, conn: Mapping[str, Any], source: str, target: str) -> bool:
        return (
            self.orig_h in {None, conn[f"id.{source}_h"]}
            and self.resp_h in {None, conn[f"id.{target}_h"]}
            and self.resp_p in {None, conn[f"id.{target}_p"]}
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """What a match means: family, ATT&CK technique and tool (empty for benign), label."""

    family: str
    technique: str
    label: str
    match: Match
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """All rules of one capture and the time it spans."""

    network: str
    title: str
    t0: float
    t1: float
    rules: tuple[Rule, ...]
    benign: tuple[Rule, ...]

    def rule(self, conn: Mapping[str, Any]) -> Rule:
        """The one rule for a connection; two attacks that both match are an error."""
        hits = {rule.family: rule for rule in self.rules if rule.match.holds(conn)}
        if len(hits) > 1:
            raise ValueError(f"connection {conn['uid']} matches {sorted(hits)}")
        if hits:
            return next(iter(hits.values()))
        other = Rule("other", "", BENIGN, Match())
        return next((rule for rule in self.benign if rule.match.holds(conn)), other)

    def save(self, path: Path) -> None:
        """Write the rules as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def benign_families(places: Mapping[str, Sequence[str]]) -> tuple[Rule, ...]:
    """Rules that sort benign traffic, first hit first.

    ``places`` are addresses of ``monitor``, a client, and ``ftp``, a server whose data
    connections have any port.
    """
    matches = [
        *(("monitoring", Match(orig_h=addr, proto="tcp")) for addr in places["monitor"]),
        *(("misconfigured", Match(resp_p=port, proto="tcp")) for port in (9090,)),
        ("push", Match(resp_p=5222, proto="tcp")),
        *(("web", Match(resp_p=port, proto="tcp")) for port in (80, 443, 8080)),
        ("ssh", Match(resp_p=22, proto="tcp")),
        *(("dns", Match(resp_p=53, proto=proto)) for proto in ("udp", "tcp")),
        ("time", Match(resp_p=123, proto="udp")),
        ("icmp", Match(proto="icmp")),
        ("mqtt", Match(resp_p=1883, proto="tcp")),
        ("modbus", Match(resp_p=502, proto="tcp")),
        ("hl7", Match(resp_p=2575, proto="tcp")),
        ("snmp", Match(resp_p=161, proto="udp")),
        ("syslog", Match(resp_p=514, proto="udp")),
        *(("ftp", Match(resp_h=addr, proto="tcp")) for addr in places.get("ftp", ())),
    ]
    return tuple(Rule(family, "", BENIGN, match) for family, match in matches)


def load(path: Path) -> Truth:
    """Read rules that :meth:`Truth.save` wrote."""
    raw = json.loads(path.read_text())
    for name in ("rules", "benign"):
        raw[name] = tuple(Rule(**{**rule, "match": Match(**rule["match"])}) for rule in raw[name])
    return Truth(**raw)


def _text(log: Path) -> TextIO:
    """A log, compressed or not."""
    if log.suffix == ".gz":
        return gzip.open(log, "rt", encoding="utf-8")
    return log.open(encoding="utf-8")


def connections(log: TextIO) -> Iterator[dict[str, Any]]:
    """Records of a conn.log in JSON."""
    for line in log:
        if line.strip():
            yield json.loads(line)


def label_log(conn_log: Path, truth: Truth, out: Path) -> Counter[tuple[str, str]]:
    """Write ``uid,label,family,technique,tool`` for every connection; counts (label, family)."""
    counts: Counter[tuple[str, str]] = Counter()
    with _text(conn_log) as source, out.open("w", newline="") as sink:
        table = csv.writer(sink, lineterminator="\n")
        table.writerow(("uid", "label", "family", "technique", "tool"))
        for conn in connections(source):
            rule = truth.rule(conn)
            table.writerow((conn["uid"], rule.label, rule.family, rule.technique, rule.tool))
            counts[rule.label, rule.family] += 1
    return counts
