"""metatap.offline.pack_trial."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.flow import from_rows
from metatap.offline import pack_trial
from metatap.offline.pack_trial import Trial

FLOWS = st.fixed_dictionaries(
    {"uid": st.sampled_from([None, "C1", "C2", "C3"])},
    optional={
        "id.orig_h": st.sampled_from(["10.0.0.1", "10.0.0.2", "::", "2001:db8::1"]),
        "id.resp_h": st.sampled_from(["10.0.0.9", "::"]),
        "id.resp_p": st.sampled_from([0, 22, 53, 65535]),
        "proto": st.sampled_from(["tcp", "udp"]),
    },
)


def by_hand(trial: Trial, flows: list[dict[str, Any]], scores: list[float]) -> None:
    """What `Trial.add` says of flows that are all flagged, one by one."""
    found: dict[tuple[str, str, str], tuple[int, float, str]] = {}
    for flow, score in zip(flows, scores, strict=True):
        orig, resp, port, proto = (
            str(flow.get(name, "-")) for name in ("id.orig_h", "id.resp_h", "id.resp_p", "proto")
        )
        hits, highest, uid = found.get((orig, resp, f"{port}/{proto}"), (0, -np.inf, ""))
        if score > highest:
            highest, uid = score, flow["uid"] or ""
        found[orig, resp, f"{port}/{proto}"] = hits + 1, highest, uid
    assert {key: (pair.hits, pair.highest, pair.uid) for key, pair in trial.pairs.items()} == found
    assert list(trial.pairs) == list(found)


@given(st.lists(st.tuples(FLOWS, st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), max_size=30))
def test_hits_are_counted_by_pair(drawn: list[tuple[dict[str, Any], float, bool]]) -> None:
    """In one batch or in two; of equal scores the first flow is named, absence is no value."""
    for cut in (0, len(drawn) // 2):
        trial = Trial()
        for part in (drawn[:cut], drawn[cut:]):
            scores = np.array([score for _, score, _ in part], np.float32)
            hit = np.array([is_hit for *_, is_hit in part], np.bool_)
            trial.add(from_rows([flow for flow, *_ in part]), scores, hit)
        flagged = [(flow, score) for flow, score, is_hit in drawn if is_hit]
        by_hand(trial, [flow for flow, _ in flagged], [score for _, score in flagged])
        assert (trial.flows, trial.hits) == (len(drawn), len(flagged))


def test_pairs_beyond_a_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """All their hits, as unlisted; those that are listed already go on."""
    monkeypatch.setattr(pack_trial, "MAX_PAIRS", 2)
    trial = Trial()
    flows = [{"id.orig_h": f"10.0.0.{host}"} for host in (1, 2, 3, 3, 1, 4)]
    trial.add(from_rows(flows), np.ones(6, np.float32), np.ones(6, np.bool_))
    assert [pair.hits for pair in trial.by_hits()] == [2, 1]
    assert (trial.hits, trial.unlisted) == (6, 3)
