"""Resampling hosts: how far the figures would move with other hosts of the same kind.

Flows of one host are not independent, hosts nearly are: a round draws as many hosts as there are,
with replacement, and takes each with all its flows (cluster bootstrap; Davison & Hinkley, Bootstrap
Methods and their Application, 1997, section 3.8). A flow then has the weight with which its host
was drawn, and every figure is computed anew from weighted flows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.offline.metrics import allowed_at

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]

ROUNDS = 1000
SEED = 0
LEVEL = 0.95

_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one weighting, or of R of them: [R, …].

    Attributes:
        recall: float64 [S], share of each set's flows that any pack alerts on.
        tpr: float64 [S], share over the threshold that the stated share of benign flows exceeds.
        auprc: float64 [S], average precision against all benign flows.
        totals: float64 [3]: precision, F1, share of the benign flows alerted on.
    """

    recall: FloatArray
    tpr: FloatArray
    auprc: FloatArray
    totals: FloatArray


class Weighted:
    """Flows in the order in which weighted figures are quickly computed.

    The sets are any S sets of malicious flows; the first one holds all of them.
    """

    def __init__(
        self,
        *,
        system: npt.NDArray[np.float32],
        alerted: npt.NDArray[np.bool_],
        host: npt.NDArray[np.int32],
        benign: IndexArray,
        sets: list[IndexArray],
        rate: float,
    ) -> None:
        """Sort once for all rounds.

        Args:
            system: float32 [n].
            alerted: bool [n].
            host: int32 [n].
            benign: intp [b], the benign flows, b ≥ 0.
            sets: intp [k] each, the malicious flows of a set, k ≥ 1; all of them first.
            rate: False-positive rate at which `tpr` is read.
        """
        self._rate = rate
        benign = benign[np.argsort(-system[benign], kind="stable")]
        self._benign, self._benign_host = system[benign], host[benign]
        self._false = alerted[benign]
        order = [flows[np.argsort(-system[flows], kind="stable")] for flows in sets]
        sizes = np.array([len(flows) for flows in order], np.intp)
        self._starts = np.r_[0, np.cumsum(sizes)[:-1]].astype(np.intp)[: len(sets)]
        self._set = np.repeat(np.arange(len(sets)), sizes)
        flows = np.concatenate(order) if sets else np.zeros(0, np.intp)
        self._score, self._host, self._found = system[flows], host[flows], alerted[flows]
        self._above = np.searchsorted(-self._benign, -self._score, side="right")
        ends = np.r_[(np.diff(self._set) != 0) | (np.diff(self._score) != 0), True][: len(flows)]
        last = np.flatnonzero(ends)
        self._last = last[np.searchsorted(last, np.arange(len(flows)))]

    def figures(self, weight: FloatArray) -> Figures:
        """The figures with hosts weighted, float64 [hosts]; NaN where nothing is left to judge."""
        benign = np.r_[0.0, np.cumsum(weight[self._benign_host])]
        false = float(weight[self._benign_host[self._false]].sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.float64(false) / benign[-1]
            if not len(self._starts):
                none = np.zeros(0)
                return Figures(none, none, none, np.array([np.nan, np.nan, share]))
            each = weight[self._host]
            total = self._sum(each)
            summed = np.cumsum(each)
            summed -= np.r_[0.0, summed[self._starts[1:] - 1]][self._set]
            upto = summed[self._last]
            precision = upto / np.maximum(upto + benign[self._above], _TINY)
            area = self._sum(each * precision) / total
            hit = self._sum(each * (self._score > self._threshold(benign))) / total
            if not benign[-1]:
                area, hit = np.full_like(area, np.nan), np.full_like(hit, np.nan)
            found = self._sum(each * self._found)
            totals = [
                found[0] / (found[0] + false),
                2 * found[0] / (found[0] + false + total[0]),
                share,
            ]
            return Figures(found / total, hit, area, np.array(totals))

    def rounds(
        self,
        hosts: int,
        rounds: int = ROUNDS,
        seed: int = SEED,
        on_round: Callable[[], None] | None = None,
    ) -> Figures:
        """The figures of many draws of hosts, [R, …] each; `on_round` is told of each."""
        rng = np.random.default_rng(seed)
        drawn = []
        for _ in range(rounds):
            times = np.bincount(rng.integers(hosts, size=hosts), minlength=hosts)
            drawn.append(self.figures(times.astype(np.float64)))
            if on_round is not None:
                on_round()
        return Figures(
            np.array([one.recall for one in drawn]),
            np.array([one.tpr for one in drawn]),
            np.array([one.auprc for one in drawn]),
            np.array([one.totals for one in drawn]),
        )

    def _sum(self, values: FloatArray) -> FloatArray:
        total: FloatArray = np.add.reduceat(values, self._starts)
        return total

    def _threshold(self, benign: FloatArray) -> float:
        """As `metrics.threshold_at` on the weighted benign flows; `benign` is their running sum."""
        at = int(np.searchsorted(benign, allowed_at(float(benign[-1]), self._rate), side="right"))
        return float(self._benign[at - 1]) if at < len(benign) else np.inf


def percentiles(values: FloatArray, point: float) -> tuple[float, float] | None:
    """The 95 % percentile interval of [R] values of a figure, widened to its point.

    Rounds in which the figure is not defined are left out. None if all others give the same: the
    hosts then say nothing of how far it may move.
    """
    defined = values[~np.isnan(values)]
    if not len(defined) or np.ptp(defined) == 0:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return min(float(low), point), max(float(high), point)
