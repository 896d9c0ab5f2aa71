"""What is remembered of a key, and the features that are read from it: two tables.

A key is the originator alone, or the originator with something else, so that a shard of the
cluster that gets all flows of an originator has its whole context.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

CONTEXT_VERSION = 1
"""Version of the features below; a context in a threat pack of another version is not used."""

HALF_LIVES: tuple[float, ...] = (10.0, 320.0, 10240.0)
"""Seconds in which a memory fades to a half: "seconds", "minutes", "hours". Each is `RATIO` times
the one before, so that one exponential gives all three: the others are its powers."""

RATIO = 32
SCALES: tuple[str, ...] = ("s", "m", "h")
SCALE_WORDS: tuple[str, ...] = ("seconds", "minutes", "hours")


class Key(IntEnum):
    """What flows are remembered by; the first three have statistics, the last a time only."""

    HOST = 0
    """`id.orig_h`"""

    PAIR = 1
    """`id.orig_h`, `id.resp_h`"""

    SERVICE = 2
    """`id.orig_h`, `proto`, `id.resp_p`: one service, wherever the originator looks for it."""

    PEER_SERVICE = 3
    """`id.orig_h`, `id.resp_h`, `proto`, `id.resp_p`"""


KEYS = 3
"""Kinds of keys with statistics."""

FLOWS, FAILED, FIRST, SECOND = 0, 3, 6, 9
"""Columns of a slot: decayed counts, three each, of flows, of failed flows, of two kinds of things
that are told apart (`DISTINCT`)."""

GAP, GAP_SPREAD, SIZE, SIZE_SPREAD = 12, 13, 14, 15
"""Columns of a slot: mean gap between starts and mean deviation from it (seconds), the same of the
IP bytes of both sides."""

WIDTH = 16
"""Columns of a slot, float32: one cache line."""

DISTINCT: dict[Key, tuple[tuple[str, str, Key], ...]] = {
    Key.HOST: (("peers", "peers", Key.PAIR), ("services", "services", Key.SERVICE)),
    Key.PAIR: (("services", "services", Key.PEER_SERVICE),),
    Key.SERVICE: (("peers", "peers", Key.PEER_SERVICE),),
}
"""Key → what is told apart under it: name, words, and the key that says when it was last seen."""

REMEMBERED = 8
"""Gaps and sizes that a mean looks back on, about: each new one counts for 1/8 of it."""

SPREAD_MAX = 4.0
"""A spread is cut off here, in means."""

_WHO = {Key.HOST: "this host", Key.PAIR: "this pair", Key.SERVICE: "this host to this service"}
_NAMES = {Key.HOST: "host", Key.PAIR: "pair", Key.SERVICE: "service"}


@dataclass(frozen=True, slots=True)
class ContextFeature:
    """One column of the context.

    Attributes:
        name: As in the feature table.
        words: What it is, as an analyst would say it.
        unit: Unit of the value, "" for none.
        share: Whether it is a ratio, not a magnitude.
    """

    name: str
    words: str
    unit: str = ""
    share: bool = False


def _magnitudes(key: Key) -> list[ContextFeature]:
    who, name = _WHO[key], f"context.{_NAMES[key]}"
    found = [
        ContextFeature(f"{name}.flows.{scale}", f"flows of {who} in the last {words}")
        for scale, words in zip(SCALES, SCALE_WORDS, strict=True)
    ]
    for what, noun, _ in DISTINCT[key]:
        found += [
            ContextFeature(f"{name}.{what}.{scale}", f"{noun} of {who} in the last {words}")
            for scale, words in zip(SCALES, SCALE_WORDS, strict=True)
        ]
    return [*found, ContextFeature(f"{name}.gap", f"mean gap between flows of {who}", "ms")]


def _shares(key: Key) -> list[ContextFeature]:
    who, name = _WHO[key], f"context.{_NAMES[key]}"
    return [
        *(
            ContextFeature(
                f"{name}.failed.{scale}", f"failed share of {who} in the last {words}", share=True
            )
            for scale, words in zip(SCALES, SCALE_WORDS, strict=True)
        ),
        ContextFeature(f"{name}.gap_spread", f"irregularity of {who} in time", share=True),
        ContextFeature(f"{name}.size_spread", f"irregularity of {who} in size", share=True),
    ]


_KEYS = (Key.HOST, Key.PAIR, Key.SERVICE)

CONTEXT_FEATURES: tuple[ContextFeature, ...] = (
    *(feature for key in _KEYS for feature in _magnitudes(key)),
    *(feature for key in _KEYS for feature in _shares(key)),
)
"""Columns of a context matrix, in order: magnitudes of host, pair, service, then their shares."""

CONTEXT_NAMES: tuple[str, ...] = tuple(feature.name for feature in CONTEXT_FEATURES)
CONTEXT_WIDTH: int = len(CONTEXT_FEATURES)
"""C, columns of a context matrix."""

FAILED_STATES: tuple[str, ...] = ("S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR")
"""`conn_state` of a flow that failed: never answered, refused, or never established. A flow whose
state is not known failed if the responder sent no packet."""

SET_BACK_S = 3600.0
"""A flow that ended so long before the last one of its key began shows that the clock was set back:
the key is forgotten and starts anew."""
