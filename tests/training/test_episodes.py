"""`episodes`: what may and may not meet in one episode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap.features.table import INDEX
from metatap_training.datasets import BENIGN, MALICIOUS, Flows
from metatap_training.datasets.sources import DataError
from metatap_training.episodes import Episode, Sampler, Sizes, service_tasks, threat_tasks
from metatap_training.episodes.masks import ABSENT, SOURCES, draw_mask, make_mask
from metatap_training.episodes.neighbours import draw_neighbourhood
from metatap_training.episodes.tasks import service_keys
from metatap_training.preprocess import fit_scaling
from tests.training import synthetic

SIZES = Sizes(tasks=4, support=6, background=64, negatives=96, queries=8, own=8, networks=2)


def sampler(
    flows: Flows, threats: float = 0.5, services: float = 0.2, networks: int = 2, seed: int = 0
) -> Sampler:
    """A sampler of small episodes."""
    found, keys = service_tasks(flows, service_keys(flows))
    sizes = replace(SIZES, threats=threats, services=services, networks=networks)
    tasks = [*threat_tasks(flows), *found]
    return Sampler(flows, fit_scaling(flows), tasks=tasks, keys=keys, sizes=sizes, seed=seed)


KINDS = {"threats": (1.0, 0.0), "services": (0.0, 1.0), "neighbourhoods": (0.0, 0.0)}


@pytest.fixture(scope="module")
def flows() -> Flows:
    return synthetic.flows()


def rows_of(episode: Episode, task: int) -> tuple[set[int], set[int], set[int]]:
    """Support (examples and counter-examples), queries and own negatives of a task."""
    near = episode.positive[task] | episode.counter[task]
    return (
        set(episode.support[task][near].tolist()),
        set(episode.queries[task][episode.asked[task]].tolist()),
        set(episode.own[task][episode.own_there[task]].tolist()),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_plays_two_parts(flows: Flows, kind: str) -> None:
    """Support, positive queries, negatives and background are disjoint in every episode."""
    draws = sampler(flows, *KINDS[kind])
    for _ in range(30):
        episode = draws.draw()
        ground, against = set(episode.background.tolist()), set(episode.negatives.tolist())
        assert not ground & against
        for task in range(SIZES.tasks):
            support, queries, own = rows_of(episode, task)
            assert support
            assert queries
            assert not support & queries
            assert not (support | queries) & (ground | against | own)
            assert not support & own


@pytest.mark.parametrize("kind", KINDS)
def test_the_background_is_never_of_the_supports_network(flows: Flows, kind: str) -> None:
    """Neither are the shared negatives; own negatives are of the support's network."""
    draws = sampler(flows, *KINDS[kind])
    for _ in range(30):
        episode = draws.draw()
        taken = set(flows.network[np.r_[episode.background, episode.negatives]])
        for task in range(SIZES.tasks):
            home = set(flows.network[episode.support[task][episode.positive[task]]])
            assert not home & taken
            if kind == "threats":
                own = flows.network[episode.own[task][episode.own_there[task]]]
                assert set(own) <= home


def test_threat_queries_are_of_the_same_family_and_negatives_benign(flows: Flows) -> None:
    """Unknown flows are never negatives of a threat."""
    draws = sampler(flows, *KINDS["threats"])
    for _ in range(20):
        episode = draws.draw()
        assert (flows.label[np.r_[episode.background, episode.negatives]] == BENIGN).all()
        for task in range(SIZES.tasks):
            support = episode.support[task][episode.positive[task]]
            queries = episode.queries[task][episode.asked[task]]
            assert len(set(flows.family[np.r_[support, queries]])) == 1
            assert (flows.label[queries] == MALICIOUS).all()


def test_threat_queries_come_from_the_other_network_where_it_is_free(flows: Flows) -> None:
    """Every made-up family lives in two networks; mostly one is the support's, one the queries'."""
    draws = sampler(flows, *KINDS["threats"], networks=1)
    crossing = []
    for _ in range(40):
        episode = draws.draw()
        for task in range(SIZES.tasks):
            home = set(flows.network[episode.support[task][episode.positive[task]]])
            queries = flows.network[episode.queries[task][episode.asked[task]]]
            crossing.append(not set(queries) <= home)
    assert np.mean(crossing) > 0.4


def test_a_service_that_is_asked_for_is_not_in_the_background(flows: Flows) -> None:
    """It would be a positive labelled negative."""
    draws, keys = sampler(flows, *KINDS["services"]), service_keys(flows)
    for _ in range(20):
        episode = draws.draw()
        asked = set(keys[episode.support[episode.positive]])
        assert not asked & set(keys[np.r_[episode.background, episode.negatives]])


def test_the_same_seed_draws_the_same_episodes(flows: Flows) -> None:
    """And another seed draws others."""
    one, two, other = sampler(flows), sampler(flows), sampler(flows, seed=1)
    a, b, c = one.draw(), two.draw(), other.draw()
    np.testing.assert_array_equal(a.support, b.support)
    np.testing.assert_array_equal(a.negatives, b.negatives)
    assert not np.array_equal(a.negatives, c.negatives)


def test_a_mask_takes_a_source_s_columns_away_on_both_sides() -> None:
    """Absent values stand at the mean, presence flags say no."""
    scaling = fit_scaling(synthetic.flows())
    mask = make_mask(scaling, list(SOURCES["suricata"]))
    at = mask.columns.tolist()
    assert INDEX["local_orig"] in at
    assert INDEX["orig_bytes"] in at
    assert mask.values[at.index(INDEX["history.orig.S"])] == 0
    assert mask.values[at.index(INDEX["has.history"])] < 0
    drawn = [len(draw_mask(scaling, np.random.default_rng(s)).columns) for s in range(40)]
    assert min(drawn) == 0
    assert max(drawn) >= sum(len(ABSENT[group]) for group in SOURCES["suricata"])


def test_a_neighbourhood_ignores_the_columns_an_episode_lacks(flows: Flows) -> None:
    """What can't be seen must not decide what is near."""
    scaled = fit_scaling(flows).apply(flows.features)
    gone = np.arange(50)
    place = draw_neighbourhood(scaled, np.arange(200), gone, 10, np.random.default_rng(0))
    assert not place.weights[gone].any()
    assert len(place.inside) == 10
    assert place.near(scaled[place.inside]).all()
    assert not place.near(scaled).all()


def only_in(flows: Flows, *networks: str) -> Flows:
    """The flows, with threats in some networks alone."""
    return flows.take((flows.label != MALICIOUS) | np.isin(flows.network, networks))


def test_threats_of_one_network_are_asked_for_from_others(flows: Flows) -> None:
    """However many networks a background takes; where it took theirs, it moves to another one."""
    here = only_in(flows, "north")
    draws = sampler(here, *KINDS["threats"], networks=5)
    for _ in range(20):
        episode = draws.draw()
        support = episode.support[episode.positive]
        assert set(here.network[support]) == {"north"}
        assert "north" not in set(here.network[np.r_[episode.background, episode.negatives]])


@pytest.mark.parametrize("kind", KINDS)
def test_flows_that_make_no_task_are_an_error(flows: Flows, kind: str) -> None:
    """Not a search without end: there is one network, the background's."""
    alone = flows.take(flows.network == "north")
    with pytest.raises(DataError, match="no task"):
        sampler(alone, *KINDS[kind]).draw()


def test_flows_that_are_all_alike_make_no_neighbourhood(flows: Flows) -> None:
    """Each would hold the whole background."""
    alike = replace(flows, features=np.repeat(flows.features[:1], len(flows), 0))
    with pytest.raises(DataError, match="too much of the benign"):
        sampler(alike, *KINDS["neighbourhoods"]).draw()
