"""All flows of a benchmark with what is known of them, as each process holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from metatap_training.bench.columns import Columns
from metatap_training.bench.folds import LAB, Fold, refuse_leaks, training_part
from metatap_training.bench.lab import all_groups
from metatap_training.bench.sides import Ids, Sides, network_sides
from metatap_training.datasets import BENIGN, Flows, Terms
from metatap_training.datasets.flows import IntArray
from metatap_training.preprocess import Groups
from metatap_training.preprocess.clean import row_ids


@dataclass(frozen=True, eq=False)
class World:
    """Cleaned flows, the terms of their sources, the groups of their families.

    Attributes:
        flows: n flows.
        terms: Source → what its terms allow; sources that are not named allow all.
        groups: Family → group.
        ids: uint64 [n], equal for flows with the same features of their own.
        hosts: intp [n], originators, numbered over all captures.
        columns: What each network lacks.
    """

    flows: Flows
    terms: Mapping[str, Terms]
    groups: Groups = field(default_factory=all_groups)
    ids: Ids = field(init=False)
    hosts: IntArray = field(init=False)
    columns: Columns = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", row_ids(self.flows))
        captures = np.unique(self.flows.capture, return_inverse=True)[1]
        names, host = np.unique(self.flows.host, return_inverse=True)
        hosts = np.unique(captures * len(names) + host, return_inverse=True)[1]
        object.__setattr__(self, "hosts", hosts)
        object.__setattr__(self, "columns", Columns(self.flows))

    def under(self, terms: tuple[Terms, ...]) -> Flows:
        """The flows of sources with one of the terms."""
        names = np.unique(self.flows.source)
        chosen = [name for name in names if self.terms.get(str(name), Terms.YES) in terms]
        return self.flows.take(np.isin(self.flows.source, np.array(chosen, np.str_)))

    def part(self, terms: tuple[Terms, ...], fold: Fold, *, home: bool) -> Flows:
        """What may train a method when a fold is held out; see `folds.training_part`.

        Raises:
            BenchError: something that is held out is left.
        """
        part = training_part(self.under(terms), fold, self.groups, homes=home)
        refuse_leaks(part, fold, self.groups)
        return part

    @cache  # noqa: B019 - a process holds one world and keeps it to its end
    def sides(self, network: str) -> Sides:
        """Earlier and later benign flows of a network."""
        rows = (self.flows.label == BENIGN) & (self.flows.network == network)
        return network_sides(self.flows, np.flatnonzero(rows), self.ids)

    def digest(self, *, training: bool = False) -> str:
        """Hash of all flows: two benchmarks with the same one are on the same data.

        Args:
            training: Of those that may train alone: the lab's change no model.
        """
        flows = self.flows.take(~np.isin(self.flows.network, LAB)) if training else self.flows
        state = hashlib.sha256()
        for column in ("features", "label", "uid_hash", "ts"):
            state.update(np.ascontiguousarray(getattr(flows, column)).tobytes())
        for column in ("family", "network", "capture"):
            state.update("\n".join(getattr(flows, column).tolist()).encode())
        state.update(repr(sorted((name, str(term)) for name, term in self.terms.items())).encode())
        return state.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the flows where other processes can read them; whole or not at all."""
        part = path.with_name(f"part-{path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.flows.save(part)
        part.replace(path)
