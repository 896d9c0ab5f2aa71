"""What someone who knows of the detector can do at little cost, done to a problem.

- `padded`: bytes and packets of a positive are 1 to 4 times what they were.
- `slowed`: duration and gaps between packets are 1 to 10 times as long.
- `split`: a positive is one of 2 to 4 flows that do its work.
- `poisoned`: one flow of the support is a benign one of the background.

Factors are drawn for each flow, evenly on a logarithm. All that is made of what changes (rates,
sizes, shares) is made anew as `metatap.features.encode` makes it; what a host did before (context)
stays, and so does what text logs say of single requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from metatap.features.table import INDEX, NAMES
from metatap_training.bench.problem import Problem
from metatap_training.datasets.flows import FloatArray

PADDING, SLOWING, PARTS = 4.0, 10.0, 4

Attack = Callable[[Problem], Problem]
Floats = npt.NDArray[np.float64]

_BYTES = ("orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes")
_PACKETS = ("orig_pkts", "resp_pkts")
_REQUESTS = ("dns.queries", "http.requests")
_COUNTED = tuple(name for name in NAMES if name.startswith("history.") and name[-2:] in
                 (".A", ".D"))  # fmt: skip
"""Letters of the history that there are more of, the more packets there are."""


def padded(problem: Problem) -> Problem:
    """Bytes and packets × 1 to 4."""
    rng = _rng(problem, 1)
    factor = _factors(rng, problem.positives, PADDING)
    return _changed(problem, lambda rows: _resized(rows, factor, factor))


def slowed(problem: Problem) -> Problem:
    """Duration and gaps × 1 to 10."""
    factor = _factors(_rng(problem, 2), problem.positives, SLOWING)
    return _changed(problem, lambda rows: _slower(rows, factor))


def split(problem: Problem) -> Problem:
    """One of 2 to 4 flows that share bytes, packets, requests and duration."""
    parts = _rng(problem, 3).integers(2, PARTS + 1, problem.positives).astype(np.float64)
    return _changed(problem, lambda rows: _divided(rows, parts))


def poisoned(problem: Problem) -> Problem:
    """One flow of the support replaced by one of the background."""
    rng = _rng(problem, 4)
    support, names = problem.support.copy(), problem.services.support.astype(object)
    place, other = rng.integers(len(support)), rng.integers(len(problem.background))
    support[place] = problem.background[other]
    names[place] = problem.services.background[other]
    services = replace(problem.services, support=names.astype(np.str_))
    return replace(problem, support=support, services=services)


ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {"padded": padded, "slowed": slowed, "split": split, "poisoned": poisoned}
)
"""Name in the results → the attack."""


def _rng(problem: Problem, number: int) -> np.random.Generator:
    return np.random.default_rng([problem.seed, number])


def _factors(rng: np.random.Generator, count: int, most: float) -> Floats:
    return np.exp(rng.uniform(0, np.log(most), count))


def _changed(problem: Problem, change: Callable[[FloatArray], FloatArray]) -> Problem:
    """The problem with other positives; everything else stays."""
    queries = problem.queries.copy()
    queries[: problem.positives] = change(queries[: problem.positives])
    return replace(problem, queries=queries)


def _resized(rows: FloatArray, bytes_by: Floats, packets_by: Floats) -> FloatArray:
    changed = rows.astype(np.float64)
    _times(changed, _BYTES, bytes_by, whole=True)
    _times(changed, _PACKETS, packets_by, whole=True)
    return _derived(rows, changed)


def _slower(rows: FloatArray, factor: Floats) -> FloatArray:
    changed = rows.astype(np.float64)
    _times(changed, ("duration",), factor, whole=False)
    return _derived(rows, changed)


def _divided(rows: FloatArray, parts: Floats) -> FloatArray:
    changed = rows.astype(np.float64)
    _times(changed, ("duration",), 1 / parts, whole=False)
    _times(changed, _BYTES, 1 / parts, whole=True)
    for names in (_PACKETS, _REQUESTS, _COUNTED):
        _times(changed, names, 1 / parts, whole=True, least=1)
    return _derived(rows, changed)


def _times(
    rows: Floats, names: tuple[str, ...], factor: Floats, *, whole: bool, least: float = 0
) -> None:
    """Columns times a factor; whole numbers where they count, at least `least` where there was."""
    for name in names:
        column = rows[:, INDEX[name]]
        product = np.rint(column * factor) if whole else column * factor
        rows[:, INDEX[name]] = np.where(column >= least, np.maximum(product, least), product)


def _derived(before: FloatArray, rows: Floats) -> FloatArray:
    """Rows with all that is made of sizes, packets and duration made anew, where it was known."""

    def of(name: str) -> Floats:
        return rows[:, INDEX[name]]

    with np.errstate(divide="ignore", invalid="ignore"):
        packets = of("orig_pkts") + of("resp_pkts")
        seconds = of("duration") / 1e3
        made = {
            "orig_pkt_size": _share(of("orig_ip_bytes"), of("orig_pkts")),
            "resp_pkt_size": _share(of("resp_ip_bytes"), of("resp_pkts")),
            "pkt_interval": of("duration") / np.maximum(packets - 1, 1),
            "byte_rate": _share(of("orig_ip_bytes") + of("resp_ip_bytes"), seconds),
            "orig_byte_share": _share(of("orig_bytes"), of("orig_bytes") + of("resp_bytes")),
            "orig_pkt_share": _share(of("orig_pkts"), packets),
            "orig_payload_share": np.minimum(_share(of("orig_bytes"), of("orig_ip_bytes")), 1),
            "resp_payload_share": np.minimum(_share(of("resp_bytes"), of("resp_ip_bytes")), 1),
            "dns.rate": of("dns.queries") / np.maximum(seconds, 1),
        }
    for name, values in made.items():
        known = ~np.isnan(before[:, INDEX[name]]) & ~np.isnan(values)
        rows[:, INDEX[name]] = np.where(known, values, before[:, INDEX[name]])
    letters = [at for at, name in enumerate(NAMES) if name in _COUNTED]
    gone = (before[:, letters].astype(np.float64) - rows[:, letters]).sum(1)
    at = INDEX["history.length"]
    rows[:, at] = np.where(np.isnan(gone), before[:, at], np.maximum(rows[:, at] - gone, 1))
    return rows.astype(np.float32)


def _share(part: Floats, whole: Floats) -> Floats:
    """part / whole, 0 where the whole is 0, as the encoder has it."""
    return np.where(whole == 0, np.where(np.isnan(part), np.nan, 0.0), part / whole)
