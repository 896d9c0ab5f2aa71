"""What a change costs a pack: its own flows and the alerts of the past, scored before and after.

A counter-example moves the head and the threshold for every flow, not for its like alone: of packs
of a few flows it may take the threat itself. The pack's own flows show that only in part; what
people judged true shows it better. Both versions of the pack are made ready as the agent does, on
the model's own background.

Of an alert the flow it was opened by is known, not those that came after. Where that flow alone
would be lost, a stored source that holds the others can tell (`spared`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from metatap.detector import Model, Ready
from metatap.flow import Row
from metatap.offline.pack_trial import Trial
from metatap.state.history_read import Judged
from metatap.state.stored import Stored

FloatArray = npt.NDArray[np.float32]

MOST = 10_000
"""Alerts of the past that are scored again, at most: the newest."""

ENOUGH = 1
"""Alerts that nobody judged, from which on it is a reason to refuse that all of them go, where none
that was judged true stays."""

_ROWS = 1_024
"""Flows scored at once."""

_NAMED = 5

Pair = tuple[str, str, str]
"""Originator, responder and its port, as `pack_trial` names them."""


@dataclass(frozen=True, slots=True)
class Raised:
    """Alerts of one kind that a pack raises, before and after a change.

    Attributes:
        known: How many there are.
        before: Those whose flow reaches the threshold of the pack as it was.
        after: The same of the changed pack.
    """

    known: int = 0
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """A pack before and after a change.

    Attributes:
        before: The pack as it was, made ready.
        after: The changed pack, made ready.
        raised: Alerts of the past by what people made of them.
        lost: Ids of alerts judged true that only the pack as it was raises, newest first; without
            those whose pair of hosts is spared.
        spared: Alerts that nobody judged and only the pack as it was raises, but whose pair is.
        unscored: Alerts whose features were not kept, or are of another version.
    """

    before: Ready
    after: Ready
    raised: Mapping[Judged, Raised]
    lost: tuple[str, ...] = ()
    spared: int = 0
    unscored: int = 0

    def refusal(self) -> str:
        """Why the changed pack should not be taken, "" if nothing speaks against it."""
        if not self.after.is_useful:
            return f"the pack {self.after.reason} (on the model's own background)"
        if self.lost:
            more = " …" if len(self.lost) > _NAMED else ""
            names = ", ".join(name[:8] for name in self.lost[:_NAMED]) + more
            true = self.raised[Judged.TRUE].before
            return f"alerts judged true: {len(self.lost)} of {true} would go: {names}"
        if self._is_blind and self.raised[Judged.NONE].before >= ENOUGH and not self._has_true:
            return f"alerts that nobody judged: {self._all_go}, and none judged true stays"
        return ""

    def warnings(self) -> Iterator[str]:
        """What should be looked at, though it is no reason to refuse the change."""
        false = self.raised[Judged.FALSE]
        if self._is_blind:
            yield f"alerts that nobody judged: {self._all_go}"
        if false.after > false.before:
            yield f"alerts judged false: {false.after - false.before} more would be raised"

    @property
    def _is_blind(self) -> bool:
        """Whether there are alerts that nobody judged, and all of them would go."""
        unjudged = self.raised[Judged.NONE]
        return unjudged.before > 0 and not unjudged.after and not self.spared

    @property
    def _has_true(self) -> bool:
        """Whether an alert judged true stays, or its pair does."""
        true = self.raised[Judged.TRUE]
        return bool(true.after) or true.before > len(self.lost)

    @property
    def _all_go(self) -> str:
        number = self.raised[Judged.NONE].before
        return "the only one would go" if number == 1 else f"all {number} would go"


def spared(trials: Sequence[tuple[Trial, Trial]]) -> set[Pair]:
    """Pairs of hosts of which a changed pack still flags half of the flows it flagged before.

    Args:
        trials: Of each stored source, what the pack flags before and after.
    """
    return {
        key
        for before, after in trials
        for key, pair in before.pairs.items()
        if key in after.pairs and 2 * after.pairs[key].hits >= pair.hits
    }


def pair_of(flow: Row) -> Pair:
    """The pair of hosts of a flow under Zeek's field names."""
    orig, resp, port, proto = (
        str(flow.get(name, "-")) for name in ("id.orig_h", "id.resp_h", "id.resp_p", "proto")
    )
    return orig, resp, f"{port}/{proto}"


def cost_of(
    model: Model,
    before: Ready,
    after: Ready,
    alerts: Iterable[Stored],
    stay: Collection[Pair] = (),
) -> Cost:
    """Hold a changed pack against the pack as it was.

    Args:
        model: The model both were made ready with.
        before: The pack as it was.
        after: The changed pack.
        alerts: Alerts of the pack, the newest first.
        stay: Pairs of hosts that are spared.

    Raises:
        ModelError: the model can't score them.
    """
    heads = model.stack([before.head, after.head])
    thresholds = np.array([before.threshold, after.threshold], np.float32)
    counts = dict.fromkeys(Judged, Raised())
    lost: list[str] = []
    unscored = unjudged = 0
    stream = iter(alerts)
    while part := list(islice(stream, _ROWS)):
        features = [alert.features for alert in part if alert.features is not None]
        unscored += len(part) - len(features)
        if not features:
            continue
        scores = model.score(model.select(np.stack(features)), heads)[0][:, :2]
        known = (alert for alert in part if alert.features is not None)
        for alert, hit in zip(known, (scores >= thresholds).tolist(), strict=True):
            kind, (was, remains) = Judged.of(alert), hit
            old = counts[kind]
            counts[kind] = Raised(old.known + 1, old.before + was, old.after + remains)
            if not was or remains or kind is Judged.FALSE:
                continue
            stays = pair_of(alert.flow) in stay
            unjudged += stays and kind is Judged.NONE
            if kind is Judged.TRUE and not stays:
                lost.append(alert.id)
    return Cost(before, after, counts, tuple(lost), unjudged, unscored)
